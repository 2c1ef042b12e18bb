use super::terms::Terms;
use super::watch::Watch;
use crate::support::choices::Choices;
use crate::support::end::Seen;
use crate::support::heap;
use sansocket::{Agreement, CloseCode, CloseFrame, CloseInfo, Connection, ProtocolError, Role, State};
use std::time::Instant;

/// One end, and what it has shown.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) connection: Connection,
    pub(super) terms: Terms,
    pub(super) watch: Watch,
    /// When it wants to be told the time.
    pub(super) deadline: Option<Instant>,
    /// Nothing has come since it last said that it has no event.
    pub(super) is_polled: bool,
    pub(super) at_eof: bool,
    /// How many bytes have come since.
    pub(super) unpolled: usize,
    /// The most there ever were.
    pub(super) most_unpolled: usize,
    /// How many bytes it has written.
    pub(super) written: u64,
    /// It does not wait for the end of the stream: it cannot write, or time is up, or the peer is gone.
    pub(super) gives_up: bool,
    /// What ended its events.
    pub(super) ending: Option<Ending>,
    /// The application has closed it, before it saw that the peer did.
    pub(super) closes: bool,
    /// The parts of a text, or of another message, that has not ended.
    pub(super) begun: Option<(bool, Vec<u8>)>,
    shown: Shown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Close,
    Error(ProtocolError),
}

/// What never goes back.
#[derive(Debug, Default)]
struct Shown {
    is_closing: bool,
    is_closed: bool,
    wants_shutdown: bool,
    close_info: Option<CloseInfo>,
    /// The most that ever waited to be written.
    most_waiting: usize,
}

impl Peer {
    pub(super) fn new(terms: Terms, agreement: Agreement, choices: &mut Choices<'_>) -> Self {
        let seed = [u8::try_from(choices.below(256)).unwrap(); 32];
        Self {
            connection: Connection::with_seed(terms.role, terms.config(), agreement, seed),
            terms,
            watch: Watch::default(),
            deadline: None,
            is_polled: true,
            at_eof: false,
            unpolled: 0,
            most_unpolled: 0,
            written: 0,
            gives_up: false,
            ending: None,
            closes: false,
            begun: None,
            shown: Shown::default(),
        }
    }

    /// Whether messages can be sent.
    pub(super) fn is_open(&self) -> bool {
        self.connection.close_info().is_none()
    }

    /// What its Close frame says, if it has queued one.
    pub(super) fn close_frame(&self) -> Option<Seen> {
        let sent = &self.connection.close_info()?.sent;
        (sent.code != CloseCode::ABNORMAL).then(|| Seen::Close(said(sent)))
    }

    /// Takes an event as it is shown: parts are joined. `None`: the message goes on.
    pub(super) fn see(&mut self, seen: Seen) -> Option<Seen> {
        assert_eq!(self.ending, None, "an event behind the last");
        let (is_text, part, fin) = match seen {
            Seen::TextPart(part, fin) => (true, part.into_bytes(), fin),
            Seen::BinaryPart(part, fin) => (false, part, fin),
            seen => {
                let is_message = matches!(seen, Seen::Text(_) | Seen::Binary(_));
                assert!(!(is_message && self.terms.streaming), "a whole message in the streaming mode");
                self.check_limits(&seen);
                return Some(seen);
            }
        };
        assert!(self.terms.streaming, "a part of a message, and nobody asked for it");
        assert!(fin || !part.is_empty(), "an empty part that is not the last");
        // What was handed over at once may be lent at once.
        assert!(part.len() <= self.unpolled.max(65 << 10), "a part of {} bytes", part.len());
        let begun = self.begun.get_or_insert((is_text, Vec::new()));
        assert_eq!(begun.0, is_text, "parts of two types");
        begun.1.extend(part);
        if !fin {
            return None;
        }
        let (_, whole) = self.begun.take()?;
        let seen = match is_text {
            true => Seen::Text(String::from_utf8(whole).unwrap()),
            false => Seen::Binary(whole),
        };
        self.check_limits(&seen);
        Some(seen)
    }

    fn check_limits(&self, seen: &Seen) {
        let (is_text, len) = match seen {
            Seen::Text(text) => (true, text.len()),
            Seen::Binary(bytes) => (false, bytes.len()),
            _ => return,
        };
        assert!(len as u64 <= self.terms.max_message, "a message of {len} bytes");
        assert_ne!(self.terms.refuses_text, Some(is_text), "a message of a type that is refused");
    }

    /// Holds what it shows against what it has shown before; `largest` is what its largest message takes.
    pub(super) fn check(&mut self, largest: usize) {
        let Self { connection, terms, shown, at_eof, gives_up, is_polled, .. } = self;
        let role = terms.role;
        let state = connection.state();
        assert!(!shown.is_closing || state != State::Open, "{role:?} is open again");
        assert!(!shown.is_closed || state == State::Closed, "{role:?} is no longer closed");
        (shown.is_closing, shown.is_closed) = (state != State::Open, state == State::Closed);

        let wants_shutdown = connection.wants_shutdown();
        assert!(wants_shutdown || !shown.wants_shutdown, "{role:?} wants no shutdown any more");
        shown.wants_shutdown = wants_shutdown;
        // §7.1.1: "the server MUST close the connection first", and a client waits until it does.
        let is_first = role == Role::Server || *at_eof || *gives_up;
        assert!(is_first || !wants_shutdown, "{role:?} does not wait for the server");
        assert!(
            !is_first || wants_shutdown || !shown.is_closed,
            "{role:?} is closed, and shuts nothing down"
        );

        let waits = connection.buffered_amount();
        shown.most_waiting = shown.most_waiting.max(waits);
        assert!(
            waits == 0 || !(wants_shutdown || state == State::Closed),
            "{role:?} is done, and wants to write"
        );
        let room = terms.high_water_mark + largest + CONTROL;
        assert!(waits <= room, "{role:?} holds {waits} bytes that wait to be written, more than {room}");

        let info = connection.close_info();
        match info {
            // What has come may be known to be the end, before it is polled.
            None => assert!(
                state == State::Open || *at_eof || !*is_polled,
                "{role:?} is closing, and says nothing of it"
            ),
            Some(_) => assert_ne!(state, State::Open, "{role:?} is open, and says how it ends"),
        }
        if shown.close_info.as_ref() == info {
            return;
        }
        let (Some(info), before) = (info, &mut shown.close_info) else {
            panic!("{role:?} has forgotten how it ended")
        };
        if let Some(before) = before {
            assert!(before.first.is_none() || before.first == info.first, "{role:?}: {before:?}, {info:?}");
            let is_lost = info.sent.code == CloseCode::ABNORMAL;
            assert!(is_lost || before.sent == info.sent, "{role:?}: {before:?}, {info:?}");
            let was_unknown = before.received.code == CloseCode::ABNORMAL;
            assert!(was_unknown || before.received == info.received, "{role:?}: {before:?}, {info:?}");
        }
        *before = Some(info.clone());
    }
}

impl Peer {
    /// The end goes away: holds what it has held, in bytes, against what it may have. `largest` is the largest message of
    /// which a part may have come, and no more than `read` bytes have.
    pub(super) fn go(self, largest: u64, read: u64) {
        let Self { connection, terms, most_unpolled, shown, .. } = self;
        let before = heap::live();
        drop(connection);
        let held = before.saturating_sub(heap::live());
        // What was handed over at once is held until it is polled, and its storage until the next is read.
        let input = (65 << 10) + 2 * most_unpolled;
        // Storage doubles, but no more than three bytes are allocated for each that has come; if it is compressed, four
        // for each before it is decompressed.
        let message = if terms.is_deflated { 5 * largest } else { (4 * read).min(2 * largest) };
        let message = usize::try_from(message).unwrap();
        // The output's storage doubles too, and the first half of what it holds may have been written.
        let output = (4 * (shown.most_waiting + CONTROL)).max(4 << 10);
        // A compressor, a decompressor, and what the next message may refer to.
        let codecs = if terms.is_deflated { (372 + 47 + 32) << 10 } else { 0 };
        let most = input + message + output + codecs + 1024;
        assert!(held <= most, "{:?} held {held} bytes, more than {most}", terms.role);
    }
}

/// What control frames may take beside messages: one that crosses the mark, a pong that is owed, a Close frame, and
/// the keepalive's ping.
const CONTROL: usize = 3 * 131 + 14;

/// What a Close frame said, as an event shows it.
pub(super) fn said(frame: &CloseFrame) -> Option<(u16, String)> {
    (frame.code != CloseCode::NO_STATUS).then(|| (frame.code.as_u16(), frame.reason.as_str().to_owned()))
}
