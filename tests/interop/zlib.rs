//! Compression, with C zlib as the other side: see `zlib_check.py`.

use crate::support::delivery::Delivery;
use crate::support::end::{End, Seen};
use crate::support::random::Xorshift;
use crate::support::repeats::repeats;
use crate::support::wire::{frame, frames, peer_key};
use crate::{hex, python};
use sansocket::{Agreement, Config, Deflate, PreparedMessage, Role};

#[test]
fn zlib_reads_whatever_the_compressor_writes() {
    let mut lines = Vec::new();
    for bits in 8..=15 {
        for level in 0..=9 {
            for takeover in [false, true] {
                let seed = u64::from(bits) << 16 | u64::from(level) << 8 | u64::from(takeover);
                lines.push(sent(bits, level, takeover, &mut Xorshift::new(seed)));
            }
        }
    }
    if let Some(said) = python(&["zlib_check.py", "read"], &lines) {
        assert!(said.starts_with(&format!("{} lines, ", lines.len())), "{said}");
    }
}

/// What either role sends is limited so.
fn limited(bits: u8, takeover: bool) -> Deflate {
    Deflate::new()
        .client_max_window_bits(bits)
        .server_max_window_bits(bits)
        .client_no_context_takeover(!takeover)
        .server_no_context_takeover(!takeover)
        .threshold(0)
}

/// A line for `zlib_check.py read`: some messages, sent in any ways.
fn sent(bits: u8, level: u8, takeover: bool, random: &mut Xorshift) -> String {
    let deflate = limited(bits, takeover);
    let agreement = Agreement::new().with_deflate(deflate.params());
    let mut config = Config::new().deflate(deflate.level(level)).high_water_mark(usize::MAX);
    if random.below(2) == 0 {
        let most = 1 << random.below(15);
        config = config.fragment_size(1 + random.below(most));
    }
    let role = if random.below(2) == 0 { Role::Client } else { Role::Server };
    let mut end = End::agreed(role, config, agreement);
    let (mut past, mut meant) = (Vec::new(), Vec::new());
    for _ in 0..1 + random.below(8) {
        let size = [0, 1, 4, 100, 1_000, 6_000, 50_000][random.below(7)];
        let message = repeats(random.below(size + 1), &mut past, random);
        match random.below(8) {
            0 => end.connection.send_prepared(&PreparedMessage::binary(&message)).unwrap(),
            1 => {
                let (first, rest) = message.split_at(random.below(message.len() + 1));
                end.connection.send_fragment(first, false).unwrap();
                end.connection.send_fragment(rest, true).unwrap();
            }
            _ => end.connection.send(&message).unwrap(),
        }
        if random.below(4) == 0 {
            end.connection.release_buffers();
        }
        meant.push(message);
    }
    let (mut line, mut payload, mut meant) =
        (format!("{bits} {}", u8::from(takeover)), Vec::new(), meant.iter());
    for frame in frames(&end.write_all()) {
        payload.extend(frame.payload);
        if frame.first & 0x80 != 0 {
            line += &format!(" {}:{}", hex(&payload), hex(meant.next().unwrap()));
            payload.clear();
        }
    }
    assert!(meant.next().is_none());
    line + "\n"
}

#[test]
fn what_zlib_writes_is_read() {
    let Some(lines) = python(&["zlib_check.py", "write"], &[]) else { return };
    assert_eq!(lines.lines().count(), 10 * 7 * 5);
    for (at, line) in lines.lines().enumerate() {
        let mut words = line.split(' ');
        let (bits, takeover) = (words.next().unwrap().parse().unwrap(), words.next() == Some("1"));
        let random = &mut Xorshift::new(at as u64);
        let role = if random.below(2) == 0 { Role::Client } else { Role::Server };
        let (mut wire, mut meant) = (Vec::new(), Vec::new());
        for word in words {
            let (payload, plain) = word.split_once(':').unwrap();
            let payload = unhex(payload);
            let (first, rest) = payload.split_at(random.below(payload.len() + 1));
            wire.extend(frame(0x42, peer_key(role), first));
            wire.extend(frame(0x80, peer_key(role), rest));
            meant.push(Seen::Binary(unhex(plain)));
        }
        let agreement = Agreement::new().with_deflate(limited(bits, takeover).params());
        let mut end = End::agreed(role, Config::new(), agreement);
        for piece in Delivery::RandomCuts(at as u64).pieces(&wire) {
            end.receive(piece);
            if random.below(4) == 0 {
                end.connection.release_buffers();
            }
        }
        let right = end.seen.iter().zip(&meant).take_while(|(seen, meant)| seen == meant).count();
        assert_eq!((right, end.seen.len(), end.error), (meant.len(), meant.len(), None), "line {}", at + 1);
    }
}

fn unhex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
