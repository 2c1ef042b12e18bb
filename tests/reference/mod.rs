//! The receiving side once more, written from the text of RFC 6455 alone: slow, plain, and without a
//! line of the crate's. It starts from the first byte each time it is asked.

pub(crate) mod received;

use crate::support::end::{End, Seen};
use crate::support::wire::{RawFrame, close_payload, frames};
use sansocket::{Config, Role};

/// An endpoint's role and limits, which decide all that it makes of what it receives.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    pub(crate) role: Role,
    pub(crate) max_frame_size: u64,
    pub(crate) max_message_size: u64,
    pub(crate) max_fragments: u32,
}

/// What the bytes so far amount to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) events: Vec<Seen>,
    pub(crate) verdict: Verdict,
    /// What has come of a message that has not ended.
    pub(crate) unfinished: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More may come.
    Open,
    /// The peer has sent its Close frame.
    Closed,
    /// The connection has to fail.
    Failed(Fault),
}

/// The code to fail with, and the name that the crate gives to the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) code: u16,
    pub(crate) name: &'static str,
}

/// A message whose last frame has not come.
struct Message {
    is_text: bool,
    declared: u128,
    frames: u32,
    payload: Vec<u8>,
}

impl Reference {
    /// Small limits, so that the tests reach them.
    pub(crate) fn strict(role: Role) -> Self {
        Self { role, max_frame_size: 300, max_message_size: 301, max_fragments: 3 }
    }

    /// The same limits for the crate.
    pub(crate) fn config(&self) -> Config {
        Config::new()
            .max_frame_size(self.max_frame_size)
            .max_message_size(self.max_message_size)
            .max_fragments(self.max_fragments)
    }

    /// Judges all that has come from the peer.
    pub(crate) fn judge(&self, bytes: &[u8]) -> Judgement {
        let (mut events, mut unfinished) = (Vec::new(), None);
        let verdict = self.read(bytes, &mut events, &mut unfinished).unwrap_or_else(Verdict::Failed);
        let unfinished = unfinished.map_or(Vec::new(), |message| message.payload);
        Judgement { events, verdict, unfinished }
    }

    fn read(
        &self,
        mut rest: &[u8],
        events: &mut Vec<Seen>,
        unfinished: &mut Option<Message>,
    ) -> Result<Verdict, Fault> {
        loop {
            if rest.len() < 2 {
                return Ok(Verdict::Open);
            }
            let (first, second) = (rest[0], rest[1]);
            let (fin, opcode) = (first & 0x80 != 0, first & 0x0F);
            let (masked, short) = (second & 0x80 != 0, second & 0x7F);
            let is_control = opcode >= 8;

            // §5.2, §5.5, §5.4, §5.1, §5.5: what the first two bytes tell.
            check(first & 0x70 == 0, 1002, "ReservedBits")?;
            check(matches!(opcode, 0 | 1 | 2 | 8 | 9 | 10), 1002, "ReservedOpcode")?;
            check(!is_control || fin, 1002, "FragmentedControl")?;
            check(opcode != 0 || unfinished.is_some(), 1002, "UnexpectedContinuation")?;
            check(is_control || opcode == 0 || unfinished.is_none(), 1002, "ExpectedContinuation")?;
            check(masked || self.role == Role::Client, 1002, "UnmaskedFrame")?;
            check(!masked || self.role == Role::Server, 1002, "MaskedFrame")?;
            check(!is_control || short <= 125, 1002, "ControlTooLong")?;
            rest = &rest[2..];

            // §5.2: the length, and its form.
            let extended = [0, 2, 8][usize::from(short.saturating_sub(125))];
            if rest.len() < extended {
                return Ok(Verdict::Open);
            }
            let mut length = if extended == 0 { u64::from(short) } else { 0 };
            for &octet in &rest[..extended] {
                length = length << 8 | u64::from(octet);
            }
            rest = &rest[extended..];
            check(length < 1 << 63, 1002, "LengthTooLarge")?;
            let minimal = if length < 126 { 0 } else { 2 + 6 * usize::from(length > 0xFFFF) };
            check(extended == minimal, 1002, "LengthNotMinimal")?;

            // §5.3: the key.
            let mut key = [0; 4];
            if masked {
                if rest.len() < 4 {
                    return Ok(Verdict::Open);
                }
                key.copy_from_slice(&rest[..4]);
                rest = &rest[4..];
            }

            // §10.4: the limits, before anything is stored. A control frame has its own.
            if !is_control {
                let message = unfinished.get_or_insert_with(|| Message {
                    is_text: opcode == 1,
                    declared: 0,
                    frames: 0,
                    payload: Vec::new(),
                });
                message.declared += u128::from(length);
                message.frames += u32::from(!fin);
                check(length <= self.max_frame_size, 1009, "FrameTooLarge")?;
                check(message.declared <= u128::from(self.max_message_size), 1009, "MessageTooLarge")?;
                check(message.frames <= self.max_fragments, 1008, "TooManyFragments")?;
            }

            // What there is of the payload, §5.3: "transformed-octet-i = original-octet-i XOR
            // masking-key-octet-j", "j = i MOD 4".
            let available = usize::try_from(length).unwrap_or(usize::MAX).min(rest.len());
            let is_whole = available as u64 == length;
            let payload: Vec<u8> = (0..available).map(|i| rest[i] ^ key[i % 4]).collect();
            rest = &rest[available..];

            if is_control {
                if !is_whole {
                    return Ok(Verdict::Open);
                }
                match opcode {
                    9 => events.push(Seen::Ping(payload)),
                    10 => events.push(Seen::Pong(payload)),
                    _ => {
                        events.push(Seen::Close(close(&payload)?));
                        return Ok(Verdict::Closed);
                    }
                }
            } else if let Some(message) = unfinished {
                message.payload.extend(payload);
                let ends = is_whole && fin;
                if message.is_text {
                    // §8.1, at the first byte after which no continuation could be valid.
                    let error = str::from_utf8(&message.payload).err();
                    let hopeless = error.is_some_and(|error| ends || error.error_len().is_some());
                    check(!hopeless, 1007, "InvalidUtf8")?;
                }
                if ends {
                    let payload = std::mem::take(&mut message.payload);
                    events.push(match message.is_text {
                        true => Seen::Text(String::from_utf8(payload).unwrap()),
                        false => Seen::Binary(payload),
                    });
                    *unfinished = None;
                }
                if !is_whole {
                    return Ok(Verdict::Open);
                }
            }
        }
    }
}

/// §5.5.1 and §7.4: what a Close frame says.
fn close(payload: &[u8]) -> Result<Option<(u16, String)>, Fault> {
    if payload.is_empty() {
        return Ok(None);
    }
    check(payload.len() >= 2, 1002, "CloseTooShort")?;
    let code = u16::from_be_bytes([payload[0], payload[1]]);
    check(may_be_sent(code), 1002, "InvalidCloseCode")?;
    let reason = str::from_utf8(&payload[2..]);
    check(reason.is_ok(), 1007, "InvalidCloseReason")?;
    Ok(reason.ok().map(|reason| (code, reason.to_owned())))
}

/// §7.4.1, §7.4.2 and the IANA registry (1012 to 1014 were added after the RFC).
pub(crate) fn may_be_sent(code: u16) -> bool {
    match code {
        0..1000 => false,            // "are not used"
        1004 => false,               // "Reserved"
        1005 | 1006 | 1015 => false, // "MUST NOT be set as a status code in a Close control frame"
        1000..=1014 => true,
        1016..3000 => false, // "reserved for definition by this protocol": not defined
        3000..5000 => true,  // registered by libraries; private use
        5000.. => false,
    }
}

fn check(holds: bool, code: u16, name: &'static str) -> Result<(), Fault> {
    if holds { Ok(()) } else { Err(Fault { code, name }) }
}

impl Judgement {
    /// What an endpoint that sends nothing of its own has to have written by now: pongs (§5.5.2), the
    /// answer to a Close frame (§5.5.1), or the Close frame that says what is wrong (§7.1.7), whose
    /// reason is its own affair.
    fn replies(&self) -> Vec<(u8, Vec<u8>)> {
        let answers = self.events.iter().filter_map(|event| match event {
            Seen::Ping(payload) => Some((0x8A, payload.clone())),
            Seen::Close(None) => Some((0x88, Vec::new())),
            Seen::Close(Some((code, reason))) => Some((0x88, close_payload(*code, reason))),
            _ => None,
        });
        let complaint = match self.verdict {
            Verdict::Failed(fault) => Some((0x88, fault.code.to_be_bytes().to_vec())),
            _ => None,
        };
        answers.chain(complaint).collect()
    }

    /// Holds an endpoint that has received the bytes, and has written `wire` since, against this.
    pub(crate) fn check(&self, end: &End, wire: &[u8]) -> Result<(), String> {
        let agreed = self.events == end.seen
            && match (self.verdict, end.error) {
                (Verdict::Failed(fault), Some(error)) => format!("{error:?}").starts_with(fault.name),
                (Verdict::Open | Verdict::Closed, error) => error.is_none(),
                (Verdict::Failed(_), None) => false,
            }
            && self.is_answered_by(&frames(wire), end.connection.role());
        let End { seen, error, .. } = end;
        let found = || format!("expected {self:02x?}\nfound {seen:02x?}, {error:?}, written {wire:02x?}");
        if agreed { Ok(()) } else { Err(found()) }
    }

    fn is_answered_by(&self, frames: &[RawFrame], role: Role) -> bool {
        let expected = self.replies();
        let failed = matches!(self.verdict, Verdict::Failed(_));
        let agrees = |(i, (frame, (first, payload))): (usize, (&RawFrame, &(u8, Vec<u8>)))| {
            let own_reason = failed && i + 1 == expected.len();
            let head = if own_reason { frame.payload.get(..2) } else { Some(&frame.payload[..]) };
            frame.first == *first
                && frame.key.is_some() == (role == Role::Client)
                && head == Some(payload)
                && frame.payload.len() <= 125
        };
        frames.len() == expected.len() && frames.iter().zip(&expected).enumerate().all(agrees)
    }
}
