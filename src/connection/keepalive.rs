use crate::connection::config::{Config, Keepalive};
use crate::connection::receiver::Progress;
use crate::error::ProtocolError;
use std::time::{Duration, Instant};

/// The deadlines of a connection: the keepalive's, an unfinished message's, the closing handshake's.
///
/// It knows no clock. Time comes in with [`update`](Self::update), which says what is due.
#[derive(Debug)]
pub(crate) struct Timers {
    config: TimerConfig,
    /// How many bytes and messages had come when some last did, and when that was, as far as `update` was
    /// told.
    alive: Option<(u64, u32, Instant)>,
    /// How many bytes had been written.
    written: u64,
    ping: Ping,
    /// The application has pinged since the keepalive did.
    has_pinged: bool,
    /// The unfinished message and when it was first seen.
    unfinished: Option<(u64, Instant)>,
    /// Until when the closing handshake may take.
    closing: Option<Instant>,
    round_trip: Option<Duration>,
    /// The time as it was last told.
    now: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct TimerConfig {
    keepalive: Option<Keepalive>,
    message_timeout: Option<Duration>,
    close_timeout: Duration,
}

impl TimerConfig {
    const fn any(&self) -> bool {
        self.keepalive.is_some() || self.message_timeout.is_some()
    }
}

/// The keepalive's ping. Only a pong with its payload answers it: others may be late, or made up. But if the
/// application has pinged since, any pong does. §5.5.3: "the endpoint MAY elect to send a Pong frame for only the most
/// recently processed Ping frame."
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ping {
    None,
    /// `heard` is when the peer was last found busy: sending messages, which a pong cannot overtake, or taking
    /// those that we send, which the ping cannot: its turn comes when so many bytes are written in all. (And a
    /// peer that takes them is alive while its pong may lie unread.)
    Sent {
        payload: [u8; 8],
        at: Instant,
        heard: Instant,
        turn: u64,
    },
    /// Answered since the last `update`.
    Answered {
        at: Instant,
    },
}

/// What has to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// Ping the peer; then say [`Timers::pinged`].
    Ping,
    /// The connection has failed.
    Failed(ProtocolError),
    /// The closing handshake has taken long enough: close the transport.
    Abandon,
}

impl Timers {
    /// What an open connection has to watch; `None` if that is nothing.
    pub(crate) fn of(config: &Config) -> Option<Box<Self>> {
        let &Config { keepalive, message_timeout, close_timeout, .. } = config;
        let config = TimerConfig { keepalive, message_timeout, close_timeout };
        config.any().then(|| Box::new(Self::new(config)))
    }

    /// What a closing connection has to watch.
    pub(crate) fn closing(close_timeout: Duration) -> Box<Self> {
        Box::new(Self::new(TimerConfig { keepalive: None, message_timeout: None, close_timeout }))
    }

    const fn new(config: TimerConfig) -> Self {
        Self {
            config,
            alive: None,
            written: 0,
            ping: Ping::None,
            unfinished: None,
            closing: None,
            has_pinged: false,
            round_trip: None,
            now: None,
        }
    }

    /// Whether any deadline can arise while the connection is open.
    pub(crate) const fn any(&self) -> bool {
        self.config.any()
    }

    pub(crate) const fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// A pong came, when `arrived` bytes had come in all.
    pub(crate) fn pong(&mut self, pong: &[u8], arrived: Option<u64>) {
        let Ping::Sent { payload, at, .. } = self.ping else { return };
        if payload == pong {
            // If the time was told since these bytes came, it is the time of the pong; else it will be.
            match (self.now, self.alive) {
                (Some(now), Some((told, ..))) if Some(told) == arrived => {
                    self.round_trip = Some(now.saturating_duration_since(at));
                    self.ping = Ping::None;
                }
                _ => self.ping = Ping::Answered { at },
            }
        } else if self.has_pinged {
            self.ping = Ping::None; // of no use for the round-trip time
        }
    }

    /// A keepalive ping with this payload was queued, and leaves when `turn` bytes are written in all.
    pub(crate) fn pinged(&mut self, payload: [u8; 8], at: Instant, turn: u64) {
        self.ping = Ping::Sent { payload, at, heard: at, turn };
        self.has_pinged = false;
    }

    /// The application has pinged.
    pub(crate) const fn pinged_by_application(&mut self) {
        self.has_pinged = true;
    }

    /// Takes note of the time, and says what is due. `written` bytes have been written in all.
    pub(crate) fn update(&mut self, now: Instant, progress: Progress, written: u64, closing: bool) -> Due {
        self.now = Some(now);
        if let Ping::Sent { heard, turn, .. } = &mut self.ping
            && written != self.written
            && (self.written < *turn || !progress.is_polled)
        {
            *heard = now;
        }
        self.written = written;
        if let Ping::Answered { at } = self.ping {
            self.round_trip = Some(now.saturating_duration_since(at));
            self.ping = Ping::None;
        }
        let Progress { arrived, messages, unfinished, is_polled, is_blocked } = progress;
        if self.alive.is_none_or(|(before, ..)| before != arrived) {
            let sends = self.alive.is_some_and(|(_, before, _)| before != messages);
            if let Ping::Sent { heard, .. } = &mut self.ping
                && (sends || unfinished.is_some())
            {
                *heard = now;
            }
            self.alive = Some((arrived, messages, now));
        }
        self.unfinished = match (unfinished, self.unfinished) {
            (Some(message), Some((same, since))) if message == same => Some((message, since)),
            (Some(message), _) => Some((message, now)),
            (None, _) => None,
        };
        if closing {
            let deadline = *self.closing.get_or_insert_with(|| later(now, self.config.close_timeout));
            return if now >= deadline { Due::Abandon } else { Due::Nothing };
        }
        // What was not polled yet may be the rest of the message, or the pong: whoever was slow to read it
        // must not blame the peer. The deadlines stay, so this is called again at once. But a peer that takes
        // nothing of what is written has not answered a ping either.
        let overdue = |deadline: Instant| now >= deadline && is_polled;
        if self.message_deadline().is_some_and(overdue) {
            return Due::Failed(ProtocolError::MessageTimeout);
        }
        match (self.ping, self.keepalive_deadline()) {
            (Ping::Sent { .. }, Some(deadline)) if overdue(deadline) || (is_blocked && now >= deadline) => {
                Due::Failed(ProtocolError::PongTimeout)
            }
            (Ping::None, Some(deadline)) if now >= deadline => Due::Ping,
            _ => Due::Nothing,
        }
    }

    /// When `update` should be called next.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.closing.or_else(|| self.deadlines().min())
    }

    /// The same, without what has passed and is held back.
    pub(crate) fn next_after(&self, now: Instant) -> Option<Instant> {
        self.closing.or_else(|| self.deadlines().filter(|deadline| *deadline > now).min())
    }

    fn deadlines(&self) -> impl Iterator<Item = Instant> {
        [self.message_deadline(), self.keepalive_deadline()].into_iter().flatten()
    }

    fn message_deadline(&self) -> Option<Instant> {
        let ((_, since), timeout) = self.unfinished.zip(self.config.message_timeout)?;
        Some(later(since, timeout))
    }

    /// When to ping next, or when to give up waiting for the pong.
    fn keepalive_deadline(&self) -> Option<Instant> {
        let keepalive = self.config.keepalive?;
        match self.ping {
            Ping::Sent { heard, .. } => Some(later(heard, keepalive.timeout)),
            Ping::Answered { at } => Some(at), // at once, for the round-trip time
            Ping::None => self.alive.map(|(.., at)| later(at, keepalive.interval)),
        }
    }
}

/// `Instant` arithmetic that never panics: what lies beyond the clock's range is a century away.
pub(crate) fn later(now: Instant, after: Duration) -> Instant {
    const CENTURY: Duration = Duration::from_secs(100 * 365 * 24 * 3600);
    now.checked_add(after).or_else(|| now.checked_add(CENTURY)).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn timers(config: Config) -> Box<Timers> {
        Timers::of(&config).unwrap_or_else(|| Timers::closing(config.close_timeout))
    }

    fn progress(arrived: u64, unfinished: Option<u64>) -> Progress {
        Progress { arrived, messages: 0, unfinished, is_polled: true, is_blocked: false }
    }

    #[test]
    fn a_silent_peer_is_pinged_and_given_up() {
        let start = Instant::now();
        let keepalive = Keepalive { interval: 10 * SECOND, timeout: 3 * SECOND };
        let mut timers = timers(Config::new().keepalive(keepalive));
        let idle = progress(0, None);
        assert_eq!(timers.update(start, idle, 0, false), Due::Nothing);
        assert_eq!(timers.next(), Some(start + 10 * SECOND));
        assert_eq!(timers.update(start + 10 * SECOND, idle, 0, false), Due::Ping);
        timers.pinged(*b"01234567", start + 10 * SECOND, 0);
        assert_eq!(timers.next(), Some(start + 13 * SECOND));
        timers.pong(b"another ping's", None);
        assert_eq!(
            timers.update(start + 13 * SECOND, idle, 0, false),
            Due::Failed(ProtocolError::PongTimeout)
        );
    }

    #[test]
    fn a_pong_gives_the_round_trip_and_starts_the_interval_anew() {
        let start = Instant::now();
        let mut timers =
            timers(Config::new().keepalive(Keepalive { interval: 10 * SECOND, timeout: 3 * SECOND }));
        timers.update(start, progress(0, None), 0, false);
        timers.pinged(*b"01234567", start + 10 * SECOND, 0);
        timers.pong(b"01234567", None);
        assert_eq!(timers.update(start + 12 * SECOND, progress(14, None), 0, false), Due::Nothing);
        assert_eq!(timers.round_trip(), Some(2 * SECOND));
        assert_eq!(timers.next(), Some(start + 22 * SECOND));
    }

    #[test]
    fn a_pong_may_wait_behind_the_message_that_is_being_sent() {
        let start = Instant::now();
        let mut timers =
            timers(Config::new().keepalive(Keepalive { interval: 10 * SECOND, timeout: 3 * SECOND }));
        timers.update(start, progress(0, None), 0, false);
        timers.pinged(*b"01234567", start + 10 * SECOND, 0);
        assert_eq!(timers.update(start + 12 * SECOND, progress(500, Some(0)), 0, false), Due::Nothing);
        assert_eq!(timers.next(), Some(start + 15 * SECOND));
        // A pong that answers nothing is no message.
        assert_eq!(timers.update(start + 14 * SECOND, progress(900, None), 0, false), Due::Nothing);
        assert_eq!(timers.next(), Some(start + 15 * SECOND));
    }

    #[test]
    fn a_ping_may_wait_behind_the_message_that_is_being_written() {
        let start = Instant::now();
        let mut timers =
            timers(Config::new().keepalive(Keepalive { interval: 10 * SECOND, timeout: 3 * SECOND }));
        let idle = progress(0, None);
        timers.update(start, idle, 1000, false);
        assert_eq!(timers.update(start + 10 * SECOND, idle, 1000, false), Due::Ping);
        timers.pinged(*b"01234567", start + 10 * SECOND, 5000);
        assert_eq!(timers.update(start + 13 * SECOND, idle, 3000, false), Due::Nothing);
        // It has left in the meantime.
        assert_eq!(timers.update(start + 16 * SECOND, idle, 6000, false), Due::Nothing);
        assert_eq!(timers.next(), Some(start + 19 * SECOND));
        let failed = Due::Failed(ProtocolError::PongTimeout);
        assert_eq!(timers.update(start + 19 * SECOND, idle, 9000, false), failed);
    }

    #[test]
    fn a_peer_that_takes_nothing_has_not_answered_a_ping_either() {
        let start = Instant::now();
        let mut timers =
            timers(Config::new().keepalive(Keepalive { interval: 10 * SECOND, timeout: 3 * SECOND }));
        let unread = Progress { is_polled: false, ..progress(9, None) };
        timers.update(start, unread, 0, false);
        assert_eq!(timers.update(start + 10 * SECOND, unread, 0, false), Due::Ping);
        timers.pinged(*b"01234567", start + 10 * SECOND, 5000);
        assert_eq!(timers.update(start + 13 * SECOND, unread, 0, false), Due::Nothing);
        let blocked = Progress { is_blocked: true, ..unread };
        let failed = Due::Failed(ProtocolError::PongTimeout);
        assert_eq!(timers.update(start + 13 * SECOND, blocked, 0, false), failed);
    }

    #[test]
    fn a_message_has_a_deadline_of_its_own() {
        let start = Instant::now();
        let mut timers = timers(Config::new().message_timeout(SECOND));
        assert_eq!(timers.update(start, progress(3, Some(0)), 0, false), Due::Nothing);
        assert_eq!(timers.update(start + SECOND / 2, progress(9, Some(7)), 0, false), Due::Nothing);
        assert_eq!(timers.update(start + SECOND, progress(10, Some(7)), 0, false), Due::Nothing);
        assert_eq!(
            timers.update(start + SECOND * 3 / 2, progress(11, Some(7)), 0, false),
            Due::Failed(ProtocolError::MessageTimeout)
        );
    }

    #[test]
    fn t_14_deadlines_beyond_the_clock_do_not_panic() {
        let start = Instant::now();
        let mut timers = timers(Config::new().close_timeout(Duration::MAX).message_timeout(Duration::MAX));
        assert_eq!(timers.update(start, progress(1, Some(0)), 0, false), Due::Nothing);
        assert_eq!(timers.update(start, progress(1, Some(0)), 0, true), Due::Nothing);
        assert!(timers.next().is_some());
    }

    #[test]
    fn deadlines_are_those_that_were_asked_for() {
        let keepalive = Keepalive { interval: SECOND, timeout: SECOND };
        assert!(!timers(Config::new()).any());
        assert!(timers(Config::new().keepalive(keepalive)).any());
        assert!(timers(Config::new().message_timeout(SECOND)).any());
        assert!(Timers::of(&Config::new()).is_none());
    }

    #[test]
    fn a_pong_whose_time_is_known_ends_the_ping_at_once() {
        let start = Instant::now();
        let mut timers =
            timers(Config::new().keepalive(Keepalive { interval: 10 * SECOND, timeout: 3 * SECOND }));
        timers.update(start, progress(0, None), 0, false);
        timers.pinged(*b"01234567", start + 10 * SECOND, 0);
        timers.update(start + 12 * SECOND, progress(14, None), 0, false);
        timers.pong(b"01234567", Some(14));
        assert_eq!((timers.round_trip(), timers.next()), (Some(2 * SECOND), Some(start + 22 * SECOND)));
    }

    #[test]
    fn a_deadline_that_has_passed_is_not_waited_for_again() {
        let start = Instant::now();
        let keepalive = Keepalive { interval: 10 * SECOND, timeout: 3 * SECOND };
        let mut timers = timers(Config::new().keepalive(keepalive).message_timeout(SECOND));
        timers.update(start, progress(1, Some(0)), 0, false);
        assert_eq!(timers.next(), Some(start + SECOND));
        assert_eq!(timers.next_after(start), Some(start + SECOND));
        assert_eq!(timers.next_after(start + SECOND), Some(start + 10 * SECOND));
        assert_eq!(timers.next_after(start + 10 * SECOND), None);
        timers.update(start + SECOND, progress(1, Some(0)), 0, true);
        assert_eq!(timers.next_after(start + 60 * SECOND), Some(start + 6 * SECOND), "the last one stays");
    }

    #[test]
    fn a_deadline_beyond_the_clock_is_a_century_away() {
        let now = Instant::now();
        assert_eq!(later(now, SECOND), now + SECOND);
        assert_eq!(later(now, Duration::MAX), now + 36_500 * 24 * 3600 * SECOND);
    }
}
