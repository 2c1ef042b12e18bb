//! The protocol without I/O: bytes in, events out; messages in, bytes out; time as an argument
//! ([RFC 6455 §5], §7).
//!
//! [`Connection`] is what follows the opening handshake. It owns no socket, no thread and no clock.
//!
//! [RFC 6455 §5]: https://www.rfc-editor.org/rfc/rfc6455#section-5
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod config;
mod event;
mod input;
mod keepalive;
mod kept;
mod output;
pub(crate) mod pool;
mod random;
mod receiver;
mod sender;
mod storage;
#[cfg(test)]
mod tests;

use crate::error::{Overfilled, ProtocolError, SendError};
use crate::frame::CloseFrame;
use crate::message::{Outgoing, PreparedMessage};
pub(crate) use event::{Descriptor, Kind};
#[cfg(test)]
use input::Input;
pub(crate) use keepalive::later;
use random::Random;
use receiver::Progress;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

pub use crate::frame::Role;
pub use config::{Agreement, Config, Keepalive};
pub use event::{Event, Payload, Text};
pub use output::Output;
pub use receiver::Receiver;
pub use sender::{CloseInfo, Sender};

/// One WebSocket connection after its opening handshake.
///
/// # The contract
///
/// 1. Give it [`input`](Self::input), then call [`poll_event`](Self::poll_event) until it says `None`.
/// 2. After any call, write what [`output`](Self::output) holds; when
///    [`wants_shutdown`](Self::wants_shutdown), close the transport.
/// 3. Call [`handle_timeout`](Self::handle_timeout) at the start, when `poll_event` has said `None`,
///    after [`close`](Self::close), and at the instant it last named. That instant may have passed:
///    then give it what input there is, and call at once.
///
/// After an `Err` from `poll_event` the same `Err` comes back for ever, and the Close frame that
/// reports it to the peer (1002, 1007, 1009, ...) already stands in the output.
///
/// ```
/// use sansocket::{CloseCode, Config, Connection, Event, Role};
/// use bytes::Buf;
///
/// let mut client = Connection::new(Role::Client, Config::new());
/// let mut server = Connection::new(Role::Server, Config::new());
///
/// client.send("Hello")?;                             // application -> client
/// let n = client.output().remaining();
/// server.receive(client.output().chunk());           // client -> network -> server (1)
/// client.output().advance(n);                        // (2)
///
/// while let Some(event) = server.poll_event()? {     // server -> application
///     let Event::Text(text) = event else { panic!("{event:?}") };
///     assert_eq!(&*text, "Hello");
/// }
/// # Ok::<(), sansocket::Error>(())
/// ```
#[derive(Debug)]
pub struct Connection {
    receiver: Receiver,
    sender: Sender,
    /// `None`: nothing was agreed on, as mostly.
    agreement: Option<Box<Agreement>>,
}

/// How far a connection has come: what browsers call `readyState`. (Their CONNECTING is the type
/// [`Handshake`](crate::handshake).)
///
/// ```text
///         either end sends Close, or fails the connection
///  Open ───────────────────────────────────────────────────> Closing
///    │                                                          │ both have, and it is written;
///    │ the stream ends                                          │ or time is up
///    └────────────────────────> Closed <────────────────────────┘
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// Messages flow.
    Open,
    /// The closing handshake is under way.
    Closing,
    /// It is over; nothing is sent or received any more.
    Closed,
}

impl Connection {
    /// A connection whose opening handshake agreed on nothing beyond RFC 6455.
    pub fn new(role: Role, config: Config) -> Self {
        Self::with_agreement(role, config, Agreement::new())
    }

    /// A connection as the opening handshake has agreed on it.
    pub fn with_agreement(role: Role, config: Config, agreement: Agreement) -> Self {
        Self::build(role, &config, agreement, Random::default())
    }

    /// The same, with masking keys and ping payloads that follow from a seed, so that what it does can be
    /// repeated to the byte. For tests and simulations only: §5.3 wants keys that nobody can predict.
    pub fn with_seed(role: Role, config: Config, agreement: Agreement, seed: [u8; 32]) -> Self {
        Self::build(role, &config, agreement, Random::from_seed(seed))
    }

    fn build(role: Role, config: &Config, agreement: Agreement, random: Random) -> Self {
        let receiver = Receiver::new(role, config, &agreement);
        let sender = Sender::new(role, config, &agreement, random);
        let agreement = (agreement != Agreement::new()).then(|| Box::new(agreement));
        Self { receiver, sender, agreement }
    }

    /// Where to put the next bytes from the network; then say [`filled`](Self::filled). It is empty only
    /// while 65 KiB wait for [`poll_event`](Self::poll_event).
    ///
    /// What it lends is initialised, and is either free room of the shared buffer or, while a large
    /// message is on its way, the storage of that message.
    #[inline]
    pub fn input(&mut self) -> &mut [u8] {
        self.receiver.input()
    }

    /// The first `n` bytes of [`input`](Self::input) have been filled from the network.
    ///
    /// # Errors
    /// `n` is more than it held; nothing has changed then.
    #[inline]
    pub fn filled(&mut self, n: usize) -> Result<(), Overfilled> {
        self.receiver.filled(n)
    }

    /// Takes bytes from the network, all of them. They are copied; [`input`](Self::input) saves that.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.receiver.receive(bytes);
    }

    /// The network will bring nothing more.
    pub fn receive_eof(&mut self) {
        self.receiver.receive_eof();
    }

    /// The next event; `None` if more input is needed, or if the peer has closed. A Ping or Close frame
    /// is answered before it is lent.
    ///
    /// # Errors
    /// What the peer did wrong; the same again at each further call. The Close frame that reports it
    /// stands in the output.
    #[inline(always)]
    pub fn poll_event(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        if self.receiver.has_kept()
            && let Some(descriptor) = self.take_kept()
        {
            return self.lend_kept(descriptor);
        }
        if let Some(descriptor) = self.advance_fast() {
            return self.lend(descriptor).map(|(event, _)| Some(event));
        }
        match self.advance_slowly()? {
            Some(descriptor) => self.lend(descriptor).map(|(event, _)| Some(event)),
            None => Ok(None),
        }
    }

    /// Finds the next event, and answers it if it wants an answer.
    #[inline]
    pub(crate) fn advance(&mut self) -> Result<Option<Descriptor>, ProtocolError> {
        match self.advance_fast() {
            None if self.receiver.rests() => Ok(None),
            None => self.advance_slowly(),
            found => Ok(found),
        }
    }

    /// Finds the next event if that is a matter of a few instructions: see [`Receiver::advance_fast`].
    #[inline(always)]
    pub(crate) fn advance_fast(&mut self) -> Option<Descriptor> {
        self.receiver.advance_fast()
    }

    #[cold]
    #[inline(never)]
    fn advance_slowly(&mut self) -> Result<Option<Descriptor>, ProtocolError> {
        match self.receiver.advance_slowly() {
            Ok(Some(descriptor)) if matches!(descriptor.kind, Kind::Ping | Kind::Pong | Kind::Close) => {
                let arrived = self.receiver.progress().arrived;
                match self.receiver.lend(descriptor) {
                    Ok(Event::Pong(payload)) => self.sender.answer_pong(&payload, Some(arrived)),
                    Ok(event) => self.sender.answer(&event),
                    Err(_) => {}
                }
                Ok(Some(descriptor))
            }
            Err(error) => {
                self.sender.fail(&error);
                Err(error)
            }
            found => found,
        }
    }

    /// Finds the next event, and keeps it, while the application cannot take it. A Close frame is answered when
    /// its turn comes: what the application still has to say to what came before it goes first. An error is
    /// said again.
    pub(crate) fn advance_ahead(&mut self) -> Result<bool, ProtocolError> {
        let Some(descriptor) = self.receiver.advance()? else { return Ok(false) };
        let arrived = self.receiver.progress().arrived;
        match (descriptor.kind, self.receiver.lend(descriptor)) {
            (Kind::Pong, Ok(Event::Pong(payload))) => self.sender.answer_pong(&payload, Some(arrived)),
            (Kind::Ping, Ok(Event::Ping(payload))) => self.sender.answer_ping_ahead(&payload),
            _ => {}
        }
        self.receiver.keep(descriptor);
        Ok(true)
    }

    /// The first of the events that were kept.
    #[cold]
    pub(crate) fn take_kept(&mut self) -> Option<Descriptor> {
        let descriptor = self.receiver.take_kept()?;
        if matches!(descriptor.kind, Kind::Ping | Kind::Close)
            && let Ok(event) = self.receiver.lend(descriptor)
        {
            self.sender.answer(&event);
        }
        Some(descriptor)
    }

    #[cold]
    #[inline(never)]
    fn lend_kept(&mut self, descriptor: Descriptor) -> Result<Option<Event<'_>>, ProtocolError> {
        self.lend(descriptor).map(|(event, _)| Some(event))
    }

    /// Lends the event that [`advance`](Self::advance) found, and the sending half beside it.
    #[inline(always)]
    pub(crate) fn lend(&mut self, descriptor: Descriptor) -> Result<(Event<'_>, &mut Sender), ProtocolError> {
        match self.receiver.lend(descriptor) {
            Ok(event) => Ok((event, &mut self.sender)),
            Err(error) => {
                self.sender.fail(&error);
                Err(error)
            }
        }
    }

    /// Queues a message: `&str`, `String` or [`Utf8Bytes`](crate::Utf8Bytes) as text; `&[u8]`, `Vec<u8>`
    /// or [`Bytes`](bytes::Bytes) as binary; a [`Message`](crate::Message) as what it is.
    ///
    /// # Errors
    /// After a Close frame; while a fragmented message is unfinished; at the
    /// [`high_water_mark`](Config::high_water_mark). Nothing is queued then.
    #[inline(always)]
    pub fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), SendError> {
        self.sender.send(message)
    }

    /// Queues a message that was framed before: see [`Sender::send_prepared`].
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        self.sender.send_prepared(message)
    }

    /// Queues a part of a message: see [`Sender::send_fragment`].
    ///
    /// # Errors
    /// As for [`send`](Self::send); and if the parts are not all text or all binary.
    pub fn send_fragment<'m>(&mut self, part: impl Into<Outgoing<'m>>, fin: bool) -> Result<(), SendError> {
        self.sender.send_fragment(part, fin)
    }

    /// Queues a ping of at most 125 bytes.
    ///
    /// # Errors
    /// More than that; after a Close frame; at the [`high_water_mark`](Config::high_water_mark).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.ping(payload)
    }

    /// Queues a pong that nobody asked for, of at most 125 bytes.
    ///
    /// # Errors
    /// As for [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.sender.pong(payload)
    }

    /// Begins the closing handshake: see [`Sender::close`]. Events may still come, until the peer's
    /// Close frame does.
    ///
    /// # Errors
    /// A code that must not be sent, a reason of more than 123 bytes, a second Close frame.
    pub fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<(), SendError> {
        self.sender.close(frame)
    }

    /// What has to be written to the network.
    #[inline(always)]
    pub fn output(&mut self) -> &mut Output {
        self.sender.output()
    }

    /// Whether to close the transport now: all is written, and both ends have closed (§7.1.1).
    ///
    /// A server then shuts down its writing side, reads until the stream ends so that nothing that is still
    /// under way resets the connection, and closes: §5.5.1: "The server MUST close the underlying TCP
    /// connection immediately; the client SHOULD wait for the server to close the connection". So for a
    /// client this waits for the end of the stream, or for [`close_timeout`](Config::close_timeout).
    pub fn wants_shutdown(&self) -> bool {
        self.sender.is_finished()
            && (self.role() == Role::Server || self.receiver.at_eof() || self.sender.is_abandoned())
    }

    /// Takes note of the time: pings a silent peer, gives up one that does not answer. Returns when to
    /// call again at the latest; `None` if nothing waits.
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Instant> {
        self.handle_timeout_while(false, now)
    }

    /// The same, while the application waits for the peer to take what is written, and so does not poll.
    pub(crate) fn handle_timeout_while(&mut self, is_blocked: bool, now: Instant) -> Option<Instant> {
        let progress = Progress { is_blocked, ..self.receiver.progress() };
        match self.sender.handle_timeout(now, progress) {
            Ok(next) => next,
            Err(error) => {
                self.receiver.fail(error);
                self.sender.fail(&error);
                // A connection that failed has until the close timeout to say so.
                self.sender.handle_timeout(now, self.receiver.progress()).unwrap_or_default()
            }
        }
    }

    /// How far the connection has come.
    pub fn state(&self) -> State {
        match (self.sender.is_open(), self.sender.is_finished(), self.receiver.is_finished()) {
            (true, _, false) => State::Open,
            (false, true, true) => State::Closed,
            _ => State::Closing,
        }
    }

    /// How the connection ended or is ending; `None` while it is open, and until an event or an error has told
    /// of the end.
    pub fn close_info(&self) -> Option<&CloseInfo> {
        self.sender.close_info()
    }

    /// How many bytes wait to be written: frames, headers included.
    #[inline]
    pub fn buffered_amount(&self) -> usize {
        self.sender.buffered_amount()
    }

    /// The subprotocol that the opening handshake agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.agreement().protocol()
    }

    /// The extensions that the opening handshake agreed on, as the server's `Sec-WebSocket-Extensions`
    /// lists them; empty if none.
    pub fn extensions(&self) -> &str {
        self.agreement().extensions()
    }

    /// What the opening handshake agreed on.
    pub fn agreement(&self) -> &Agreement {
        static NOTHING: LazyLock<Agreement> = LazyLock::new(Agreement::new);
        self.agreement.as_deref().unwrap_or(&NOTHING)
    }

    /// Which end this is.
    pub const fn role(&self) -> Role {
        self.sender.role()
    }

    /// The time between the last keepalive ping and its pong; `None` before the first. It is as exact
    /// as [`handle_timeout`](Self::handle_timeout) is called promptly after input.
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.sender.round_trip_time()
    }

    /// Gives back the memory that is needed only while data is under way: the receive buffer, the
    /// storage of the last message, the drained output, the compressor and the decompressor. It comes back
    /// by itself when needed. For connections that idle; see also [`return_buffers`](Self::return_buffers).
    ///
    /// What the peer's next compressed message may refer to is kept. What ours may refer to is not: it will
    /// be as large as the first one. A keepalive ping does the same for the compressor.
    pub fn release_buffers(&mut self) {
        self.receiver.take_buffer();
        self.sender.take_buffer();
        self.sender.forget();
    }

    /// Returns the receive buffer, 65 KiB, and the drained output to the others of this thread, and so the storage of the
    /// last message and the decompressor: call it before the connection waits for input. It comes back by itself when
    /// needed.
    ///
    /// This costs nanoseconds, not an allocation: the connections of a thread use the same few buffers by turns, which
    /// stay in the cache and of which up to 1 MiB is kept, and one that waits takes some hundred bytes. The front ends
    /// do so. Unlike [`release_buffers`](Self::release_buffers), it forgets nothing.
    ///
    /// ```
    /// # use sansocket::{Config, Connection, Role};
    /// # let mut server = Connection::new(Role::Server, Config::new());
    /// # let read = b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58";
    /// server.input()[..read.len()].copy_from_slice(read); // what the network had
    /// server.filled(read.len())?;
    /// while let Some(event) = server.poll_event()? {
    ///     println!("{event:?}");
    /// }
    /// // The network has nothing more.
    /// server.return_buffers();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn return_buffers(&mut self) {
        self.receiver.return_buffer();
        self.sender.return_buffer();
    }

    /// The two halves, borrowed apart: an event that the receiver lends can be sent on without a copy.
    /// What the receiver lends must be [answered](Sender::answer).
    pub fn halves(&mut self) -> (&mut Receiver, &mut Sender) {
        (&mut self.receiver, &mut self.sender)
    }

    /// The two halves, owned apart, for two threads. Then each event has to be
    /// [answered](Sender::answer), and an error [passed on](Sender::fail), by whoever holds both ends of
    /// whatever joins them.
    pub fn split(self) -> (Receiver, Sender) {
        (self.receiver, self.sender)
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due, as things stand since it was last called.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        self.sender.next_timeout()
    }

    /// How long the closing handshake may take.
    pub(crate) fn close_timeout(&self) -> Duration {
        self.sender.close_timeout()
    }

    /// Whether a deadline may be set, so that it matters what time it is.
    pub(crate) fn has_deadlines(&self) -> bool {
        self.sender.has_deadlines() || !self.sender.is_open()
    }

    /// All that several tasks may wait for: how many bytes have come in all, and whether more events may be kept;
    /// how many wait to be written, and whether more may be sent or written.
    #[cfg(any(feature = "tokio", feature = "futures"))]
    pub(crate) fn standing(&self) -> impl PartialEq + use<> {
        let Self { receiver, sender, .. } = self;
        let sending = (sender.buffered_amount(), sender.is_open(), sender.is_abandoned());
        (receiver.arrived(), receiver.keeps_more(), sending)
    }

    /// Puts bytes in front of all frames: the handshake's response.
    pub(crate) fn queue_head(&mut self, head: Vec<u8>) {
        self.sender.put_head(head);
    }
}
