//! How a message gets into storage of its own: from the shared buffer, from the network, or decompressed.

use super::{Frame, Phase, Receiver};
use crate::connection::event::{Descriptor, Kind, Place};
use crate::deflate::Inflated;
use crate::error::ProtocolError;
use crate::frame::mask;

impl Receiver {
    /// The frame that is read straight into its own storage, if this is how things stand.
    pub(super) fn direct(&self) -> Option<Frame> {
        match self.phase {
            Phase::Payload(message, frame)
                if frame.remaining > Self::DIRECT
                    && !message.is_compressed
                    && !self.streaming
                    && self.input.len() == 0
                    && self.collected.len() > 0 =>
            {
                Some(frame)
            }
            _ => None,
        }
    }

    /// Makes room in the message's storage for `needed` bytes of the frame, which have come or are about
    /// to, with some to spare: in all four times what has come, so that the rest of a frame is reserved
    /// once a quarter of it is there; twice that while nobody knows how many fragments will follow.
    pub(super) fn grow(&mut self, frame: Frame, needed: usize) -> Result<(), ProtocolError> {
        let (len, needed) = (self.collected.len() as u64, needed as u64);
        let mut wanted = frame.remaining.min(3 * len + 4 * needed);
        if self.streaming {
            wanted = needed;
        } else if !frame.fin {
            wanted = wanted.max(len.min(self.max_message_size.saturating_sub(len)));
        }
        let wanted = usize::try_from(wanted).map_err(|_| ProtocolError::OutOfMemory)?;
        self.collected.reserve(wanted).map_err(|_| ProtocolError::OutOfMemory)
    }

    /// Moves what the shared buffer holds of the frame into the message's storage.
    pub(super) fn collect_shared(&mut self) -> Result<(), ProtocolError> {
        loop {
            let Phase::Payload(message, mut frame) = self.phase else { return Ok(()) };
            let limit =
                if self.streaming { Self::PART.saturating_sub(self.collected.len()) } else { usize::MAX };
            let missing = usize::try_from(frame.remaining).unwrap_or(usize::MAX);
            let come = missing.min(self.input.len()).min(limit);
            let n = come.min(message.step());
            if n == 0 {
                return Ok(());
            }
            if self.collected.room_len() < n {
                self.grow(frame, come)?;
            }
            let (source, room) = (self.input.unread().get(..n), self.collected.room().get_mut(..n));
            if let (Some(source), Some(room)) = (source, room) {
                match frame.key {
                    Some(key) => {
                        mask::copy(source, room, key);
                    }
                    None => room.copy_from_slice(source),
                }
            }
            self.input.consume(n);
            self.accept(&mut frame, n)?;
            self.phase = Phase::Payload(message, frame);
        }
    }

    /// Takes in `n` bytes of the frame that were read straight into the message's storage.
    pub(super) fn collect_direct(&mut self, mut n: usize) -> Result<(), ProtocolError> {
        let Phase::Payload(message, mut frame) = self.phase else { return Ok(()) };
        while n > 0 {
            let step = n.min(message.step());
            if let (Some(key), Some(window)) = (frame.key, self.collected.room().get_mut(..step)) {
                mask::apply(window, key);
            }
            self.accept(&mut frame, step)?;
            n -= step;
        }
        self.phase = Phase::Payload(message, frame);
        Ok(())
    }

    /// The next `n` bytes of the frame stand unmasked behind the message.
    fn accept(&mut self, frame: &mut Frame, n: usize) -> Result<(), ProtocolError> {
        self.collected.accept(n).map_err(|_| ProtocolError::InvalidUtf8)?;
        frame.remaining -= n as u64;
        frame.key = frame.key.map(|key| mask::rotate(key, n));
        Ok(())
    }

    /// Moves what the shared buffer holds of the frame, decompressed, into the message's storage.
    pub(super) fn collect_inflated(&mut self) -> Result<(), ProtocolError> {
        loop {
            let (Phase::Payload(mut message, mut frame), Some(inflater)) = (self.phase, &mut self.inflater)
            else {
                return Ok(());
            };
            let missing = usize::try_from(frame.remaining).unwrap_or(usize::MAX);
            let come = missing.min(self.input.len());
            if come == 0 && !inflater.is_full() {
                return Ok(());
            }
            // The limit is one of what comes out, and holds while it comes out: there is room for one byte
            // too many.
            let allowed = usize::try_from(self.max_message_size - message.size).unwrap_or(usize::MAX);
            let free =
                if self.streaming { Self::PART.saturating_sub(self.collected.len()) } else { usize::MAX };
            let wanted = allowed.saturating_add(1).min(free);
            if wanted == 0 {
                return Ok(()); // the part goes first
            }
            if self.collected.room_len() == 0 {
                // Text grows to the fourfold, or so; what has come out says more.
                let guess = self.collected.len().max(4 * come).max(Self::LEAST);
                self.collected.reserve(guess.min(wanted)).map_err(|_| ProtocolError::OutOfMemory)?;
            }
            let room = self.collected.room();
            let len = room.len().min(wanted);
            let room = room.get_mut(..len).unwrap_or_default();

            // In one go, if there is room for what comes out: what a message refers to is found faster in
            // what this call has written than in the window.
            let n = if self.streaming { come.min(Self::WINDOW) } else { come };
            let input = self.input.unread_mut().and_then(|input| input.get_mut(..n)).unwrap_or_default();
            if let Some(key) = frame.key {
                mask::apply(input, key);
            }
            let inflated = inflater.inflate(input, room)?;
            if self.streaming {
                inflater.note(room.get(..inflated.produced).unwrap_or_default());
            }
            if let (Some(key), Some(rest)) = (frame.key, input.get_mut(inflated.consumed..)) {
                // The rest is as it came, until its turn comes.
                let key = mask::rotate(key, inflated.consumed);
                mask::apply(rest, key);
                frame.key = Some(key);
            }
            if come > 0 && inflated == Inflated::default() {
                return Err(ProtocolError::InvalidDeflate); // it would never go on
            }
            self.collected.accept(inflated.produced.min(allowed)).map_err(|_| ProtocolError::InvalidUtf8)?;
            message.size += inflated.produced as u64;
            if message.size > self.max_message_size {
                return Err(ProtocolError::MessageTooLarge);
            }
            self.input.consume(inflated.consumed);
            frame.remaining -= inflated.consumed as u64;
            self.phase = Phase::Payload(message, frame);
        }
    }

    /// What to do once all that has come of the frame is collected.
    pub(super) fn end_of_payload(&mut self) -> Result<Option<Descriptor>, ProtocolError> {
        let Phase::Payload(message, frame) = self.phase else { return Ok(None) };
        let inflater = self.inflater.as_mut().filter(|_| message.is_compressed);
        let is_done = frame.remaining == 0 && inflater.as_ref().is_none_or(|inflater| !inflater.is_full());
        let fin = is_done && frame.fin;
        if fin {
            if let Some(inflater) = inflater {
                inflater.note(self.collected.as_bytes());
                if let Err(error) = inflater.finish() {
                    return Err(self.fail(error));
                }
            }
            // §5.6: "the whole message MUST contain valid UTF-8"
            if !self.collected.is_complete() {
                return Err(self.fail(ProtocolError::InvalidUtf8));
            }
            // §6.2: "Subsequent data frames MUST be interpreted as belonging to a new WebSocket message."
            self.phase = Phase::Between;
            self.messages = self.messages.wrapping_add(1);
        } else if is_done {
            self.phase = Phase::Fragments(message);
        }
        self.rules.fragmented = Some(!fin);
        let kind = match (self.streaming, message.is_text) {
            (false, true) => Kind::Text,
            (false, false) => Kind::Binary,
            (true, true) => Kind::TextPart { fin },
            (true, false) => Kind::BinaryPart { fin },
        };
        self.part_lent = self.streaming;
        let lend = fin || (self.streaming && self.collected.whole_len() > 0);
        Ok(lend.then_some(Descriptor { kind, place: Place::Collected }))
    }
}
