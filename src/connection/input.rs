use crate::connection::pool;
use crate::error::Overfilled;

/// What has been read from the network and is not consumed yet: the counterpart of
/// [`Output`](super::Output).
///
/// It is one initialised buffer that all frames share. Between reads it holds at most a header or a
/// control frame that has not wholly come, once all events have been polled.
#[derive(Default)]
pub(crate) struct Input {
    /// `start..end` is unread; what was consumed lies there until the next read.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    /// Bytes of the buffer: a frame with 64 KiB of payload, which many send, fits with its header. It then
    /// needs no storage of its own, and is received twice as fast.
    pub(crate) const SIZE: usize = 65 << 10;
    /// Up to this many unread bytes are moved to the front before each read; more only to make room.
    const MOVED: usize = 256;

    #[inline(always)]
    pub(crate) const fn len(&self) -> usize {
        self.end - self.start
    }

    /// Where in the buffer the next unread byte stands, for [`get`](Self::get).
    #[inline(always)]
    pub(crate) const fn position(&self) -> usize {
        self.start
    }

    #[inline(always)]
    pub(crate) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    #[inline(always)]
    pub(crate) fn unread_mut(&mut self) -> Option<&mut [u8]> {
        self.buffer.get_mut(self.start..self.end)
    }

    /// The next `n` bytes are read.
    #[inline(always)]
    pub(crate) const fn consume(&mut self, n: usize) {
        self.start += n;
    }

    /// Bytes at a [`position`](Self::position), read or not.
    #[inline(always)]
    pub(crate) fn get(&self, position: usize, len: usize) -> &[u8] {
        self.buffer.get(position..).and_then(|rest| rest.get(..len)).unwrap_or_default()
    }

    pub(crate) const fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Where the next bytes go. It is empty only while the buffer is full of unread ones.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let unread = self.len();
        // What was appended may be much more than a buffer: it is moved when as much has been consumed, so that each byte
        // is moved once on the average.
        let is_little = unread < Self::SIZE || unread <= self.start;
        if unread == 0 {
            self.clear();
        } else if self.start > 0
            && (unread <= Self::MOVED || (is_little && self.buffer.len() - self.end < Self::SIZE / 2))
        {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, unread);
        }
        if self.buffer.len() > Self::SIZE && self.end <= Self::SIZE / 2 {
            // It had grown for what was appended.
            self.buffer.truncate(Self::SIZE);
            self.buffer.shrink_to_fit();
        } else if self.buffer.len() < Self::SIZE {
            self.take(pool::take());
        }
        self.buffer.get_mut(self.end..).unwrap_or_default()
    }

    /// The first `n` bytes of the room have been filled.
    pub(crate) const fn filled(&mut self, n: usize) -> Result<(), Overfilled> {
        if n > self.buffer.len() - self.end {
            return Err(Overfilled);
        }
        self.end += n;
        Ok(())
    }

    /// Takes bytes although the buffer is full: the caller holds them already, so they may as well be held
    /// here.
    pub(crate) fn append(&mut self, bytes: &[u8]) {
        self.buffer.truncate(self.end);
        self.buffer.extend_from_slice(bytes);
        self.end = self.buffer.len();
    }

    /// Takes back the buffer; what is unread moves to storage of its own size.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        let unread = self.unread().to_vec();
        (self.start, self.end) = (0, unread.len());
        std::mem::replace(&mut self.buffer, unread)
    }

    /// Takes a buffer of [`SIZE`](Self::SIZE) bytes; only while there is none, or a remainder.
    fn take(&mut self, mut buffer: Vec<u8>) {
        let unread = self.unread();
        if let Some(front) = buffer.get_mut(..unread.len()) {
            front.copy_from_slice(unread);
            (self.start, self.end) = (0, unread.len());
            self.buffer = buffer;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(input: &mut Input, bytes: &[u8]) {
        input.room()[..bytes.len()].copy_from_slice(bytes);
        input.filled(bytes.len()).unwrap();
    }

    #[test]
    fn unread_bytes_survive_every_change_of_buffer() {
        let mut input = Input::default();
        fill(&mut input, b"abcdef");
        input.consume(2);
        assert_eq!(input.take_buffer().len(), Input::SIZE);
        assert_eq!((input.unread(), input.buffer.len()), (&b"cdef"[..], 4));
        input.consume(1);
        fill(&mut input, b"gh");
        assert_eq!(input.unread(), b"defgh");
        input.take_buffer();
        fill(&mut input, b"i");
        assert_eq!((input.unread(), input.buffer.len()), (&b"defghi"[..], Input::SIZE));
    }

    #[test]
    fn what_was_consumed_lies_there_until_the_next_read() {
        let mut input = Input::default();
        fill(&mut input, b"abc");
        let position = input.position();
        input.consume(3);
        assert_eq!((input.get(position, 2), input.len()), (&b"ab"[..], 0));
        assert_eq!(input.room().len(), Input::SIZE);
    }

    #[test]
    fn much_that_was_appended_is_moved_when_as_much_was_consumed() {
        let mut input = Input::default();
        fill(&mut input, &[7; Input::SIZE]);
        input.append(&[8; 9 * Input::SIZE]);
        for _ in 0..4 {
            input.consume(Input::SIZE);
            let position = input.position();
            assert!(position > 0 && input.room().is_empty(), "more than 65 KiB wait");
            assert_eq!(input.position(), position, "it was moved");
        }
        input.consume(Input::SIZE);
        assert_eq!((input.room().len(), input.position()), (5 * Input::SIZE, 0));
        assert_eq!(input.unread(), [8; 5 * Input::SIZE]);
    }

    #[test]
    fn no_more_is_taken_than_there_is_room_for() {
        let mut input = Input::default();
        fill(&mut input, &[7; Input::SIZE]);
        assert!(input.room().is_empty());
        assert_eq!(input.filled(1), Err(Overfilled));
        input.append(b"more");
        assert_eq!(input.len(), Input::SIZE + 4);
        assert!(input.unread().ends_with(b"\x07more"));
        input.consume(Input::SIZE);
        assert_eq!(input.room().len(), Input::SIZE - 4, "what was appended does not stay");
        assert_eq!(input.unread(), b"more");
    }

    /// Where the unread bytes stand after another read began.
    fn position_after(filled: usize, consumed: usize) -> usize {
        let mut input = Input::default();
        fill(&mut input, &vec![7; filled]);
        input.consume(consumed);
        assert_eq!(input.room().len(), Input::SIZE - filled + consumed - input.position());
        assert_eq!(input.len(), filled - consumed);
        input.position()
    }

    #[test]
    fn few_unread_bytes_move_and_more_only_to_make_room() {
        assert_eq!(position_after(300, 300 - Input::MOVED), 0);
        assert_eq!(position_after(300, 300 - Input::MOVED - 1), 43);
        assert_eq!(position_after(Input::SIZE / 2, 1), 1);
        assert_eq!(position_after(Input::SIZE / 2 + 1, 1), 0);
        assert_eq!(position_after(Input::SIZE, 1), 0);
    }

    #[test]
    fn what_was_appended_stays_until_little_is_unread() {
        for unread in [Input::SIZE / 2, Input::SIZE / 2 + 1, Input::SIZE - 6] {
            let mut input = Input::default();
            fill(&mut input, &[7; Input::SIZE]);
            input.append(b"more");
            input.consume(Input::SIZE + 4 - unread);
            let size = if unread <= Input::SIZE / 2 { Input::SIZE } else { Input::SIZE + 4 };
            assert_eq!(input.room().len(), size - unread);
            assert_eq!(input.len(), unread);
            assert!(input.unread().ends_with(b"\x07more"));
        }
    }

    #[test]
    fn a_buffer_full_of_unread_bytes_does_not_move() {
        let mut input = Input::default();
        fill(&mut input, &[7; Input::SIZE]);
        input.append(&[8; 100]);
        input.consume(100);
        assert!(input.room().is_empty());
        assert_eq!((input.len(), input.position()), (Input::SIZE, 100));
        input.consume(1);
        assert_eq!((input.room().len(), input.position()), (101, 0));
    }

    #[test]
    fn a_buffer_that_was_returned_is_taken_by_whoever_reads_next() {
        let (mut input, mut other) = (Input::default(), Input::default());
        fill(&mut input, b"abc");
        input.take_buffer();
        let address = other.room().as_ptr();
        pool::give(other.take_buffer());
        input.room();
        assert_eq!((input.unread(), input.unread().as_ptr()), (&b"abc"[..], address));
    }
}
