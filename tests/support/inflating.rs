//! An endpoint that receives compressed messages, whatever is in them, held against the independent reader.
//!
//! Within a message ours refers back by 32 KiB, whatever window was agreed on; of what came before, the window
//! is all that it knows.

use super::delivery::Delivery;
use super::end::{End, Seen, joined};
use super::inflate::{Inflated, Invalid, inflate, message};
use super::random::Xorshift;
use super::wire::{frame, peer_key};
use sansocket::{Agreement, Config, Deflate, ProtocolError, Role};

/// The window within a message.
pub(crate) const WITHIN: usize = 32 << 10;

/// An endpoint, and what the peer has agreed to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Inflating {
    pub(crate) role: Role,
    pub(crate) bits: u8,
    pub(crate) takeover: bool,
    pub(crate) max_message_size: u64,
}

impl Inflating {
    /// Delivers the frames, and releases buffers in between, or not.
    pub(crate) fn deliver(&self, wire: &[u8], streaming: bool, delivery: Delivery, way: Option<u64>) -> End {
        let deflate = match self.role {
            Role::Server => {
                Deflate::new().client_max_window_bits(self.bits).client_no_context_takeover(!self.takeover)
            }
            Role::Client => {
                Deflate::new().server_max_window_bits(self.bits).server_no_context_takeover(!self.takeover)
            }
        };
        let config = Config::new().max_message_size(self.max_message_size).streaming(streaming);
        let mut end = End::agreed(self.role, config, Agreement::new().with_deflate(deflate.params()));
        let mut random = Xorshift::new(way.unwrap_or(0));
        for piece in delivery.pieces(wire) {
            if way.is_none() {
                end.receive(piece);
                continue;
            }
            end.owning = random.below(2) == 0;
            if random.below(2) == 0 {
                end.receive(piece)
            } else {
                end.read(piece)
            }
            if random.below(2) == 0 {
                end.connection.release_buffers();
            }
            end.write_all();
        }
        end
    }
}

/// Messages as they come to be sent, and what is to come of them.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    receiver: Inflating,
    pub(crate) wire: Vec<u8>,
    seen: Vec<Seen>,
    /// One of these ends it.
    errors: Option<Vec<ProtocolError>>,
    history: Vec<u8>,
}

impl Script {
    /// Nothing so far.
    pub(crate) fn new(receiver: Inflating) -> Self {
        Self { receiver, wire: Vec::new(), seen: Vec::new(), errors: None, history: Vec::new() }
    }

    /// What the next message may refer to.
    pub(crate) fn history(&self) -> &[u8] {
        &self.history
    }

    /// Adds a message with this payload, in one frame or in several; whether another may follow it.
    pub(crate) fn send(&mut self, is_text: bool, payload: &[u8], random: &mut Xorshift) -> bool {
        let Inflating { role, bits, takeover, max_message_size } = self.receiver;
        put(&mut self.wire, role, is_text, payload, random);
        match judge(&self.history, payload, is_text, max_message_size) {
            Verdict::Delivered(inflated) => {
                if takeover {
                    let from = inflated.window.len().saturating_sub(1 << bits);
                    self.history = inflated.window[from..].to_vec();
                }
                self.seen.push(match is_text {
                    true => Seen::Text(String::from_utf8(inflated.bytes).unwrap()),
                    false => Seen::Binary(inflated.bytes),
                });
            }
            Verdict::Failed(errors) => self.errors = Some(errors),
        }
        self.errors.is_none()
    }

    /// Holds the endpoint against it, in each of these ways, streaming and not: it fails alike in all of them.
    pub(crate) fn check(&self, ways: &[(Delivery, Option<u64>)]) -> Result<(), String> {
        let mut errors = Vec::new();
        for streaming in [false, true] {
            for &(delivery, way) in ways {
                let end = self.receiver.deliver(&self.wire, streaming, delivery, way);
                let seen = if streaming { joined(&end.seen).0 } else { end.seen };
                let is_expected = match (&self.errors, &end.error) {
                    (None, None) => true,
                    (Some(expected), Some(error)) => expected.contains(error),
                    _ => false,
                };
                if seen != self.seen || !is_expected {
                    let error = end.error;
                    return Err(format!(
                        "{streaming} {delivery:?} {way:?}: {seen:02X?}, {error:?}, not {self:02X?}"
                    ));
                }
                errors.extend(end.error);
            }
        }
        errors.dedup();
        if errors.len() > 1 {
            return Err(format!("{errors:?} by chunking: {:02X?}", self.wire));
        }
        Ok(())
    }
}

/// What is to come of a message.
#[derive(Debug)]
enum Verdict {
    Delivered(Inflated),
    /// One of these errors.
    Failed(Vec<ProtocolError>),
}

fn judge(history: &[u8], payload: &[u8], is_text: bool, max: u64) -> Verdict {
    let fails = |error| Verdict::Failed(vec![error]);
    let inflated = match message(history, payload, WITHIN) {
        Err(_) if ends_bare(history, payload) => inflate(history, payload, WITHIN),
        // Ours refuses a tail of which something comes out, although the four bytes may be the end of anything.
        Ok(inflated) if !inflated.ends_with_empty_stored() => Err(Invalid::CutOff),
        other => other,
    };
    let finals = |inflated: &Inflated| inflated.blocks.iter().filter(|block| block.is_final).count();
    match inflated {
        Ok(inflated) if inflated.bytes.len() as u64 > max && finals(&inflated) > 1024 => {
            Verdict::Failed(vec![ProtocolError::MessageTooLarge, ProtocolError::TooManyFinalBlocks])
        }
        Ok(inflated) if inflated.bytes.len() as u64 > max && is_text => {
            Verdict::Failed(vec![ProtocolError::MessageTooLarge, ProtocolError::InvalidUtf8])
        }
        Ok(inflated) if inflated.bytes.len() as u64 > max => fails(ProtocolError::MessageTooLarge),
        Ok(inflated) if finals(&inflated) > 1024 => fails(ProtocolError::TooManyFinalBlocks),
        Ok(inflated) if is_text && str::from_utf8(&inflated.bytes).is_err() => {
            fails(ProtocolError::InvalidUtf8)
        }
        Ok(inflated) => Verdict::Delivered(inflated),
        Err(_) => {
            let mut errors = vec![
                ProtocolError::InvalidDeflate,
                ProtocolError::MessageTooLarge,
                ProtocolError::TooManyFinalBlocks,
            ];
            if is_text {
                errors.push(ProtocolError::InvalidUtf8);
            }
            if max == 16 << 20 {
                errors.retain(|error| *error != ProtocolError::MessageTooLarge);
            }
            if payload.len() < 1024 {
                errors.retain(|error| *error != ProtocolError::TooManyFinalBlocks);
            }
            Verdict::Failed(errors)
        }
    }
}

/// Nothing at all, or nothing behind a final block: that needs no tail.
fn ends_bare(history: &[u8], payload: &[u8]) -> bool {
    inflate(history, payload, WITHIN)
        .is_ok_and(|inflated| inflated.blocks.last().is_none_or(|block| block.is_final))
}

/// A message in one frame or in several.
fn put(wire: &mut Vec<u8>, role: Role, is_text: bool, mut rest: &[u8], random: &mut Xorshift) {
    let mut first = if is_text { 0x41 } else { 0x42 };
    loop {
        let cut = if random.below(2) == 0 { rest.len() } else { random.below(rest.len() + 1) };
        let fin = cut == rest.len() && random.below(4) > 0;
        let (now, later) = rest.split_at(cut);
        wire.extend(frame(if fin { 0x80 | first } else { first }, peer_key(role), now));
        if fin {
            return;
        }
        (rest, first) = (later, 0);
    }
}
