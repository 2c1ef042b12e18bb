use crate::deflate::{MAX_BITS, Params, pool, since};
use crate::error::ProtocolError;
use crate::frame::Role;
use std::collections::VecDeque;
use std::fmt;
use zlib_rs::{Inflate, InflateFlush, Status};

/// What the peer's compressed messages become (§7.2.2).
///
/// Between messages all that counts is what the next one may refer to. That is noted here, beside the
/// decompressor: so the decompressor can be given back while the connection is idle.
pub(crate) struct Inflater(Box<State>);

struct State {
    stream: Option<Inflate>,
    /// With context takeover: the end of all that was inflated and noted, as far as the peer's window reaches.
    history: Option<VecDeque<u8>>,
    /// How many bytes were inflated since, and not noted.
    unnoted: usize,
    /// The peer's window, in bytes.
    window: usize,
    /// The stream knows the history.
    is_loaded: bool,
    /// The message, or what of it follows a final block, has begun.
    has_begun: bool,
    /// The last call filled all of its room, so that there may be more to come without further input.
    is_full: bool,
    /// How many final blocks the message has had.
    finals: u32,
    /// What is wrong, behind what was inflated.
    error: Option<ProtocolError>,
}

/// How far one call came, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inflated {
    pub(crate) consumed: usize,
    pub(crate) produced: usize,
}

impl Inflater {
    /// The most final blocks that a message may have before its last block. Each costs the peer two bytes, and
    /// this side a reset.
    const FINALS: u32 = 1024;

    /// For what the peer of `role` sends.
    pub(crate) fn new(params: &Params, role: Role) -> Self {
        let peer = role.peer();
        // §7.2.2: without "server_no_context_takeover" "the client MUST decompress each new message using the
        // LZ77 sliding window used to process the last compressed message"; without "server_max_window_bits"
        // it "MUST use a 32,768-byte LZ77 sliding window"; and so for the server.
        Self(Box::new(State {
            stream: None,
            history: (!params.no_context_takeover(peer)).then(VecDeque::new),
            unnoted: 0,
            window: 1 << params.max_window_bits(peer),
            is_loaded: false,
            has_begun: false,
            is_full: false,
            finals: 0,
            error: None,
        }))
    }

    /// Whether there may be more to come without further input, or an error.
    pub(crate) fn is_full(&self) -> bool {
        self.0.is_full || self.0.error.is_some()
    }

    /// Inflates until all of `input` is consumed or all of `room`, which is not empty, is filled.
    ///
    /// # Errors
    /// Data that is not DEFLATE, and too many final blocks; when all that came before is inflated.
    pub(crate) fn inflate(&mut self, input: &[u8], room: &mut [u8]) -> Result<Inflated, ProtocolError> {
        let state = &mut *self.0;
        let mut done = Inflated::default();
        loop {
            let input = input.get(done.consumed..).unwrap_or_default();
            let room = room.get_mut(done.produced..).unwrap_or_default();
            if room.is_empty() || state.error.is_some() || (input.is_empty() && !state.is_full) {
                break;
            }
            let (step, status) = step(state.load(), input, room, InflateFlush::NoFlush);
            done.consumed += step.consumed;
            done.produced += step.produced;
            state.has_begun |= step.consumed > 0;
            state.is_full = step.produced == room.len();
            state.unnoted += step.produced;
            if state.unnoted >= state.window
                && let Some(history) = &mut state.history
                && history.capacity() > 0
            {
                *history = VecDeque::new(); // the next message cannot refer to it any more
            }
            match status {
                Ok(Status::StreamEnd) => {
                    state.begin_anew();
                    state.finals += 1;
                    if state.finals > Self::FINALS {
                        state.error = Some(ProtocolError::TooManyFinalBlocks);
                    }
                }
                Ok(_) if step == Inflated::default() => break,
                Ok(_) => {}
                Err(error) => state.error = Some(error),
            }
        }
        match state.error {
            Some(error) if done.produced == 0 => Err(error),
            _ => Ok(done),
        }
    }

    /// Notes what was inflated since this was last called, for the next message to refer to: the end of
    /// `bytes`. It has to be called before the message ends, and before any of its bytes are dropped.
    pub(crate) fn note(&mut self, bytes: &[u8]) {
        let state = &mut *self.0;
        let new = std::mem::take(&mut state.unnoted).min(state.window);
        let Some(history) = &mut state.history else { return };
        let new = bytes.get(bytes.len().saturating_sub(new)..).unwrap_or_default();
        let surplus = (history.len() + new.len()).saturating_sub(state.window);
        history.drain(..surplus);
        let needed = history.len() + new.len();
        if needed > history.capacity() {
            let capacity = needed.max(2 * history.capacity()).min(state.window);
            history.reserve_exact(capacity - history.len());
        }
        history.extend(new);
    }

    /// The message ends here.
    ///
    /// # Errors
    /// Its data does not.
    pub(crate) fn finish(&mut self) -> Result<(), ProtocolError> {
        let state = &mut *self.0;
        // §7.2.2: "1. Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message."
        // To nothing at all, or to a final block with nothing behind, they would not be DEFLATE.
        if state.has_begun {
            // Decompressing stops before the byte behind them if a block ends there, and only then.
            let tail = [0x00, 0x00, 0xFF, 0xFF, 0x00];
            let takes_over = state.history.is_some();
            let stream = state.load();
            let (end, status) = step(stream, &tail, &mut [0], InflateFlush::Block);
            if status.is_err() || end != (Inflated { consumed: 4, produced: 0 }) {
                return Err(ProtocolError::InvalidDeflate);
            }
            if takes_over {
                // It may have been another block than the empty one, with bits left over, which the next message would
                // begin with: then another empty block is not read as one, or as a final one.
                let empty = [0x00, 0x00, 0x00, 0xFF, 0xFF, 0x00];
                let again = step(stream, &empty, &mut [0], InflateFlush::Block);
                let ends = step(stream, &[], &mut [0], InflateFlush::NoFlush).1 == Ok(Status::StreamEnd);
                match again {
                    (Inflated { consumed: 5, produced: 0 }, Ok(_)) if !ends => {}
                    // It was a final one: nothing may refer to what came before.
                    (Inflated { consumed: 0, .. }, Ok(Status::StreamEnd)) => state.begin_anew(),
                    _ => return Err(ProtocolError::InvalidDeflate),
                }
            }
        }
        state.has_begun = false;
        state.is_full = false;
        state.finals = 0;
        // A stream remembers 32 KiB, whatever the window is. With a smaller one it learns the history
        // anew, so that what a message may refer to does not depend on when the stream was given back.
        state.is_loaded &= state.window == 1 << MAX_BITS;
        if state.history.is_none() {
            self.release();
        }
        Ok(())
    }

    /// Gives the decompressor back; only between messages, or for good.
    pub(crate) fn release(&mut self) {
        self.0.is_loaded = false;
        if let Some(stream) = self.0.stream.take() {
            pool::give_inflater(stream);
        }
    }
}

impl State {
    /// The stream, knowing what the message may refer to.
    fn load(&mut self) -> &mut Inflate {
        let is_new = self.stream.is_none();
        let stream = self.stream.get_or_insert_with(pool::inflater);
        if !self.is_loaded {
            self.is_loaded = true;
            if !is_new {
                stream.reset(false);
            }
            if let Some(history) = &self.history {
                let (older, newer) = history.as_slices();
                for part in [older, newer] {
                    // A stream without a header takes it at any time.
                    let _always_taken = stream.set_dictionary(part);
                }
            }
        }
        stream
    }

    /// §7.2.3.4: a message may have blocks with "BFINAL" set. What follows is another DEFLATE stream, which
    /// refers to nothing before it.
    #[cold]
    fn begin_anew(&mut self) {
        self.has_begun = false;
        self.is_full = false;
        self.unnoted = 0;
        if let Some(history) = &mut self.history {
            history.clear();
        }
        if let Some(stream) = &mut self.stream {
            stream.reset(false);
        }
    }
}

/// One call: how far it came, and how it ended.
fn step(
    stream: &mut Inflate,
    input: &[u8],
    room: &mut [u8],
    flush: InflateFlush,
) -> (Inflated, Result<Status, ProtocolError>) {
    let before = (stream.total_in(), stream.total_out());
    let status = stream.decompress(input, room, flush).map_err(|_| ProtocolError::InvalidDeflate);
    let consumed = since(before.0, stream.total_in());
    let produced = since(before.1, stream.total_out());
    (Inflated { consumed, produced }, status)
}

impl Drop for Inflater {
    fn drop(&mut self) {
        self.release();
    }
}

/// Shows how things stand, and nothing of what was received.
impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inflater")
            .field("window", &self.0.window)
            .field("history", &self.0.history.as_ref().map(VecDeque::len))
            .field("has_stream", &self.0.stream.is_some())
            .finish_non_exhaustive()
    }
}
