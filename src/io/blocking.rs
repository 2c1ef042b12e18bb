//! The blocking front end: [`connect`], [`accept`] and a [`WebSocket`] over any [`Read`] and [`Write`].
//!
//! # Threads
//!
//! A blocking call can do one thing at a time. An echo, or a client that asks and waits, is a single
//! loop over [`read`](WebSocket::read) and [`send`](WebSocket::send). Where both ends send when they
//! like, [`split`](WebSocket::split) the connection for two threads.
//!
//! # Time
//!
//! Over TCP, with [`connect`], [`accept`], [`Handshake::tcp`] and [`WebSocket::client_tcp`], the deadlines
//! of [`Config`](crate::Config) hold by themselves: the handshake's, the closing handshake's, the
//! keepalive's. A timeout set on the socket itself
//! ([`TcpStream::set_read_timeout`]) ends a `read` early, with
//! [`WouldBlock`](std::io::ErrorKind::WouldBlock); nothing is lost, so call again. Over any other stream deadlines are looked at
//! whenever the stream returns.
//!
//! # Non-blocking streams
//!
//! A call that would block returns [`WouldBlock`](std::io::ErrorKind::WouldBlock); what it was about to do goes on with the next
//! call.

mod dial;
mod stream;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod tls;

use super::connect::Connect;
use super::driver::Driver;
use super::opening::Opening;
use super::transport::{Std, Transport};
use crate::Config;
use crate::connection::{Agreement, CloseInfo, Connection, Event, Sender, State};
use crate::error::{Error, HandshakeError, SendError};
use crate::frame::CloseFrame;
use crate::handshake::negotiate::Answer;
use crate::handshake::{Rejection, client, server};
use crate::message::{Message, Outgoing, PreparedMessage};
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

pub use super::split::{Reader, Writer};
pub use super::transport::TryClone;
pub use stream::Stream;

/// Connects to a URL: `ws://`, or `wss://` with a feature for TLS.
///
/// ```no_run
/// let mut ws = sansocket::blocking::connect("ws://127.0.0.1:9001/chat")?;
/// ws.send("hello")?;
/// while let Some(message) = ws.read()? {
///     println!("{message:?}");
/// }
/// # Ok::<(), sansocket::Error>(())
/// ```
///
/// A [`client::Request`] adds subprotocols, headers and an origin; a [`Connect`] has every option, such as a
/// [`Config`].
///
/// # Errors
/// The URL or a header is wrong, the server cannot be reached or refuses, or
/// [`handshake_timeout`](Config::handshake_timeout) is over. `wss://` is
/// [unsupported](io::ErrorKind::Unsupported) without the features `rustls` and `native-tls`.
pub fn connect<C>(to: C) -> Result<WebSocket<Stream>, Error>
where
    C: TryInto<Connect>,
    HandshakeError: From<C::Error>,
{
    let connect = to.try_into().map_err(HandshakeError::from)?;
    let deadline = deadline(connect.timeout());
    let stream = dial::dial(&connect, deadline)?;
    WebSocket::open(Opening::new(Std::socket(stream), connect.into_handshake()?, deadline))
}

/// Accepts a client on a TCP connection, with the default [`Options`](server::Options).
///
/// ```no_run
/// use std::{net::TcpListener, thread};
///
/// for stream in TcpListener::bind("127.0.0.1:9001")?.incoming() {
///     let stream = stream?;
///     thread::spawn(move || -> Result<(), sansocket::Error> {
///         let mut ws = sansocket::blocking::accept(stream)?;
///         while let Some(message) = ws.read()? {
///             ws.send(message)?;
///         }
///         Ok(())
///     });
/// }
/// # Ok::<(), sansocket::Error>(())
/// ```
///
/// # Errors
/// The client sent no valid opening handshake, and was told so; or it took too long.
pub fn accept(stream: TcpStream) -> Result<WebSocket<TcpStream>, Error> {
    accept_with(stream, server::Options::new())
}

/// Accepts a client on a TCP connection with these options: subprotocols, origins, a [`Config`].
///
/// # Errors
/// As for [`accept`].
pub fn accept_with(
    stream: TcpStream,
    options: impl Into<Arc<server::Options>>,
) -> Result<WebSocket<TcpStream>, Error> {
    let mut handshake = Handshake::tcp(stream, options)?;
    handshake.read()?;
    handshake.accept()
}

/// A server's opening handshake in two steps: [`read`](Self::read) the request and look at it, then
/// [`accept`](Self::accept) or [`reject`](Self::reject) it.
///
/// ```no_run
/// use sansocket::handshake::{Rejection, server};
/// use sansocket::{blocking, http::StatusCode};
/// # let stream = std::net::TcpStream::connect("127.0.0.1:9001")?;
///
/// let mut handshake = blocking::Handshake::tcp(stream, server::Options::new())?;
/// let allowed = handshake.read()?.headers().contains_key("authorization");
/// if !allowed {
///     return Err(handshake.reject(Rejection::new(StatusCode::UNAUTHORIZED)?));
/// }
/// let ws = handshake.accept()?;
/// # Ok::<(), sansocket::Error>(())
/// ```
#[derive(Debug)]
pub struct Handshake<S> {
    opening: Opening<Std<S>, server::Handshake>,
}

impl Handshake<TcpStream> {
    /// Waits for a request on a TCP connection, on which it sets `TCP_NODELAY`.
    ///
    /// # Errors
    /// The socket refuses that option.
    pub fn tcp(stream: TcpStream, options: impl Into<Arc<server::Options>>) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self::over(Std::tcp(stream), options))
    }
}

impl<S: Read + Write> Handshake<S> {
    /// Waits for a request on any stream. The deadline is looked at whenever the stream returns.
    pub fn new(stream: S, options: impl Into<Arc<server::Options>>) -> Self {
        Self::over(Std::new(stream), options)
    }

    fn over(transport: Std<S>, options: impl Into<Arc<server::Options>>) -> Self {
        let handshake = server::Handshake::new(options);
        let deadline = deadline(handshake.timeout());
        Self { opening: Opening::new(transport, handshake, deadline) }
    }

    /// Waits for the request. It may be called again after it, and after
    /// [`WouldBlock`](io::ErrorKind::WouldBlock).
    ///
    /// # Errors
    /// [`Rejected`](HandshakeError::Rejected): the request is no opening handshake, and the client was
    /// told so. [`Timeout`](HandshakeError::Timeout), [`UnexpectedEof`](HandshakeError::UnexpectedEof).
    pub fn read(&mut self) -> Result<&http::Request<()>, Error> {
        self.opening.transport.begin();
        block(|cx| self.opening.poll(cx))?;
        self.opening.handshake.request().ok_or(Error::Handshake(HandshakeError::OutOfOrder))
    }

    /// The handshake itself: the request, and what it offers.
    pub fn server(&self) -> &server::Handshake {
        &self.opening.handshake
    }

    /// Accepts the request. The response leaves with the first flush, at the latest when the connection
    /// first waits for input.
    ///
    /// # Errors
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): it has not been read.
    pub fn accept(self) -> Result<WebSocket<S>, Error> {
        let answer = self.opening.handshake.answer();
        self.accept_with(answer)
    }

    /// Accepts the request with a subprotocol and headers of one's own choice.
    ///
    /// # Errors
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): it has not been read. A subprotocol that the client
    /// did not offer.
    pub fn accept_with(mut self, answer: Answer) -> Result<WebSocket<S>, Error> {
        let (connection, _) = self.opening.handshake.accept_with(answer)?;
        let mut ws = WebSocket { driver: Driver::new(self.opening.transport, connection) };
        ws.flush_unless_blocked()?;
        Ok(ws)
    }

    /// Refuses the request with this response, and closes the stream. What it returns is
    /// [`Rejected`](HandshakeError::Rejected), or what kept the response from leaving.
    pub fn reject(mut self, rejection: Rejection) -> Error {
        let deadline = deadline(self.opening.handshake.timeout());
        let error = self.opening.handshake.reject(rejection);
        self.opening.fail(error, deadline);
        block(|cx| self.opening.poll(cx)).err().unwrap_or(Error::Closed)
    }
}

/// A WebSocket connection over a blocking stream.
///
/// Dropping it closes the stream and nothing else; [`close`](Self::close) says goodbye.
#[derive(Debug)]
pub struct WebSocket<S> {
    driver: Driver<Std<S>>,
}

impl WebSocket<TcpStream> {
    /// Runs the opening handshake of a client over a TCP connection that was made elsewhere, such as
    /// through a proxy. The deadlines hold, as with [`connect`].
    ///
    /// # Errors
    /// As for [`connect`].
    pub fn client_tcp(stream: TcpStream, request: client::Request, config: Config) -> Result<Self, Error> {
        let deadline = deadline(config.handshake_timeout);
        let handshake = client::Handshake::new(request, config)?;
        Self::open(Opening::new(Std::tcp(stream), handshake, deadline))
    }
}

impl<S: Read + Write> WebSocket<S> {
    /// Runs the opening handshake of a client over any stream, such as one with TLS. Deadlines are looked at
    /// whenever the stream returns; for TCP there is [`client_tcp`](Self::client_tcp).
    ///
    /// # Errors
    /// As for [`connect`]. A non-blocking stream fails with [`WouldBlock`](io::ErrorKind::WouldBlock):
    /// make it blocking for the handshake.
    pub fn client(stream: S, request: client::Request, config: Config) -> Result<Self, Error> {
        let deadline = deadline(config.handshake_timeout);
        let handshake = client::Handshake::new(request, config)?;
        Self::open(Opening::new(Std::new(stream), handshake, deadline))
    }

    /// A connection whose opening handshake was made elsewhere; see
    /// [`handshake`](crate::handshake). The connection's output may begin with a response. Deadlines are
    /// looked at whenever the stream returns.
    pub fn from_connection(stream: S, connection: Connection) -> Self {
        Self { driver: Driver::new(Std::new(stream), connection) }
    }

    fn open(mut opening: Opening<Std<S>, client::Handshake>) -> Result<Self, Error> {
        block(|cx| opening.poll(cx))?;
        let (connection, _) = opening.handshake.open()?;
        Ok(Self { driver: Driver::new(opening.transport, connection) })
    }

    /// The next message. `None`: the peer has closed the connection; [`close_info`](Self::close_info) says how,
    /// and whether all of ours has left.
    ///
    /// Pings are answered, and what is queued leaves before this waits for input.
    ///
    /// # Errors
    /// What ended the connection, once; then [`Closed`](Error::Closed). Not final is
    /// [`WouldBlock`](io::ErrorKind::WouldBlock). [`Streaming`](Error::Streaming) if the
    /// [`streaming`](Config::streaming) mode is on: use [`read_with`](Self::read_with).
    #[inline]
    pub fn read(&mut self) -> Result<Option<Message>, Error> {
        self.driver.transport.begin();
        block(|cx| self.driver.poll_message(cx))
    }

    /// Lends the next event to `f`, and the sending half beside it: nothing is copied. Pings and pongs
    /// are events too. `None`: the peer has closed the connection, as with [`read`](Self::read).
    ///
    /// ```no_run
    /// # let mut ws = sansocket::blocking::connect("ws://127.0.0.1:9001")?;
    /// use sansocket::Event;
    ///
    /// while ws.read_with(|event, sender| match event {
    ///     Event::Text(text) => sender.send(text),
    ///     Event::Binary(payload) => sender.send(payload),
    ///     _ => Ok(()),
    /// })?.transpose()?.is_some() {}
    /// # Ok::<(), sansocket::Error>(())
    /// ```
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    #[inline(always)]
    pub fn read_with<R>(&mut self, f: impl FnOnce(Event<'_>, &mut Sender) -> R) -> Result<Option<R>, Error> {
        self.driver.transport.begin();
        loop {
            let Some(descriptor) = block(|cx| self.driver.poll_next(cx))? else { return Ok(None) };
            if let Some((event, sender)) = self.driver.lend(descriptor) {
                return Ok(Some(f(event, sender)));
            }
        }
    }

    /// Sends a message: [`feed`](Self::feed), then [`flush`](Self::flush).
    ///
    /// # Errors
    /// The connection is closing or closed, or a fragmented message is unfinished: then nothing is sent.
    /// On a non-blocking stream, [`WouldBlock`](io::ErrorKind::WouldBlock) says that the queue is full
    /// and the message was not taken; what was taken and cannot leave yet is no error.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.driver.transport.begin();
        let mut message = Some(message.into());
        block(|cx| self.driver.poll_send(cx, &mut message))?;
        self.flush_unless_blocked()
    }

    /// Queues a message. It leaves with the next [`flush`](Self::flush), at the latest when
    /// [`read`](Self::read) waits for input: so a loop that feeds answers a burst with one write. A full
    /// queue is flushed first.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    #[inline]
    pub fn feed<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.queue(|sender| sender.send(message))
    }

    /// Sends a message that was framed before.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.queue(|sender| sender.send_prepared(message))?;
        self.flush_unless_blocked()
    }

    /// Sends a part of a message, which ends with the part that says `fin`: see
    /// [`Sender::send_fragment`].
    ///
    /// # Errors
    /// As for [`send`](Self::send); and if the parts are not all text or all binary.
    pub fn send_fragment<'m>(&mut self, part: impl Into<Outgoing<'m>>, fin: bool) -> Result<(), Error> {
        self.queue(|sender| sender.send_fragment(part, fin))?;
        self.flush_unless_blocked()
    }

    /// Sends a ping of at most 125 bytes. The pong that answers it is an event of
    /// [`read_with`](Self::read_with).
    ///
    /// # Errors
    /// As for [`send`](Self::send); and if the payload is longer.
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue(|sender| sender.ping(payload))?;
        self.flush_unless_blocked()
    }

    /// Writes all that is queued.
    ///
    /// # Errors
    /// Writing failed; what the peer has sent can still be read. On a non-blocking stream
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): call again, or read.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.driver.transport.begin();
        block(|cx| self.driver.poll_flush(cx))
    }

    /// Closes the connection: sends a Close frame (a [`CloseFrame`], or `None` for one that says
    /// nothing), waits for the peer's up to [`close_timeout`](Config::close_timeout), and says how it
    /// went. Messages that come until then are dropped.
    ///
    /// # Errors
    /// The code or reason cannot be sent: the connection then goes on. What ended the connection
    /// otherwise. On a non-blocking stream, or one with a timeout of its own,
    /// [`WouldBlock`](io::ErrorKind::WouldBlock): call again.
    pub fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<CloseInfo, Error> {
        self.driver.transport.begin();
        self.driver.start_close(frame.into())?;
        block(|cx| self.driver.poll_close(cx))?;
        self.close_info().cloned().ok_or(Error::Closed)
    }

    /// How far the connection has come.
    pub fn state(&self) -> State {
        self.driver.connection.state()
    }

    /// How the connection ended or is ending; `None` while it is open.
    pub fn close_info(&self) -> Option<&CloseInfo> {
        self.driver.connection.close_info()
    }

    /// How many bytes wait to be written: frames, headers included.
    pub fn buffered_amount(&self) -> usize {
        self.driver.connection.buffered_amount()
    }

    /// The subprotocol that the opening handshake agreed on.
    pub fn protocol(&self) -> Option<&str> {
        self.driver.connection.protocol()
    }

    /// The extensions that the opening handshake agreed on; empty if none.
    pub fn extensions(&self) -> &str {
        self.driver.connection.extensions()
    }

    /// What the opening handshake agreed on.
    pub fn agreement(&self) -> &Agreement {
        self.driver.connection.agreement()
    }

    /// The time between the last keepalive ping and its pong; `None` before the first.
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.driver.connection.round_trip_time()
    }

    /// Gives memory back that an idle connection does not need: see [`Connection::release_buffers`]. What
    /// compresses and decompresses stays with the thread, for the next connection that it serves.
    pub fn release_buffers(&mut self) {
        self.driver.connection.release_buffers();
    }

    /// The stream, to set its timeouts or ask for its addresses.
    pub fn get_ref(&self) -> &S {
        self.driver.transport.get_ref()
    }

    /// The stream. Reading or writing it tears frames.
    pub fn get_mut(&mut self) -> &mut S {
        self.driver.transport.get_mut()
    }

    /// The stream and the connection, which holds what was read and not yet polled, and what waits to
    /// be written.
    pub fn into_parts(self) -> (S, Connection) {
        (self.driver.transport.into_inner(), self.driver.connection)
    }

    /// Splits the connection for two threads: one reads while the other writes. The stream is cloned,
    /// as in [`TcpStream::try_clone`].
    ///
    /// Over TCP, and what [`connect`] makes, neither direction waits for the other. Over any other stream a
    /// write has no bound, so a reader that owes a pong waits until the peer takes it.
    ///
    /// # Errors
    /// The stream cannot be cloned. [`Unsupported`](io::ErrorKind::Unsupported) in the
    /// [`streaming`](Config::streaming) mode, whose parts are lent and cannot leave a lock.
    pub fn split(self) -> io::Result<(Reader<S>, Writer<S>)>
    where
        S: TryClone,
    {
        super::split::split(self.driver)
    }

    #[inline(always)]
    fn queue<Q>(&mut self, queue: Q) -> Result<(), Error>
    where
        Q: FnOnce(&mut Sender) -> Result<(), SendError>,
    {
        self.driver.transport.begin();
        let mut queue = Some(queue);
        block(|cx| self.driver.poll_queue(cx, &mut queue))
    }

    /// Writes what goes. On a non-blocking stream the rest leaves later.
    fn flush_unless_blocked(&mut self) -> Result<(), Error> {
        match self.driver.poll_flush(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(flushed) => flushed,
            Poll::Pending => Ok(()),
        }
    }
}

/// Polls once: a blocking stream is pending only if it would have blocked after all.
#[inline(always)]
fn block<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<Result<T, Error>>) -> Result<T, Error> {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::Error::from(io::ErrorKind::WouldBlock).into()),
    }
}

fn deadline(timeout: Duration) -> Instant {
    crate::connection::later(Instant::now(), timeout)
}
