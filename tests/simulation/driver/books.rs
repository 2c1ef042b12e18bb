//! What is known of both ends: what may arrive, what may go wrong, and what is over.

use super::model::Flow;
use super::wire::{Faults, Wire};
use sansocket::{
    CloseInfo, Config, Error, Event, HandshakeError, Keepalive, Message, ProtocolError, SendError,
};
use std::time::{Duration, Instant};

/// The books of a world.
#[derive(Debug)]
pub(crate) struct Books {
    pub(crate) ends: [End; 2],
    /// How many calls are still begun before the end.
    pub(crate) calls_left: usize,
    /// Both are streams of bytes.
    pub(crate) are_bytes: bool,
    /// All now comes to its end.
    pub(crate) finale: bool,
    /// Somebody dropped something that the other end may miss.
    pub(crate) is_rude: bool,
    /// How far the clock has moved at once at most.
    pub(crate) longest_jump: Duration,
}

/// Those of one end.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) limits: Limits,
    pub(crate) config: Config,
    /// What it sends.
    pub(crate) flow: Flow,
    opened: Instant,
    /// Since when it closes.
    pub(crate) closing: Option<Instant>,
    /// It may have dropped messages while it closed.
    pub(crate) discards: bool,
    /// A message may be unfinished, of text or not.
    pub(crate) unfinished: Option<bool>,
    /// The parts of a message that were read.
    collected: Vec<u8>,
    /// The tasks are to give back what they have.
    pub(crate) gathers: bool,
    /// A failure was reported, by whatever call.
    failed: bool,
    /// What ended it was read.
    pub(crate) is_over: bool,
    pub(crate) info: Option<CloseInfo>,
}

/// What its configuration says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) high_water_mark: usize,
    pub(crate) streaming: bool,
    pub(crate) keepalive: Option<Keepalive>,
    pub(crate) message_timeout: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
}

impl Limits {
    /// It may close by itself.
    pub(crate) const fn gives_up(&self) -> bool {
        self.keepalive.is_some() || self.message_timeout.is_some()
    }
}

/// What waits so long waits for ever.
pub(crate) const NEVER: Duration = Duration::from_secs(24 * 3600);

impl End {
    pub(crate) fn new(limits: Limits, fragment_size: usize) -> Self {
        let mut config = Config::new()
            .high_water_mark(limits.high_water_mark)
            .streaming(limits.streaming)
            .close_timeout(limits.close_timeout)
            .handshake_timeout(limits.handshake_timeout)
            .fragment_size(fragment_size);
        if let Some(keepalive) = limits.keepalive {
            config = config.keepalive(keepalive);
        }
        if let Some(timeout) = limits.message_timeout {
            config = config.message_timeout(timeout);
        }
        Self {
            limits,
            config,
            flow: Flow::default(),
            opened: Wire::now(),
            closing: None,
            discards: false,
            unfinished: None,
            collected: Vec::new(),
            gathers: false,
            failed: false,
            is_over: false,
            info: None,
        }
    }

    /// It begins to close.
    pub(crate) fn close(&mut self, discards: bool) {
        self.closing.get_or_insert_with(Wire::now);
        self.discards |= discards;
    }

    /// The most that may be queued: what crosses the mark, in frames; pongs, a keepalive's ping, a Close frame; and
    /// the response.
    pub(crate) fn check_queue(&self, buffered: usize) {
        let pieces = 2 + self.flow.longest / 64; // the smallest `fragment_size`
        let most = self.limits.high_water_mark + self.flow.longest + 14 * pieces + (16 << 10) + 1000;
        assert!(buffered <= most, "{buffered} bytes are queued, and at most {most} may be");
    }

    /// A message, or the part of one, that was lent. Whole messages are returned.
    pub(crate) fn collect(&mut self, event: Event<'_>) -> Option<Message> {
        match event {
            // It may be the rest of a message of which the beginning was dropped.
            Event::TextPart { .. } | Event::BinaryPart { .. } if self.discards => None,
            Event::TextPart { part, fin } => {
                self.collected.extend_from_slice(part.as_bytes());
                let text = |bytes| Message::text(String::from_utf8(bytes).expect("text stays text"));
                fin.then(|| text(std::mem::take(&mut self.collected)))
            }
            Event::BinaryPart { part, fin } => {
                self.collected.extend_from_slice(&part);
                fin.then(|| Message::binary(std::mem::take(&mut self.collected)))
            }
            event => event.into_message(),
        }
    }
}

impl Books {
    /// An end has read a message.
    pub(crate) fn arrived(&mut self, end: usize, message: &Message) {
        assert!(!self.ends[end].is_over, "a message after the end");
        self.ends[1 - end].flow.arrive(message);
    }

    /// Whether both ends only read: who could have closed was dropped.
    pub(crate) fn nobody_closes(&self) -> bool {
        self.is_rude && self.ends.iter().all(|end| end.closing.is_none())
    }

    /// Panics if nothing that happened explains an error.
    pub(crate) fn explain(&mut self, end: usize, faults: &Faults, disturbed: bool, error: &Error) {
        let is_over = |end: &End| end.closing.is_some() || end.failed || end.limits.gives_up();
        let is_over = disturbed || self.is_rude || self.ends.iter().any(is_over);
        let End { limits, opened, closing, unfinished, failed, .. } = &mut self.ends[end];
        let passed = |since: Instant, time: Duration| Wire::now() >= since + time;
        let explained = match error {
            Error::Io(error) => faults.kinds.contains(&error.kind()),
            Error::Protocol(ProtocolError::UnexpectedEof)
            | Error::Handshake(HandshakeError::UnexpectedEof) => faults.saw_eof,
            Error::Protocol(ProtocolError::PongTimeout) => {
                limits.keepalive.is_some_and(|alive| passed(*opened, alive.interval + alive.timeout))
            }
            Error::Protocol(ProtocolError::MessageTimeout) => {
                limits.message_timeout.is_some_and(|time| passed(*opened, time))
            }
            Error::Protocol(ProtocolError::CloseTimeout) => {
                closing.is_some_and(|since| passed(since, limits.close_timeout))
            }
            Error::Handshake(HandshakeError::Timeout) => passed(*opened, limits.handshake_timeout),
            Error::Send(SendError::FragmentedMessage) => unfinished.is_some(),
            Error::Send(SendError::Closed) | Error::Closed => is_over,
            _ => false,
        };
        assert!(explained, "nothing explains {error:?}");
        *failed |= !matches!(error, Error::Send(_));
    }
}
