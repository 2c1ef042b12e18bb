//! How a message gets into storage of its own: from the shared buffer, from the network, or decompressed.

use super::Receiver;
use super::phase::{Frame, Phase, Unfinished};
use crate::connection::event::{Descriptor, Kind, Place};
use crate::connection::storage;
use crate::deflate::Inflated;
use crate::error::ProtocolError;
use crate::frame::mask;
use crate::utf8::Utf8Buffer;
use std::ops::{Deref, DerefMut};

/// A message in storage of its own. A connection has mostly none, and then this is a pointer and no more.
#[derive(Default)]
pub(super) struct Collected(Option<Box<Collecting>>);

#[derive(Default)]
struct Collecting {
    buffer: Utf8Buffer,
    message: Unfinished,
    frame: Frame,
}

impl Collected {
    /// What the message is, and which frame of it is under way, or was the last.
    #[inline]
    pub(super) fn unfinished(&self) -> (Unfinished, Frame) {
        self.0.as_ref().map(|collecting| (collecting.message, collecting.frame)).unwrap_or_default()
    }

    pub(super) fn go_on(&mut self, message: Unfinished, frame: Frame) {
        let collecting = self.0.get_or_insert_default();
        (collecting.message, collecting.frame) = (message, frame);
    }

    /// Gives the storage back.
    pub(super) fn release(&mut self) {
        if let Some(collecting) = self.0.take() {
            storage::give(collecting.buffer.into_storage());
        }
    }
}

impl Deref for Collected {
    type Target = Utf8Buffer;

    #[inline]
    fn deref(&self) -> &Utf8Buffer {
        static NONE: Utf8Buffer = Utf8Buffer::new();
        self.0.as_ref().map_or(&NONE, |collecting| &collecting.buffer)
    }
}

impl DerefMut for Collected {
    #[inline]
    fn deref_mut(&mut self) -> &mut Utf8Buffer {
        &mut self.0.get_or_insert_default().buffer
    }
}

impl Receiver {
    /// The frame that is read straight into its own storage, if this is how things stand.
    pub(super) fn direct(&self) -> Option<Frame> {
        let (message, frame) = self.collected.unfinished();
        let is_direct = matches!(self.phase, Phase::Payload)
            && frame.remaining > Self::DIRECT
            && !message.is_compressed
            && !self.streaming
            && self.input.len() == 0
            && self.collected.len() > 0;
        is_direct.then_some(frame)
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
        if (wanted >= storage::LEAST || self.sends_large)
            && len == 0
            && !self.streaming
            && let Some(storage) = usize::try_from(frame.remaining).ok().and_then(storage::take)
        {
            self.collected.adopt(storage);
        }
        self.collected.reserve(wanted).map_err(|_| ProtocolError::OutOfMemory)
    }

    /// Moves what the shared buffer holds of the frame into the message's storage.
    pub(super) fn collect_shared(&mut self) -> Result<(), ProtocolError> {
        let (message, mut frame) = self.collected.unfinished();
        loop {
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
            self.collected.go_on(message, frame);
        }
    }

    /// Takes in `n` bytes of the frame that were read straight into the message's storage.
    pub(super) fn collect_direct(&mut self, mut n: usize) -> Result<(), ProtocolError> {
        let (message, mut frame) = self.collected.unfinished();
        while n > 0 {
            let step = n.min(message.step());
            if let (Some(key), Some(window)) = (frame.key, self.collected.room().get_mut(..step)) {
                mask::apply(window, key);
            }
            self.accept(&mut frame, step)?;
            n -= step;
        }
        self.collected.go_on(message, frame);
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
            let Some(inflater) = &mut self.inflater else { return Ok(()) };
            let (mut message, mut frame) = self.collected.unfinished();
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
            self.collected.go_on(message, frame);
        }
    }

    /// What to do once all that has come of the frame is collected.
    pub(super) fn end_of_payload(&mut self) -> Result<Option<Descriptor>, ProtocolError> {
        let (message, frame) = self.collected.unfinished();
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
            self.sends_large = self.collected.len() > Self::LARGE && !message.is_compressed;
            self.follows_large = self.sends_large && self.input.len() == 0;
        } else if is_done {
            self.phase = Phase::Fragments;
        }
        self.rules.fragmented = Some(!fin);
        let kind = Kind::of_message(message.is_text, self.streaming, fin);
        self.part_lent = self.streaming;
        let lend = fin || (self.streaming && self.collected.whole_len() > 0);
        Ok(lend.then_some(Descriptor { kind, place: Place::Collected }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::{Agreement, Config};
    use crate::frame::{Header, Opcode, Role};

    fn client() -> Receiver {
        Receiver::new(Role::Client, &Config::new(), &Agreement::new())
    }

    fn header(fin: bool, opcode: Opcode, len: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        Header { fin, ..Header::new(opcode, len as u64) }.encode(&mut wire);
        wire
    }

    /// Bytes collected, and bytes of room behind them, after these came.
    fn after(receiver: &mut Receiver, bytes: &[u8]) -> (usize, usize) {
        receiver.receive(bytes);
        receiver.advance().unwrap();
        (receiver.collected.len(), receiver.collected.room_len())
    }

    #[test]
    fn a_whole_message_has_no_more_storage_than_its_bytes() {
        let mut receiver = client();
        receiver.receive(&header(true, Opcode::Binary, 400_000));
        for come in [20_000, 60_000, 240_000] {
            assert_eq!(after(&mut receiver, &vec![0; come]).1 > 0, come != 60_000, "{come}");
        }
        assert_eq!(after(&mut receiver, &[0; 80_000]), (400_000, 0));
    }

    #[test]
    fn storage_grows_when_it_is_full_and_not_before() {
        let mut receiver = client();
        receiver.receive(&header(true, Opcode::Binary, 8192));
        assert_eq!(after(&mut receiver, &[0; 1000]), (1000, 3000));
        assert_eq!(after(&mut receiver, &[0; 3000]), (4000, 0));
        assert_eq!(after(&mut receiver, &[0; 1]), (4001, 4191));
    }

    /// Bytes of storage after so many of a message's have come, while the thread keeps some that would fit all of it.
    fn storage_after(receiver: &mut Receiver, come: usize) -> usize {
        let kept = storage::take(LARGE).unwrap_or_else(|| vec![0; LARGE]);
        storage::give(kept);
        let wire = [header(true, Opcode::Binary, LARGE), vec![0; come]].concat();
        let (len, room) = after(receiver, &wire);
        len + room
    }

    const LARGE: usize = 400_000;

    #[test]
    fn kept_storage_is_for_what_has_come_in_part() {
        assert_eq!(storage_after(&mut client(), 1000), 4000);
        assert_eq!(storage_after(&mut client(), storage::LEAST / 4 - 1), storage::LEAST - 4);
        let mut receiver = client();
        assert_eq!(storage_after(&mut receiver, storage::LEAST / 4), LARGE);
        // Whoever has sent a large message is given it at once.
        after(&mut receiver, &vec![0; LARGE - storage::LEAST / 4]);
        assert_eq!(storage_after(&mut receiver, 1000), LARGE);
    }

    #[test]
    fn a_message_that_is_read_in_parts_takes_no_kept_storage() {
        let config = Config::new().streaming(true);
        let mut receiver = Receiver::new(Role::Client, &config, &Agreement::new());
        assert_eq!(storage_after(&mut receiver, 20_000), 20_000);
    }

    #[test]
    fn storage_for_fragments_doubles() {
        let mut receiver = client();
        let (mut opcode, mut sizes) = (Opcode::Binary, Vec::new());
        for _ in 0..1000 {
            let frame = [header(false, opcode, 1000), vec![0; 1000]].concat();
            let (len, room) = after(&mut receiver, &frame);
            sizes.push(len + room);
            opcode = Opcode::Continuation;
        }
        sizes.dedup();
        assert!(sizes.len() <= 11, "{sizes:?}");
    }

    #[test]
    fn what_is_kept_for_later_takes_its_storage_along() {
        let mut receiver = client();
        receiver.receive(&[header(false, Opcode::Binary, 1), vec![0]].concat());
        receiver.receive(&[header(true, Opcode::Continuation, 1), vec![1]].concat());
        let descriptor = receiver.advance().unwrap().unwrap();
        receiver.keep(descriptor);
        assert_eq!((receiver.collected.len(), receiver.collected.room_len()), (0, 0));
    }

    #[cfg(feature = "deflate")]
    mod inflated {
        use super::*;
        use crate::deflate::{Deflate, Deflater};

        fn client(max_message_size: u64) -> Receiver {
            let agreement = Agreement::new().with_deflate(Deflate::new().params());
            Receiver::new(Role::Client, &Config::new().max_message_size(max_message_size), &agreement)
        }

        /// Compressed messages, or parts of one, each in a frame.
        fn frames(parts: &[(&[u8], bool)]) -> Vec<Vec<u8>> {
            let params = Deflate::new().params();
            let mut deflater = Deflater::agreed(None, Some(&params), Role::Server).unwrap();
            let frames = parts.iter().enumerate().map(|(i, &(payload, fin))| {
                let mut out = Vec::new();
                deflater.deflate(payload, fin, &mut out);
                let mut wire =
                    header(fin, if i == 0 { Opcode::Binary } else { Opcode::Continuation }, out.len());
                wire[0] |= if i == 0 { Header::RSV1 << 4 } else { 0 };
                [wire, out].concat()
            });
            frames.collect()
        }

        #[test]
        fn a_bomb_has_room_for_one_byte_too_many() {
            let wire = frames(&[(&[0; 90_000], false), (&[0; 1_000_000], true)]);
            let mut receiver = client(100_000);
            let (len, _) = after(&mut receiver, &wire[0]);
            assert_eq!(len, 90_000);
            receiver.receive(&wire[1]);
            // What `advance` does, but for giving the storage back.
            let input = receiver.input.unread_mut().unwrap();
            let (header, header_len) = Header::decode_by(input, receiver.rules).unwrap().unwrap();
            let message = receiver.admit(&header).unwrap();
            receiver.input.consume(header_len);
            let frame = Frame { fin: true, key: None, remaining: header.payload_len };
            receiver.phase = Phase::Payload;
            receiver.collected.go_on(message, frame);
            assert_eq!(receiver.collect_inflated(), Err(ProtocolError::MessageTooLarge));
            assert!(receiver.collected.len() + receiver.collected.room_len() <= 100_001);
        }

        #[test]
        fn the_first_storage_is_four_times_what_has_come() {
            let mut receiver = client(100_000);
            let wire = &frames(&[(&[7; 100], false)])[0];
            let (len, room) = after(&mut receiver, wire);
            assert_eq!((len, len + room), (100, Receiver::LEAST));

            let mut state = 1_u32;
            let noise: [u8; 3000] = std::array::from_fn(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                state.to_be_bytes()[0]
            });
            let mut receiver = client(100_000);
            let wire = &frames(&[(&noise, false)])[0];
            let (len, room) = after(&mut receiver, wire);
            assert_eq!((len, len + room), (3000, 4 * (wire.len() - 4)));
        }
    }
}
