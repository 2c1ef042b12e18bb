//! What the deadlines of one end must and must not do.
//!
//! It is told less than the connection knows, so it has two bounds: a deadline that must not have passed yet, and one
//! that must have.

use super::terms::Terms;
use super::wire::Unit;
use std::time::{Duration, Instant};

/// What the end has heard and said, and when.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// When the time was first told since the last byte was read,
    alive: Option<Instant>,
    /// or since the last byte was read or written.
    quiet: Option<Instant>,
    /// The keepalive's ping that is not answered.
    ping: Option<Ping>,
    /// How many of those were queued.
    pub(super) pings: usize,
    /// When a part of a message was last read.
    data_read: Option<Instant>,
    /// When something that stood before the ping was last written.
    taken: Option<Instant>,
    message: Option<Begun>,
    /// When the time was first told in the closing handshake.
    closing: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Ping {
    at: Instant,
    /// It leaves no sooner than so many bytes are written.
    turn: u64,
    /// The application has pinged since. §5.5.3: the peer "MAY elect to send a Pong frame for only the most recently
    /// processed Ping frame."
    is_superseded: bool,
}

/// A message of which a part was read.
#[derive(Clone, Copy, Debug)]
struct Begun {
    start: u64,
    first_read: Instant,
    /// When the time was first told after all that had come was polled.
    noticed: Option<Instant>,
}

/// The end was told the time, and this came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    pub(super) now: Instant,
    pub(super) next: Option<Instant>,
    pub(super) is_polled: bool,
    pub(super) was_open: bool,
    pub(super) is_open: bool,
    pub(super) wants_shutdown: bool,
    /// How many bytes had been written, and how many waited, before; and how many wait now.
    pub(super) written: u64,
    pub(super) waited: usize,
    pub(super) waits: usize,
}

impl Watch {
    /// Bytes have been read; of this unit a part is missing.
    pub(super) fn read(&mut self, now: Instant, has_data: bool, unit: Option<Unit>) {
        (self.alive, self.quiet) = (None, None);
        if has_data {
            self.data_read = Some(now);
        }
        self.message = unit.map(|unit| match self.message {
            Some(begun) if begun.start == unit.start => begun,
            _ => Begun { start: unit.start, first_read: now, noticed: None },
        });
    }

    /// Bytes are written, behind so many that were before.
    pub(super) fn wrote(&mut self, now: Instant, written: u64) {
        self.quiet = None;
        if self.ping.is_some_and(|ping| written < ping.turn) {
            self.taken = Some(now);
        }
    }

    /// A pong was seen, which has the payload of the keepalive's ping, or not.
    pub(super) fn ponged(&mut self, answers: bool) {
        self.ping = self.ping.filter(|ping| !(answers || ping.is_superseded));
    }

    /// The application has pinged.
    pub(super) fn pinged(&mut self) {
        if let Some(ping) = &mut self.ping {
            ping.is_superseded = true;
        }
    }

    /// The time is told while it is not open.
    pub(super) fn closes(&mut self, now: Instant) {
        self.closing.get_or_insert(now);
    }

    /// Holds what came of it against both bounds; says whether the closing handshake has taken long enough.
    pub(super) fn told(&mut self, told: Told, terms: &Terms) -> bool {
        let now = told.now;
        let alive = *self.alive.get_or_insert(now);
        let quiet = *self.quiet.get_or_insert(now);
        if let Some(begun) = &mut self.message
            && told.is_polled
        {
            begun.noticed.get_or_insert(now);
        }
        if told.was_open {
            self.told_while_open(told, terms, alive, quiet);
        }
        if told.is_open {
            for latest in self.latest(terms) {
                assert!(told.next.is_some_and(|next| next <= latest), "a deadline was not named");
            }
            let holds_back = !told.is_polled;
            assert!(
                holds_back || told.next.is_none_or(|next| next > now),
                "a deadline that has passed was named again"
            );
            false
        } else {
            let deadline = self.closing.unwrap_or(now) + terms.close_timeout;
            if now >= deadline {
                assert!(
                    told.wants_shutdown && told.waits == 0,
                    "the closing handshake goes on beyond its deadline"
                );
            } else if !told.wants_shutdown {
                assert_eq!(told.next, Some(deadline), "the deadline of the closing handshake");
            }
            now >= deadline
        }
    }

    fn told_while_open(&mut self, told: Told, terms: &Terms, alive: Instant, quiet: Instant) {
        let now = told.now;
        let past = |since: Instant, time: Duration| now >= since + time;
        let message = self.message.and_then(|begun| begun.noticed).zip(terms.message_timeout);
        let message_is_late = told.is_polled && message.is_some_and(|(since, timeout)| past(since, timeout));
        assert!(!(message_is_late && told.is_open), "a message may take for ever");

        let Some(keepalive) = terms.keepalive else {
            return assert!(
                !told.is_open || told.waits == told.waited,
                "something was queued when the time was told"
            );
        };
        match self.ping {
            Some(ping) => {
                let is_late = told.is_polled && past(quiet.max(ping.at), keepalive.timeout);
                assert!(!(is_late && told.is_open), "a dead peer is kept for ever");
                assert!(!told.is_open || told.waits == told.waited, "pinged again");
            }
            None if told.is_open => {
                let pinged = told.waits > told.waited;
                assert_eq!(pinged, past(alive, keepalive.interval), "a ping leaves when the peer was silent");
                if pinged {
                    self.pings += 1;
                    let turn = (told.written + told.waited as u64).saturating_sub(131);
                    self.ping = Some(Ping { at: now, turn, is_superseded: false });
                    (self.data_read, self.taken) = (None, None);
                }
            }
            None => {}
        }
    }

    /// Instants of which none may pass without the connection being told.
    fn latest(&self, terms: &Terms) -> impl Iterator<Item = Instant> {
        let message = self.message.and_then(|begun| Some(begun.noticed? + terms.message_timeout?));
        let keepalive = terms.keepalive.and_then(|keepalive| match self.ping {
            Some(ping) => Some(self.quiet?.max(ping.at) + keepalive.timeout),
            None => Some(self.alive? + keepalive.interval),
        });
        [message, keepalive].into_iter().flatten()
    }

    /// The connection says now that a message came too late.
    pub(super) fn explain_message_timeout(&self, now: Instant, terms: &Terms, is_forged: bool) {
        let timeout = terms.message_timeout.expect("no such timeout was set");
        let is_late = self.message.is_some_and(|begun| now >= begun.first_read + timeout);
        assert!(is_late || is_forged, "the message was in time: {:?}", self.message);
    }

    /// It says now that its ping was not answered.
    pub(super) fn explain_pong_timeout(&self, now: Instant, terms: &Terms, is_forged: bool) {
        let timeout = terms.keepalive.expect("no keepalive was set").timeout;
        let ping = self.ping.expect("a ping that was not sent, or was answered");
        assert!(now >= ping.at + timeout, "the pong has time");
        for (heard, how) in [(self.data_read, "sends"), (self.taken, "reads")] {
            assert!(is_forged || heard.is_none_or(|at| now >= at + timeout), "the peer {how}");
        }
    }

    /// It says now that the Close frame was not answered.
    pub(super) fn explain_close_timeout(&self, now: Instant, terms: &Terms) {
        let closing = self.closing.expect("the closing handshake has not begun");
        assert!(now >= closing + terms.close_timeout, "the answer to the Close frame has time");
    }
}
