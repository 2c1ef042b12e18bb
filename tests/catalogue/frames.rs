//! Frames, messages and the closing handshake.

use crate::DELIVERIES;
use crate::memory;
use crate::script::Script;
use crate::support::bound::Bound;
use crate::support::delivery::Delivery;
use crate::support::end::{End, Seen};
use crate::support::wire::{RawFrame, close_payload, frame, frames, peer_key};
use sansocket::blocking::WebSocket;
use sansocket::{
    Agreement, CloseCode, CloseFrame, Config, Connection, Error, ProtocolError, Role, SendError, State,
};
use std::io::ErrorKind;
use std::time::{Duration, Instant};

pub(crate) const ROLES: [Role; 2] = [Role::Client, Role::Server];

rows! {
    f_01_rsv1_without_an_extension { ["C1 82 ! K 48 69", "C1 80 K", "C2 81 K 01"] => fails(1002); }
    f_02_rsv2_and_rsv3 {
        ["A1 80 K", "91 80 K", "E1 80 K", "A2 81 K 01", "99 80 K", "A8 80 K"] => fails(1002);
    }

    f_03_reserved_opcodes { reserved_opcodes() => fails(1002); }

    f_04_16_bit_length_that_is_not_minimal {
        ["81 FE 00 00 ! K", "81 FE 00 05 ! K 48 65 6C 6C 6F", "82 FE 00 7D ! K 61*125"] => fails(1002);
        ["82 FF 00 00 00 00 00 00 00 05 ! K 61*5", "82 FF 00 00 00 00 00 00 FF FF ! K"] => fails(1002);
        ["81 FE 00 7E K 61*126"] => delivers([text(&"a".repeat(126))]);
        ["82 FF 00 00 00 00 00 01 00 00 K 61*65536"] => delivers([Seen::Binary(vec![b'a'; 65_536])]);
    }
    f_05_top_bit_of_the_64_bit_length {
        ["82 FF 80 00 00 00 00 00 00 00 !", "82 FF FF*8 !", "0A FF FF FF FF FF FF FF FF EB"] => fails(1002);
    }
    f_06_huge_declared_lengths {
        huge("81") => fails(1009);
        huge("82") => fails(1009);
        huge("01") => fails(1009);
        huge("02") => fails(1009);
    }

    f_07_the_largest_frame {
        ["82 FF 00 00 00 00 01 00 00 00 K 61*9"] => delivers([]); // 16 MiB by default; the rest may come
        ["82 FF 00 00 00 00 01 00 00 01 K !", "82 FF 00 00 00 00 01 00 00 01 K ! 61*9"] => fails(1009);
        limited(1_000, 9_999, ["82 FE 03 E8 K 61*1000"]) => delivers([Seen::Binary(vec![b'a'; 1_000])]);
        limited(1_000, 9_999, ["82 FE 03 E9 K !", "82 FE 03 E9 K ! 61*1001"]) => fails(1009);
        limited(0, 9_999, ["82 80 K"]) => delivers([Seen::Binary(vec![])]);
    }
    f_08_the_largest_message {
        limited(99, 10, ["01 85 K 61*5 | 80 85 K 61*5", "01 84 K 61*4 | 00 81 K 61 | 80 85 K 61*5"])
            => delivers([text("aaaaaaaaaa")]);
        limited(99, 10, ["01 85 K 61*5 | 80 86 K !", "02 84 K 61*4 | 00 81 K 61 | 00 86 K !"]) => fails(1009);
        limited(99, 10, ["81 8B K !"]) => fails(1009);
        limited(99, 10, ["01 85 K 61*5 | 89 81 K 70 | 80 86 K !"]) => fails_after([ping("p")], 1009);
        limited(u64::MAX, 10, ["01 81 K 61 | 80 FF 7F FF*7 K !"]) => fails(1009); // no sum wraps
        ["01 81 K 61 | 80 FF 00 00 00 00 01 00 00 00 K !"] => fails(1009); // 16 MiB by default
    }

    f_09_long_control_frames {
        ["89 FE ! 00 7E", "88 FF ! 00 00 00 00 00 01 00 00", "8A FE ! 00 7E K", "89 FE ! 00 05 K 61*5"]
            => fails(1002);
        ["88 FE ! 00 05 K 03 E8 61*3", "8A FF ! 00 00 00 00 00 00 00 05 K"] => fails(1002);
    }
    f_10_fragmented_control_frames { ["08 80 ! K", "09 80 K", "0A 80 K", "09 81 K 61"] => fails(1002); }
    f_11_a_message_inside_a_message {
        ["01 81 K 61 | 81 81 K 61", "01 81 K 61 | 82 81 K 61", "01 81 K 61 | 01 80 K", "01 81 K 61 | 02 80 K"]
            => fails(1002);
        ["80 81 K 61", "00 80 K"] => fails(1002); // a continuation of nothing
        ["81 81 K 61 | 80 80 K"] => fails_after([text("a")], 1002);
    }

    f_12_unmasked_frames_to_a_server {
        to_server(["81 02 48 69", "82 01 61", "01 01 61", "80 00", "88 00", "89 00", "8A 00", "88 02 03 E8"])
            => fails(1002);
        to_server(["01 81 00 00 00 00 61 80 01 61", "01 81 00 00 00 00 61 88 00"]) => fails(1002);
    }
    f_13_masked_frames_to_a_client {
        to_client([
            "81 82 00 00 00 00 48 69", "82 81 01 02 03 04 61", "80 80 01 02 03 04", "89 80 11 22 33 44",
            "8A 80 11 22 33 44", "88 80 11 22 33 44", "88 82 11 22 33 44 12 CA", "88 82 03 E8 00 00 00 00",
            "01 01 61 80 81 11 22 33 44 70",
        ]) => fails(1002);
    }

    f_14_empty_messages_and_fragments {
        ["81 80 K", "01 80 K | 80 80 K"] => delivers([text("")]);
        ["82 80 K", "02 80 K | 00 80 K | 80 80 K"] => delivers([Seen::Binary(vec![])]);
        ["01 80 K | 00 80 K | 00 82 K 48 69 | 00 80 K | 80 80 K"] => delivers([text("Hi")]);
        ["01 81 K E2 | 00 80 K | 00 81 K 82 | 80 81 K AC"] => delivers([text("\u{20AC}")]);
    }
    f_15_pings_and_pongs {
        ["89 80 K"] => delivers([ping("")]);
        ["89 81 K 61"] => delivers([ping("a")]);
        ["89 FD K 61*125"] => delivers([ping(&"a".repeat(125))]);
        ["8A 80 K"] => delivers([Seen::Pong(vec![])]);
        ["8A FD K 61*125"] => delivers([Seen::Pong(vec![b'a'; 125])]);
        ["01 81 K 48 | 89 81 K 61 | 8A 80 K | 80 81 K 69"]
            => delivers([ping("a"), Seen::Pong(vec![]), text("Hi")]);
    }

    f_16_close_without_a_code { ["88 80 K"] => delivers([Seen::Close(None)]); }
    f_17_close_with_one_byte { ["88 81 K 03"] => fails(1002); }
    // All 65 536 codes: tests/exhaustive.rs.
    f_18_close_codes {
        close_codes([0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535]) => fails(1002);
        close_codes([1000]) => delivers([close(1000, "")]);
        close_codes([1003]) => delivers([close(1003, "")]);
        close_codes([1007]) => delivers([close(1007, "")]);
        close_codes([1014]) => delivers([close(1014, "")]);
        close_codes([3000]) => delivers([close(3000, "")]);
        close_codes([4999]) => delivers([close(4999, "")]);
    }
    f_19_close_reasons {
        ["88 FD K 03 E8 61*123"] => delivers([close(1000, &"a".repeat(123))]);
        ["88 83 K 03 E8 FF", "88 84 K 03 E8 E2 82"] => fails(1007);
    }
    f_20_what_follows_the_close_frame_is_discarded {
        ["88 82 K 03 E8 | 81 81 K 61", "88 82 K 03 E8 | FF FF FF FF FF FF", "88 82 K 03 E8 | 83 80 K"]
            => delivers([close(1000, "")]);
        ["88 82 K 03 E8 | 88 82 K 03 E9", "88 82 K 03 E8 | 89 81 K 61"] => delivers([close(1000, "")]);
        ["01 81 K 61 | 88 82 K 03 E8 | 80 81 K 61"] => delivers([close(1000, "")]);
    }

    // `check` lets each stream end behind its input: there, and nowhere else, is 1006.
    f_24_the_stream_ends_without_a_close_frame {
        ["", "81", "81 FE", "81 FE 00", "82 FF 00 00", "81 85 K", "81 85 K 48 65", "88 82 K 03", "89 85 K 61"]
            => delivers([]);
        ["01 82 K 48 69", "01 82 K 48 69 | 00", "01 82 K 48 69 | 80 85 K 61"] => delivers([]);
        to_server(["81 85 00 00", "01 81 00 00 00 00 61 80 85 00"]) => delivers([]);
        ["81 82 K 48 69 | 81 82 K 48"] => delivers([text("Hi")]);
    }

    f_26_invalid_utf8 {
        ["81 85 K C0 ! AF 61*3", "81 85 K C1 ! BF 61*3", "81 85 K E0 80 ! 80 61*2", "81 85 K ED A0 ! 80 61*2"]
            => fails(1007);
        ["81 85 K ED BF ! BF 61*2", "81 85 K F0 80 ! 80 80 61", "81 85 K F4 90 ! 80 80 61", "81 81 K F5"]
            => fails(1007);
        ["81 82 K F8 80", "81 81 K FE", "81 81 K FF", "81 81 K 80", "81 82 K E2 82", "81 83 K F0 9F 98"]
            => fails(1007);
        ["01 81 K E0 | 80 82 K 80 ! 80", "01 81 K E2 | 80 81 K 28"] => fails(1007);
        ["01 82 K E2 82 | 80 80 K", "01 81 K F4 | 00 81 K 90 !"] => fails(1007);
        ["01 81 K 61 | 00 80 K | 89 80 K | 80 81 K 80"] => fails_after([ping("")], 1007);
    }
    f_28_invalid_utf8_fails_at_once {
        ["01 81 K FF !", "81 85 K FF !", "01 FE 03 E8 K 61*9 FF !"] => fails(1007);
        ["81 FF 00 00 00 00 00 10 00 00 K FF ! 61*999"] => fails(1007);
        ["81 FF 00 00 00 00 00 10 00 00 K 61*70000 FF ! 61*999"] => fails(1007);
    }
}

/// What the peer sends: frames as hexadecimal digits, separated by bars.
///
/// - `K` is the masking key, and what follows it in the frame is masked; towards a client it is left out,
///   and so is the mask bit.
/// - `61*5` is five bytes of 61.
/// - `!` is where an error has to be found, even if nothing follows.
#[derive(Debug)]
pub(crate) struct Case {
    pub(crate) frames: String,
    /// Only an end in this role gets them, and just as they are written.
    pub(crate) to: Option<Role>,
    pub(crate) config: Config,
    pub(crate) agreement: Agreement,
}

/// What the application sees, and how it goes on.
#[derive(Debug)]
pub(crate) struct Expected {
    seen: Vec<Seen>,
    /// The connection fails, with this code; otherwise it goes on, unless a Close frame was seen.
    fails: Option<u16>,
}

pub(crate) fn delivers<const N: usize>(seen: [Seen; N]) -> Expected {
    Expected { seen: seen.into(), fails: None }
}

pub(crate) fn fails(code: u16) -> Expected {
    fails_after([], code)
}

pub(crate) fn fails_after<const N: usize>(seen: [Seen; N], code: u16) -> Expected {
    Expected { seen: seen.into(), fails: Some(code) }
}

pub(crate) fn text(text: &str) -> Seen {
    Seen::Text(text.to_owned())
}

pub(crate) fn ping(payload: &str) -> Seen {
    Seen::Ping(payload.into())
}

fn close(code: u16, reason: &str) -> Seen {
    Seen::Close(Some((code, reason.to_owned())))
}

impl<S: Into<String>> From<S> for Case {
    fn from(frames: S) -> Self {
        Self { frames: frames.into(), to: None, config: Config::new(), agreement: Agreement::new() }
    }
}

fn limited<const N: usize>(frame: u64, message: u64, inputs: [&str; N]) -> [Case; N] {
    let config = Config::new().max_frame_size(frame).max_message_size(message);
    inputs.map(|input| Case { config: config.clone(), ..input.into() })
}

fn to_server<const N: usize>(inputs: [&str; N]) -> [Case; N] {
    inputs.map(|input| Case { to: Some(Role::Server), ..input.into() })
}

fn to_client<const N: usize>(inputs: [&str; N]) -> [Case; N] {
    inputs.map(|input| Case { to: Some(Role::Client), ..input.into() })
}

fn reserved_opcodes() -> Vec<String> {
    let opcodes = (0x3..=0x7).chain(0xB..=0xF);
    opcodes.flat_map(|opcode| [format!("8{opcode:X} 80 ! K"), format!("0{opcode:X} 80 ! K")]).collect()
}

fn close_codes<const N: usize>(codes: [u16; N]) -> [String; N] {
    codes.map(|code| format!("88 82 K {:02X} {:02X}", code >> 8, code & 0xFF))
}

/// Frames that declare far more than the limit, of which nothing comes.
fn huge(first: &str) -> Vec<String> {
    let lengths = [i64::MAX as u64, 1 << 62, (1 << 48) - 1, 1 << 40, 1 << 32, (16 << 20) + 1];
    let hex = |length: u64| length.to_be_bytes().map(|byte| format!("{byte:02X}")).join(" ");
    lengths.map(|length| format!("{first} FF {} K !", hex(length))).into()
}

impl Case {
    /// The bytes on the wire, and how many of them are enough to find the error.
    fn wire(&self, role: Role, key: [u8; 4]) -> (Vec<u8>, Option<usize>) {
        let (mut wire, mut enough) = (Vec::new(), None);
        for frame in self.frames.split('|') {
            let begin = wire.len();
            let mut mask = None;
            for word in frame.split_whitespace() {
                let (byte, times) = word.split_once('*').unwrap_or((word, "1"));
                match byte {
                    "!" => enough = Some(wire.len()),
                    "K" if role == Role::Server => {
                        wire.extend(key);
                        mask = Some(key.into_iter().cycle());
                    }
                    "K" => {}
                    hex => {
                        for _ in 0..times.parse().unwrap() {
                            let byte = u8::from_str_radix(hex, 16).unwrap();
                            wire.push(byte ^ mask.as_mut().map_or(0, |key| key.next().unwrap()));
                        }
                    }
                }
            }
            if self.to.is_none()
                && role == Role::Client
                && let Some(second) = wire.get_mut(begin + 1)
            {
                *second &= 0x7F;
            }
        }
        (wire, enough)
    }
}

/// Holds every delivery, to both roles, with several keys, to the same events, the same error, the same bytes
/// written and a bound of its memory: by the core, and over a stream that then ends or is reset.
pub(crate) fn check(row: &str, case: impl Into<Case>, expected: &Expected) {
    let case = case.into();
    for role in ROLES.into_iter().filter(|role| case.to.is_none_or(|to| to == *role)) {
        let keys = [[0; 4], [0x37, 0xFA, 0x21, 0x3D], [0xFF; 4]];
        for key in if role == Role::Server { &keys[..] } else { &keys[..1] } {
            let (wire, enough) = case.wire(role, *key);
            for delivery in DELIVERIES {
                let context =
                    format!("{row}: {:.200} to the {role:?}, key {key:02X?}, {delivery:?}", case.frames);
                check_core(&case, role, &wire, delivery, expected, &context);
                for last in [None, Some(ErrorKind::ConnectionReset)] {
                    check_stream(&case, role, &wire, delivery, last, expected, &context);
                }
            }
            if let Some(enough) = enough {
                for delivery in DELIVERIES {
                    let context =
                        format!("{row}: {:.200} cut at the mark, {role:?}, {delivery:?}", case.frames);
                    check_core(&case, role, &wire[..enough], delivery, expected, &context);
                }
            }
        }
    }
}

fn check_core(case: &Case, role: Role, wire: &[u8], delivery: Delivery, expected: &Expected, context: &str) {
    let mut end = End::agreed(role, case.config.clone(), case.agreement.clone());
    delivery.pieces(wire).into_iter().for_each(|piece| end.receive(piece));
    assert_eq!(end.seen, expected.seen, "{context}");
    assert_eq!(end.error.map(|error| error.close_code().unwrap().as_u16()), expected.fails, "{context}");
    let closes = matches!(expected.seen.last(), Some(Seen::Close(_)));
    let over = closes || expected.fails.is_some();
    assert_written(&end.write_all(), role, expected, context);
    assert_eq!(end.connection.state(), if over { State::Closed } else { State::Open }, "{context}");
    // The server closes first, as soon as all is written (§7.1.1).
    assert_eq!(end.connection.wants_shutdown(), over && role == Role::Server, "{context}");

    if over {
        // Nothing that follows is looked at, and nothing more is said.
        let error = end.error;
        for follows in [&frame(0x81, peer_key(role), b"more")[..], &[0xFF; 20], b""] {
            end.receive(follows);
        }
        assert!(end.connection.send("more").is_err() && end.connection.ping(b"").is_err(), "{context}");
        assert!(end.connection.close(None).is_err(), "{context}");
        end.receive_eof();
        assert_eq!((&end.seen, end.error), (&expected.seen, error), "{context}");
        assert!(end.connection.wants_shutdown(), "{context}");
    } else {
        end.receive_eof();
        assert_eq!(end.error, Some(ProtocolError::UnexpectedEof), "{context}");
        assert_eq!(end.seen, expected.seen, "{context}");
    }
    assert_eq!(end.write_all(), b"", "{context}");
    assert_close_info(&end.connection, expected, context);
}

fn check_stream(
    case: &Case,
    role: Role,
    wire: &[u8],
    delivery: Delivery,
    last: Option<ErrorKind>,
    expected: &Expected,
    context: &str,
) {
    // The thread's pool has a buffer before anything is measured: it is no connection's.
    drop(WebSocket::from_connection(Script::default(), Connection::new(role, Config::new())).read());
    let script = Script { then_read: last, ..Script::of(delivery.pieces(wire)) };
    let mut bound = Bound::of(&case.config, &case.agreement).once_have_come(wire.len());
    let mut ws = bound.hold(0, || {
        let connection = Connection::with_agreement(role, case.config.clone(), case.agreement.clone());
        WebSocket::from_connection(script, connection)
    });
    let mut seen = Vec::new();
    let outcome = loop {
        match bound.hold(0, || ws.read_with(|event, _| Seen::from(event))) {
            Ok(Some(event)) => seen.push(event),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    assert_eq!(seen, expected.seen, "{context}, then {last:?}");
    let closes = matches!(expected.seen.last(), Some(Seen::Close(_)));
    match (&outcome, expected.fails, last) {
        (Ok(()), None, _) if closes => {}
        (Err(Error::Protocol(error)), Some(code), _) if error.close_code() == Some(code.into()) => {}
        (Err(Error::Protocol(ProtocolError::UnexpectedEof)), None, None) if !closes => {}
        (Err(Error::Io(error)), None, Some(kind)) if !closes && error.kind() == kind => {}
        _ => panic!("{context}, then {last:?}: {outcome:?}"),
    }
    // One terminal result, and then nothing but that it is over.
    for _ in 0..100 {
        match ws.read() {
            Ok(None) if closes => {}
            Err(Error::Closed) if !closes => {}
            again => panic!("{context}, then {last:?}: {again:?}"),
        }
    }
    assert!(ws.send("more").is_err(), "{context}");
    let (script, connection) = ws.into_parts();
    assert_written(&script.written, role, expected, context);
    assert_close_info(&connection, expected, context);
}

/// A pong for each ping, and then the Close frame that echoes the peer's or says what is wrong with it.
fn assert_written(wire: &[u8], role: Role, expected: &Expected, context: &str) {
    let mut written = frames(wire);
    for RawFrame { key, .. } in &written {
        assert_eq!(key.is_some(), role == Role::Client, "{context}");
    }
    if let Some(code) = expected.fails {
        let last = written.pop().unwrap_or_else(|| panic!("{context}: no Close frame"));
        assert_eq!((last.first, &last.payload[..2]), (0x88, &code.to_be_bytes()[..]), "{context}");
        assert!(last.payload.len() <= 125 && str::from_utf8(&last.payload[2..]).is_ok(), "{context}");
    }
    let answers = expected.seen.iter().filter_map(|seen| match seen {
        Seen::Ping(payload) => Some((0x8A, payload.clone())),
        Seen::Close(None) => Some((0x88, vec![])),
        Seen::Close(Some((code, reason))) => Some((0x88, close_payload(*code, reason))),
        _ => None,
    });
    let written = written.into_iter().map(|frame| (frame.first, frame.payload));
    assert!(written.eq(answers), "{context}: {wire:02X?}");
}

fn assert_close_info(connection: &Connection, expected: &Expected, context: &str) {
    let info = connection.close_info().expect(context);
    let (sent, received) = match (expected.fails, expected.seen.last()) {
        (Some(code), _) => (code.into(), CloseCode::ABNORMAL),
        (None, Some(Seen::Close(None))) => (CloseCode::NO_STATUS, CloseCode::NO_STATUS),
        (None, Some(Seen::Close(Some((code, _))))) => ((*code).into(), (*code).into()),
        (None, _) => (CloseCode::ABNORMAL, CloseCode::ABNORMAL),
    };
    assert_eq!((info.sent.code, info.received.code), (sent, received), "{context}");
    assert_eq!(info.clean, matches!(expected.seen.last(), Some(Seen::Close(_))), "{context}");
}

#[test]
fn f_16_the_answer_to_an_empty_close_frame_is_empty() {
    let mut server = End::new(Role::Server, Config::new());
    server.receive(&frame(0x88, Some([1, 2, 3, 4]), b""));
    assert_eq!(server.write_all(), [0x88, 0x00]);
}

#[test]
fn f_19_a_reason_is_refused_rather_than_cut() {
    for role in ROLES {
        let mut end = End::new(role, Config::new());
        for reason in ["a".repeat(124), "\u{E9}".repeat(62), "\u{1F600}".repeat(31)] {
            assert_eq!(end.connection.close(CloseFrame::new(1000, reason)), Err(SendError::ControlTooLong));
        }
        for code in [0, 999, 1004, 1005, 1006, 1015, 2999, 5000] {
            let error = SendError::InvalidCloseCode(code.into());
            assert_eq!(end.connection.close(CloseFrame::new(code, "")), Err(error));
        }
        assert_eq!(end.write_all(), b"");
        let longest = "\u{E9}".repeat(61) + "a";
        end.connection.close(CloseFrame::new(1000, &*longest)).unwrap();
        assert_eq!(frames(&end.write_all())[0].payload, close_payload(1000, &longest));
    }
}

#[test]
fn f_22_nothing_is_sent_after_a_close_frame() {
    for role in ROLES {
        let mut end = End::new(role, Config::new());
        end.connection.close(CloseFrame::from(CloseCode::NORMAL)).unwrap();
        end.write_all();
        assert_eq!(end.connection.send("more"), Err(SendError::Closed));
        assert_eq!(end.connection.send_fragment("more", false), Err(SendError::Closed));
        assert_eq!(end.connection.ping(b""), Err(SendError::Closed));
        assert_eq!(end.connection.pong(b""), Err(SendError::Closed));
        assert_eq!(end.connection.close(None), Err(SendError::Closed));
        // A ping is not answered any more either, and what the peer still says is heard.
        end.receive(&frame(0x89, peer_key(role), b"p"));
        end.receive(&frame(0x81, peer_key(role), b"still"));
        assert_eq!(end.seen, [ping("p"), text("still")]);
        assert_eq!(end.write_all(), b"");
    }
}

#[test]
fn f_30_more_than_65_536_fragments() {
    for (role, delivery) in ROLES.into_iter().flat_map(|role| [(role, DELIVERIES[0]), (role, DELIVERIES[2])])
    {
        let first = frame(0x01, peer_key(role), b"");
        let fragment = frame(0x00, peer_key(role), b"");
        let last = frame(0x80, peer_key(role), b"");
        let most = [first, fragment.repeat(65_534), last].concat();
        let (unfinished, _) = most.split_at(most.len() - fragment.len());

        let mut end = End::new(role, Config::new());
        delivery.pieces(&most).into_iter().for_each(|piece| end.receive(piece));
        assert_eq!((&*end.seen, end.error), (&[text("")][..], None));

        let mut end = End::new(role, Config::new());
        let held = memory::live();
        delivery.pieces(unfinished).into_iter().for_each(|piece| end.read(piece));
        end.read(&fragment);
        assert_eq!((&*end.seen, end.error), (&[][..], None));
        assert!(memory::live() - held <= 66 << 10, "the input buffer, and little else");
        end.receive(&fragment);
        assert_eq!((&*end.seen, end.error), (&[][..], Some(ProtocolError::TooManyFragments)));
        assert_eq!(frames(&end.write_all())[0].payload[..2], 1008_u16.to_be_bytes());
    }
}

#[test]
fn f_32_a_message_that_takes_too_long() {
    let second = Duration::from_secs(1);
    for role in ROLES {
        let mut end = End::new(role, Config::new().message_timeout(10 * second));
        let start = Instant::now();
        let wire = frame(0x82, peer_key(role), &[b'x'; 1_000]);
        for (i, byte) in wire.iter().take(11).enumerate() {
            assert_eq!(end.error, None, "after {i} s");
            end.receive(&[*byte]);
            end.connection.handle_timeout(start + second * u32::try_from(i).unwrap());
            end.poll();
        }
        assert_eq!(end.error, Some(ProtocolError::MessageTimeout));
        assert_eq!(frames(&end.write_all())[0].payload[..2], 1008_u16.to_be_bytes());
    }
}

#[test]
fn f_36_messages_cannot_be_interleaved() {
    for role in ROLES {
        let mut end = End::new(role, Config::new());
        end.connection.send_fragment("a", false).unwrap();
        assert_eq!(end.connection.send("b"), Err(SendError::FragmentedMessage));
        assert_eq!(end.connection.send_fragment(b"b", false), Err(SendError::FragmentType));
        end.connection.ping(b"p").unwrap();
        end.connection.send_fragment("c", true).unwrap();
        end.connection.send("d").unwrap();
        let written: Vec<_> = frames(&end.write_all()).into_iter().map(|f| (f.first, f.payload)).collect();
        let expected = [(0x01, "a"), (0x89, "p"), (0x80, "c"), (0x81, "d")];
        assert_eq!(written, expected.map(|(first, payload)| (first, payload.into())));
    }
}
