use crate::deflate::pool::Shape;
use crate::deflate::{Deflate, Params, pool, since};
use crate::frame::Role;
use std::fmt;
use zlib_rs::DeflateFlush;

/// What this side's messages become (§7.2.1).
///
/// All that was compressed is sent: the peer's decompressor has to see whatever ours refers to. (Who
/// compresses a message, finds it larger and sends it as it was, has put the two out of step.) To forget what
/// went before is always allowed.
pub(crate) struct Deflater(Box<State>);

struct State {
    stream: Option<zlib_rs::Deflate>,
    shape: Shape,
    takeover: bool,
    threshold: usize,
}

impl Deflater {
    /// What ends each flush, and is not sent.
    const TAIL: [u8; 4] = [0x00, 0x00, 0xFF, 0xFF];

    /// For what `role` sends, if compression was agreed on.
    pub(crate) fn agreed(own: Option<&Deflate>, agreed: Option<&Params>, role: Role) -> Option<Self> {
        // RFC 6455 §9.1: a client "MUST NOT use them unless the server indicates that it wishes to use the
        // extension."
        let (own, agreed) = (own.cloned().unwrap_or_default(), agreed?);
        // §7.2.1: with "client_max_window_bits" the client "MUST NOT use an LZ77 sliding window longer than
        // the w-th power of 2 bytes"; with "client_no_context_takeover" it "MUST start compressing each new
        // message with an empty LZ77 sliding window"; and so for the server.
        let window_bits = own.params.max_window_bits(role).min(agreed.max_window_bits(role));
        let no_takeover = own.params.no_context_takeover(role) || agreed.no_context_takeover(role);
        Some(Self(Box::new(State {
            stream: None,
            // In a window of 2^9 bytes zlib refers back no farther than 2^9 - 262.
            shape: Shape { level: own.level, window_bits: window_bits.max(9) },
            takeover: !no_takeover,
            threshold: own.threshold,
        })))
    }

    /// Whether a message of so many bytes is to be compressed.
    pub(crate) fn wants(&self, len: usize) -> bool {
        len >= self.0.threshold
    }

    /// What its output depends on, when nothing went before.
    pub(crate) fn shape(&self) -> Shape {
        self.0.shape
    }

    /// Compresses a message, or a part of one that ends it if `fin`, into `out`, in place of what is there.
    pub(crate) fn deflate(&mut self, payload: &[u8], fin: bool, out: &mut Vec<u8>) {
        let state = &mut *self.0;
        let stream = state.stream.get_or_insert_with(|| pool::deflater(state.shape));
        if !flush(stream, payload, out) {
            return self.store(payload, fin, out);
        }
        if fin {
            end(out);
            if !state.takeover {
                self.forget();
            }
        }
    }

    /// Writes it as it is, in the same way: nothing that is sent later refers to it.
    pub(crate) fn store(&mut self, payload: &[u8], fin: bool, out: &mut Vec<u8>) {
        store(payload, out);
        if fin {
            end(out);
        }
        self.forget();
    }

    /// Gives the compressor back: the next message, or part of one, refers to nothing before it.
    pub(crate) fn forget(&mut self) {
        if let Some(stream) = self.0.stream.take() {
            pool::give_deflater(self.0.shape, stream);
        }
    }
}

impl Shape {
    /// Compresses a message that refers to nothing before it.
    pub(crate) fn deflate(self, payload: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let state = State { stream: None, shape: self, takeover: false, threshold: 0 };
        Deflater(Box::new(state)).deflate(payload, true, &mut out);
        out
    }
}

/// Compresses into `out`, up to a flush; says whether that succeeded. (There is no reason known for which
/// `zlib-rs` would fail.)
fn flush(stream: &mut zlib_rs::Deflate, payload: &[u8], out: &mut Vec<u8>) -> bool {
    let before = (stream.total_in(), stream.total_out());
    let (mut consumed, mut produced) = (0, 0);
    out.clear();
    // Text becomes a third. A flush is complete when there is room to spare.
    let mut room = payload.len() / 2 + 64;
    while produced == out.len() || consumed < payload.len() {
        out.resize(produced + room, 0);
        room *= 2;
        let rest = payload.get(consumed..).unwrap_or_default();
        let target = out.get_mut(produced..).unwrap_or_default();
        // §7.2.1: "An endpoint MAY use both DEFLATE blocks with the "BFINAL" bit set to 0 and DEFLATE blocks
        // with the "BFINAL" bit set to 1." Ours have it set to 0.
        if stream.compress(rest, target, DeflateFlush::SyncFlush).is_err() {
            return false;
        }
        consumed = since(before.0, stream.total_in());
        produced = since(before.1, stream.total_out());
    }
    out.truncate(produced);
    true
}

/// Writes stored blocks, in place of what is there, up to the end of a flush: what needs no compressor.
fn store(payload: &[u8], out: &mut Vec<u8>) {
    out.clear();
    for block in payload.chunks(0xFFFF) {
        let len = u16::try_from(block.len()).unwrap_or(0xFFFF); // no more than that
        out.push(0x00);
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(&(!len).to_le_bytes());
        out.extend_from_slice(block);
    }
    out.push(0x00);
    out.extend_from_slice(&Deflater::TAIL);
}

/// The end of a message.
fn end(out: &mut Vec<u8>) {
    // §7.2.1: "2. If the resulting data does not end with an empty DEFLATE block with no compression (the
    // "BTYPE" bits are set to 00), append an empty DEFLATE block with no compression to the tail end. 3.
    // Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end."
    match out.strip_suffix(&Deflater::TAIL).map(<[u8]>::len) {
        Some(len) => out.truncate(len),
        // There was nothing to flush, because what went before was flushed.
        None => out.push(0x00),
    }
}

impl Drop for Deflater {
    fn drop(&mut self) {
        self.forget();
    }
}

/// Shows how things stand, and nothing of what was sent.
impl fmt::Debug for Deflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deflater")
            .field("shape", &self.0.shape)
            .field("takeover", &self.0.takeover)
            .field("has_stream", &self.0.stream.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deflate::Inflater;

    #[test]
    fn what_is_stored_is_deflate_too() {
        let payload: Vec<u8> = (0..=255).cycle().take(0x1_2345).collect();
        for payload in [&payload[..], b"Hello", b"", &Deflater::TAIL] {
            let mut out = vec![7];
            store(payload, &mut out);
            end(&mut out);
            let mut inflater = Inflater::new(&Params::default(), Role::Server);
            let mut room = vec![0; payload.len() + 1];
            let inflated = inflater.inflate(&out, &mut room).unwrap();
            inflater.finish().unwrap();
            assert_eq!((inflated.consumed, &room[..inflated.produced]), (out.len(), payload));
        }
    }
}
