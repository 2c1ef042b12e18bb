//! How a message leaves that needs several frames, or is compressed.

use super::Sender;
use crate::deflate::pool;
use crate::error::SendError;
use crate::frame::{Header, Opcode};
use crate::message::{Outgoing, OutgoingPayload};

/// What becomes of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Coding {
    /// It is sent as it is, in a message that is not compressed.
    Plain,
    /// It is sent as it is, in a message that is compressed.
    Stored,
    Deflated,
}

impl Coding {
    /// Of a part of a message that is compressed or not, which itself may be compressed or not.
    pub(super) const fn of(message_is_compressed: bool, compress: bool) -> Self {
        match (message_is_compressed, compress) {
            (false, _) => Self::Plain,
            (true, true) => Self::Deflated,
            (true, false) => Self::Stored,
        }
    }
}

impl Sender {
    /// Sends a message that may need several frames, or may be compressed.
    #[cold]
    #[inline(never)]
    pub(super) fn send_otherwise(&mut self, message: Outgoing<'_>) -> Result<(), SendError> {
        let coding = Coding::of(self.compresses(&message, true), true);
        let mut opcode = message.opcode;
        let mut rest = message.payload;
        let size = if self.fragment_size == u32::MAX { usize::MAX } else { self.fragment_size as usize };
        while rest.len() > size {
            let first = rest.split_to(size);
            self.put_part(coding, opcode, false, first)?;
            opcode = Opcode::Continuation;
        }
        self.put_part(coding, opcode, true, rest)
    }

    /// Whether a message that begins with this part, and ends with it if `fin`, is to be compressed.
    pub(super) fn compresses(&self, part: &Outgoing<'_>, fin: bool) -> bool {
        part.compress && self.deflater.as_ref().is_some_and(|deflater| !fin || deflater.wants(part.len()))
    }

    /// Queues a frame of a message, compressed or not.
    pub(super) fn put_part(
        &mut self,
        coding: Coding,
        opcode: Opcode,
        fin: bool,
        payload: OutgoingPayload<'_>,
    ) -> Result<(), SendError> {
        if coding == Coding::Plain {
            return self.put(opcode, fin, payload);
        }
        let mask = self.mask()?;
        let Some(deflater) = &mut self.deflater else { return Ok(()) }; // it is there
        let mut deflated = pool::scratch();
        match coding {
            Coding::Stored => deflater.store(payload.as_bytes(), fin, &mut deflated),
            _ => deflater.deflate(payload.as_bytes(), fin, &mut deflated),
        }
        // RFC 7692 §6.1: "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and
        // non-first fragments of a data message."
        let rsv = if opcode == Opcode::Continuation { 0 } else { Header::RSV1 };
        let header = Header { fin, rsv, mask, ..Header::new(opcode, 0) };
        if deflated.len() > pool::SCRATCH {
            // What waits is counted by its length.
            deflated.shrink_to_fit();
            self.queue(header, OutgoingPayload::Owned(deflated.into()));
        } else {
            self.queue(header, OutgoingPayload::Borrowed(&deflated));
            pool::give_scratch(deflated);
        }
        Ok(())
    }
}
