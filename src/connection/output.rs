use crate::connection::input::Input;
use crate::connection::{pool, storage};
use crate::frame::{Header, mask};
use crate::message::Outgoing;
use bytes::{Buf, Bytes};
use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;

/// What waits to be written to the network, in order: a [`Buf`].
///
/// Frames stand one behind the other in one contiguous tail, so that many small ones leave with one
/// write. A large payload that needs no masking keeps its own storage and is never copied; it leaves
/// between two pieces of the tail by a vectored write ([`Buf::chunks_vectored`]).
#[derive(Default)]
pub struct Output {
    /// Initialised memory; `start..end` waits to be written.
    tail: Box<[u8]>,
    start: usize,
    end: usize,
    inserted: Option<Box<Inserted>>,
    /// How many bytes have been written in all.
    written: u64,
    /// The tail's memory is the thread's, because it was returned before.
    shares: bool,
}

/// Payloads in storage of their own.
#[derive(Default)]
struct Inserted {
    /// Each with how many bytes of the tail go before it, and behind the one before.
    payloads: VecDeque<(usize, Bytes)>,
    /// How many bytes of the first have been written. It stays whole, because its storage may be of use again.
    written: usize,
    /// How many bytes of the tail go before the last of them.
    tail: usize,
    /// How many bytes of theirs wait to be written.
    len: usize,
}

impl Output {
    /// From this many bytes on, an owned payload keeps its storage.
    pub(crate) const INSERTED: usize = Outgoing::LARGE;
    /// Up to this many bytes are copied in line.
    const INLINE: usize = 128;
    /// The tail's first size, in bytes.
    const FIRST: usize = 4 << 10;

    /// Queues a frame, copying its payload.
    #[inline(always)]
    pub(crate) fn put(&mut self, header: Header, payload: &[u8]) {
        let (bytes, header_len) = header.to_bytes();
        if self.tail.len() - self.end < Header::STORED + payload.len() {
            self.grow(Header::STORED + payload.len());
        }
        // The whole array is written, because that is one instruction or two; what follows the header in
        // it is overwritten by the payload.
        if let Some(room) = self.tail.get_mut(self.end..).and_then(|room| room.first_chunk_mut()) {
            *room = bytes;
        }
        let at = self.end + header_len;
        let Some(target) = self.tail.get_mut(at..).and_then(|room| room.get_mut(..payload.len())) else {
            return;
        };
        match header.mask {
            None if payload.len() > Self::INLINE => target.copy_from_slice(payload),
            // Masking by zeros copies, and so few bytes without a call.
            key => {
                mask::copy(payload, target, key.unwrap_or_default());
            }
        }
        self.end = at + payload.len();
    }

    /// Queues a frame whose payload, already masked if it has to be, keeps its storage.
    pub(crate) fn put_owned(&mut self, header: Header, payload: Bytes) {
        let (bytes, header_len) = header.to_bytes();
        self.put_raw(bytes.get(..header_len).unwrap_or_default());
        self.insert(payload);
    }

    /// Queues bytes as they are.
    pub(crate) fn put_raw(&mut self, bytes: &[u8]) {
        if self.tail.len() - self.end < bytes.len() {
            self.grow(bytes.len());
        }
        if let Some(room) = self.tail.get_mut(self.end..).and_then(|room| room.get_mut(..bytes.len())) {
            room.copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    /// An output in which these bytes wait, in the storage that they have.
    pub(crate) fn beginning_with(bytes: Vec<u8>) -> Self {
        Self { end: bytes.len(), tail: bytes.into_boxed_slice(), ..Self::default() }
    }

    /// Queues bytes in their own storage.
    pub(crate) fn insert(&mut self, bytes: Bytes) {
        if bytes.is_empty() {
            return;
        }
        let inserted = self.inserted.get_or_insert_default();
        let before = self.end - self.start - inserted.tail;
        inserted.tail += before;
        inserted.len += bytes.len();
        inserted.payloads.push_back((before, bytes));
    }

    /// Drops all that waits.
    pub(crate) fn clear(&mut self) {
        let Self { written, shares, .. } = *self;
        let old = std::mem::replace(self, Self { written, shares, ..Self::default() });
        if shares {
            pool::give(old.tail.into_vec());
        }
    }

    /// Takes all that waits, as if it had been written.
    pub(crate) fn take(&mut self) -> Self {
        let written = self.written.wrapping_add(self.remaining() as u64);
        let shares = self.shares;
        std::mem::replace(self, Self { written, shares, ..Self::default() })
    }

    /// How many bytes have been written in all, modulo 2^64.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// Takes back the tail's memory; only while nothing waits.
    #[inline]
    pub(crate) fn take_buffer(&mut self) -> Option<Box<[u8]>> {
        if self.has_remaining() {
            return None;
        }
        if self.inserted.is_some() {
            self.inserted = None;
        }
        Some(std::mem::take(&mut self.tail))
    }

    /// Returns it to the thread's others, and takes one of theirs when it needs memory again.
    #[inline]
    pub(crate) fn return_buffer(&mut self) {
        self.shares = true;
        if let Some(buffer) = self.take_buffer() {
            pool::give(buffer.into_vec());
        }
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, additional: usize) {
        if self.shares && self.tail.is_empty() && additional <= Input::SIZE {
            self.tail = pool::take().into_boxed_slice();
            return;
        }
        let waiting = self.end - self.start;
        // Moving at most as much as has been written before keeps the work linear.
        if self.start >= waiting {
            self.tail.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, waiting);
        }
        let needed = self.end + additional;
        if needed > self.tail.len() {
            let mut tail = std::mem::take(&mut self.tail).into_vec();
            let len = needed.max(2 * tail.len()).max(Self::FIRST);
            tail.reserve_exact(len - tail.len());
            tail.resize(len, 0);
            self.tail = tail.into_boxed_slice();
        }
    }

    /// How many bytes of the tail go out before the next payload, and what waits of that one.
    fn next_inserted(&self) -> Option<(usize, &[u8])> {
        let inserted = self.inserted.as_ref()?;
        let (before, bytes) = inserted.payloads.front()?;
        Some((*before, bytes.get(inserted.written..).unwrap_or_default()))
    }

    fn advance_tail(&mut self, n: usize) {
        self.start += n;
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
    }
}

impl Buf for Output {
    #[inline(always)]
    fn remaining(&self) -> usize {
        self.end - self.start + self.inserted.as_ref().map_or(0, |inserted| inserted.len)
    }

    #[inline]
    fn chunk(&self) -> &[u8] {
        let waiting = self.tail.get(self.start..self.end).unwrap_or_default();
        match self.next_inserted() {
            Some((0, bytes)) => bytes,
            Some((before, _)) => waiting.get(..before).unwrap_or_default(),
            None => waiting,
        }
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut slots = slices.iter_mut();
        let mut filled = 0;
        let mut push = |chunk: &'a [u8]| {
            if !chunk.is_empty()
                && let Some(slot) = slots.next()
            {
                *slot = IoSlice::new(chunk);
                filled += 1;
            }
        };
        let mut waiting = self.tail.get(self.start..self.end).unwrap_or_default();
        let mut written = self.inserted.as_ref().map_or(0, |inserted| inserted.written);
        for (before, bytes) in self.inserted.iter().flat_map(|inserted| &inserted.payloads) {
            let (front, rest) = waiting.split_at_checked(*before).unwrap_or_default();
            push(front);
            push(bytes.get(written..).unwrap_or_default());
            (waiting, written) = (rest, 0);
        }
        push(waiting);
        filled
    }

    /// Bytes have been written. More than [`remaining`](Buf::remaining) counts as all of them.
    #[inline]
    fn advance(&mut self, mut n: usize) {
        self.written = self.written.wrapping_add(n.min(self.remaining()) as u64);
        while let Some(inserted) = &mut self.inserted
            && let Some((before, bytes)) = inserted.payloads.front_mut()
        {
            let from_tail = n.min(*before);
            *before -= from_tail;
            let from_bytes = (n - from_tail).min(bytes.len() - inserted.written);
            inserted.written += from_bytes;
            let done = *before == 0 && inserted.written == bytes.len();
            inserted.tail -= from_tail;
            inserted.len -= from_bytes;
            if done {
                inserted.written = 0;
                if let Some((_, bytes)) = inserted.payloads.pop_front() {
                    storage::give_bytes(bytes);
                }
            }
            n -= from_tail + from_bytes;
            self.advance_tail(from_tail);
            if !done {
                return;
            }
        }
        let n = n.min(self.end - self.start);
        self.advance_tail(n);
    }
}

/// Shows how much waits, and nothing of what it is.
impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("remaining", &self.remaining()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Opcode;
    use proptest::prelude::*;

    fn drain(output: &mut Output, step: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        while output.has_remaining() {
            let mut slices = [IoSlice::new(&[]); 4];
            let n = output.chunks_vectored(&mut slices);
            let bytes: Vec<u8> = slices[..n].iter().flat_map(|slice| slice.iter().copied()).collect();
            assert!(bytes.starts_with(output.chunk()) && !output.chunk().is_empty());
            let written = step.min(bytes.len());
            wire.extend_from_slice(&bytes[..written]);
            output.advance(written);
        }
        wire
    }

    #[test]
    fn small_frames_leave_together_in_one_chunk() {
        let mut output = Output::default();
        output.put(Header::new(Opcode::Text, 2), b"hi");
        output.put(Header::new(Opcode::Ping, 0), b"");
        assert_eq!(output.chunk(), b"\x81\x02hi\x89\x00");
        output.advance(3);
        output.put(Header::new(Opcode::Text, 1), b"!");
        assert_eq!(output.chunk(), b"i\x89\x00\x81\x01!");
    }

    #[test]
    fn payloads_of_every_length_are_copied_and_masked() {
        let payload: Vec<u8> = (0..=255).cycle().take(300).collect();
        for len in 0..=300 {
            let payload = &payload[..len];
            for mask in [None, Some([0x37, 0xfa, 0x21, 0x3d])] {
                let header = Header { mask, ..Header::new(Opcode::Binary, len as u64) };
                let (mut output, mut expected) = (Output::default(), Vec::new());
                header.encode(&mut expected);
                let key = mask.unwrap_or_default().into_iter().cycle();
                expected.extend(payload.iter().zip(key).map(|(byte, key)| byte ^ key));
                output.put(header, payload);
                assert_eq!(output.chunk(), expected);
            }
        }
    }

    #[test]
    fn a_large_payload_keeps_its_storage() {
        let payload = Bytes::from(vec![7; Output::INSERTED]);
        let mut output = Output::default();
        output.put_owned(Header::new(Opcode::Binary, payload.len() as u64), payload.clone());
        output.advance(4);
        assert_eq!(output.chunk().as_ptr(), payload.as_ptr());
    }

    #[test]
    fn advancing_too_far_is_harmless() {
        let mut output = Output::default();
        output.put(Header::new(Opcode::Text, 2), b"hi");
        output.insert(Bytes::from_static(b"more"));
        output.advance(usize::MAX);
        assert!(!output.has_remaining());
    }

    proptest! {
        #[test]
        fn what_is_queued_leaves_once_and_in_order(
            pieces in prop::collection::vec((any::<bool>(), 0usize..200), 0..40),
            step in 1usize..300,
            early in prop::collection::vec(0usize..500, 0..40),
        ) {
            let (mut output, mut expected, mut wire) = (Output::default(), Vec::new(), Vec::new());
            for (i, (owned, len)) in pieces.into_iter().enumerate() {
                let piece = vec![u8::try_from(i).unwrap(); len];
                expected.extend_from_slice(&piece);
                if owned { output.insert(piece.into()) } else { output.put_raw(&piece) }
                let mut some = early.get(i).copied().unwrap_or(0).min(output.remaining());
                while some > 0 {
                    let n = some.min(output.chunk().len());
                    wire.extend_from_slice(&output.chunk()[..n]);
                    output.advance(n);
                    some -= n;
                }
            }
            wire.extend(drain(&mut output, step));
            prop_assert_eq!(wire, expected);
        }
    }

    #[test]
    fn nothing_is_lost_that_does_not_fit() {
        for sizes in [[3000, 3000, 3000], [4096, 1, 8192], [1, 4095, 4097]] {
            let (mut output, mut expected) = (Output::default(), Vec::new());
            for (i, size) in (1..).zip(sizes) {
                output.put_raw(&vec![i; size]);
                expected.extend(vec![i; size]);
            }
            assert_eq!(output.chunk(), expected);
        }
    }

    /// The length of the tail, and where in it what waits begins.
    fn tail_after(first: usize, written: usize, second: usize) -> (usize, usize) {
        let mut output = Output::default();
        output.put_raw(&vec![1; first]);
        output.advance(written);
        output.put_raw(&vec![2; second]);
        assert_eq!(output.remaining(), first - written + second);
        (output.tail.len(), output.start)
    }

    #[test]
    fn what_waits_moves_when_less_of_it_waits_than_was_written() {
        assert_eq!(tail_after(4096, 2048, 2048), (4096, 0));
        assert_eq!(tail_after(4096, 3000, 1000), (4096, 0));
        assert_eq!(tail_after(4096, 2047, 2047), (8192, 2047), "it grows instead");
        assert_eq!(tail_after(4096, 0, 1), (8192, 0), "and doubles");
        assert_eq!(tail_after(4096, 0, 10_000), (14_096, 0));
        assert_eq!(tail_after(1, 0, 1), (4096, 0));
    }

    #[test]
    fn what_was_written_is_counted() {
        let mut output = Output::default();
        output.put_raw(b"abc");
        output.insert(Bytes::from_static(b"def"));
        output.advance(4);
        assert_eq!((output.written(), output.remaining()), (4, 2));
        output.put_raw(b"g");
        output.advance(usize::MAX);
        assert_eq!((output.written(), output.remaining()), (7, 0));
        output.put_raw(b"abc");
        output.advance(1);
        output.advance(usize::MAX);
        assert_eq!((output.written(), output.remaining()), (10, 0));
    }

    #[test]
    fn what_is_dropped_was_not_written_and_what_is_taken_was() {
        let mut output = Output::default();
        output.put_raw(b"abc");
        output.advance(1);
        output.clear();
        assert_eq!((output.written(), output.remaining()), (1, 0));
        output.put_raw(b"defg");
        output.insert(Bytes::from_static(b"hi"));
        let mut taken = Output::take(&mut output);
        assert_eq!(drain(&mut taken, 1), b"defghi");
        assert_eq!((output.written(), output.remaining()), (1 + 6, 0));
    }

    #[test]
    fn what_is_queued_is_not_shown() {
        let mut output = Output::default();
        output.put_raw(b"secret");
        assert_eq!(format!("{output:?}"), "Output { remaining: 6, .. }");
    }
}
