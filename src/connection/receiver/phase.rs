//! Where in the stream the receiver is, and what it knows of what is unfinished.

use super::Receiver;
use crate::error::ProtocolError;

/// Where in the stream of frames the receiver is.
///
/// ```text
///            first frame           all of it, FIN clear
///   Between ─────────────> Payload ────────────────────> Fragments
///      ^                    │   ^                            │
///      └────────────────────┘   └────────────────────────────┘
///         all of it, FIN set            next fragment
///
///   any ── a Close frame ──> Closed        any ── an error ──> Failed
/// ```
#[derive(Clone, Copy, Debug)]
pub(super) enum Phase {
    /// Between messages.
    Between,
    /// Between the fragments of a message.
    Fragments,
    /// Inside a frame of a message.
    Payload,
    /// The peer's Close frame came; what follows it is discarded.
    Closed,
    /// The connection has failed; everything that follows is discarded.
    Failed(ProtocolError),
}

/// A message of which a part is missing. It is kept with what has come of it, because most connections have none.
#[derive(Clone, Copy, Default)]
pub(super) struct Unfinished {
    pub(super) is_text: bool,
    pub(super) is_compressed: bool,
    /// Bytes that its frames so far declare, or what they have become if they are compressed.
    pub(super) size: u64,
    /// How many frames it has so far.
    pub(super) fragments: u32,
    /// Where in the stream its first frame began.
    pub(super) position: u64,
}

impl Unfinished {
    /// How many bytes of it are unmasked before they are validated.
    pub(super) const fn step(&self) -> usize {
        if self.is_text { Receiver::WINDOW } else { usize::MAX }
    }
}

/// A frame of which a part is missing.
#[derive(Clone, Copy, Default)]
pub(super) struct Frame {
    pub(super) fin: bool,
    /// The masking key as it stands at the next byte.
    pub(super) key: Option<[u8; 4]>,
    pub(super) remaining: u64,
}

/// How far the stream has come; what the timers need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    pub(crate) arrived: u64,
    /// How many messages are complete, as a number that wraps around.
    pub(crate) messages: u32,
    /// Where in the stream the message begins of which a part is missing.
    pub(crate) unfinished: Option<u64>,
    /// All that has come was polled.
    pub(crate) is_polled: bool,
    /// The application polls nothing, because it waits for the peer to take what is written.
    pub(crate) is_blocked: bool,
}
