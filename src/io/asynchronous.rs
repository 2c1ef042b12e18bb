//! The asynchronous front end, for whatever runtime: [`tokio`](crate::tokio) and
//! [`futures`](crate::futures) name these types for their streams, and have `connect` and `accept`.
//!
//! # Cancel safety
//!
//! No state lives in a future, so any may be dropped, such as by a `select!` or a timeout: no byte is lost,
//! doubled or torn. Each method says what has happened then.
//!
//! # Reading and writing at once
//!
//! A connection reads and writes with one task; [`split`](WebSocket::split) is for several. It is full
//! duplex all the same: while [`read`](WebSocket::read) waits, what is queued leaves, pongs included; and
//! while [`send`](WebSocket::send) waits for a network that takes nothing, it reads on and keeps what comes for
//! later: 64 events, as long as those before the last have less than 64 KiB. So two peers that both send a
//! large message and then read do not wait for each other. Where both ends send more and read little, split.
//!
//! # Time
//!
//! The deadlines of [`Config`] hold while a method is awaited, and with tokio by themselves; see
//! [`futures::with_timer`](crate::futures::with_timer) for other runtimes. While nothing is awaited nothing
//! is read, and no time passes for the peer.

use super::driver::Driver;
use super::opening::{self, Opening};
use crate::connection::{Agreement, CloseInfo, Config, Connection, Event, Sender, State, later};
use crate::error::{Error, HandshakeError, SendError};
use crate::frame::{CloseCode, CloseFrame};
use crate::handshake::negotiate::Answer;
use crate::handshake::{Rejection, client, server};
use crate::message::{Message, Outgoing, PreparedMessage};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use wakers::{Party, Wakers};

mod byte_stream;
mod message_writer;
mod split;
mod wakers;

#[cfg(feature = "futures")]
pub use super::transport::Futures;
#[cfg(feature = "tokio")]
pub use super::transport::Tokio;
pub use super::transport::Transport;
pub use byte_stream::ByteStream;
pub use message_writer::MessageWriter;
pub use split::{Reader, ReuniteError, TrySendError, Writer};

/// A server's opening handshake in two steps: [`read`](Self::read) the request and look at it, for as long
/// as it takes; then [`accept`](Self::accept) or [`reject`](Self::reject) it.
#[derive(Debug)]
pub struct Handshake<T> {
    opening: Opening<T, server::Handshake>,
}

impl<T: Transport> Handshake<T> {
    /// Waits for a request on a stream. The time that [`Config::handshake_timeout`] gives begins now.
    pub fn new(stream: impl Into<T>, options: impl Into<Arc<server::Options>>) -> Self {
        let (transport, handshake) = (stream.into(), server::Handshake::new(options));
        let deadline = later(transport.now(), handshake.timeout());
        Self { opening: Opening::new(transport, handshake, deadline) }
    }

    /// Waits for the request. It may be called again after it.
    ///
    /// Cancel-safe: what has come is kept; call again.
    ///
    /// # Errors
    /// [`Rejected`](HandshakeError::Rejected): the request is no opening handshake, and the client was
    /// told so. [`Timeout`](HandshakeError::Timeout), [`UnexpectedEof`](HandshakeError::UnexpectedEof).
    pub async fn read(&mut self) -> Result<&http::Request<()>, Error> {
        poll_fn(|cx| self.opening.poll(cx)).await?;
        self.opening.handshake.request().ok_or(Error::Handshake(HandshakeError::OutOfOrder))
    }

    /// The handshake itself: the request, and what it offers.
    pub fn server(&self) -> &server::Handshake {
        &self.opening.handshake
    }

    /// Accepts the request. The response is written if the network takes it at once; otherwise it leaves
    /// with the first flush, at the latest when the connection first waits for input.
    ///
    /// # Errors
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): it has not been read.
    pub async fn accept(self) -> Result<WebSocket<T>, Error> {
        let answer = self.opening.handshake.answer();
        self.accept_with(answer).await
    }

    /// Accepts the request with a subprotocol and headers of one's own choice.
    ///
    /// # Errors
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): it has not been read. A subprotocol that the client
    /// did not offer.
    pub async fn accept_with(mut self, answer: Answer) -> Result<WebSocket<T>, Error> {
        let (connection, _) = self.opening.handshake.accept_with(answer)?;
        let mut ws = WebSocket::from_connection(self.opening.transport, connection);
        poll_fn(|cx| match ws.driver.poll_flush(cx) {
            Poll::Pending => Poll::Ready(Ok(())),
            flushed => flushed,
        })
        .await?;
        Ok(ws)
    }

    /// Refuses the request with this response, and closes the stream. What it returns is
    /// [`Rejected`](HandshakeError::Rejected), or what kept the response from leaving. It has
    /// [`Config::handshake_timeout`] anew.
    ///
    /// Dropped before it is ready, the response may not have left.
    pub async fn reject(mut self, rejection: Rejection) -> Error {
        let deadline = later(self.opening.transport.now(), self.opening.handshake.timeout());
        let error = self.opening.handshake.reject(rejection);
        self.opening.fail(error, deadline);
        poll_fn(|cx| self.opening.poll(cx)).await.err().unwrap_or(Error::Closed)
    }
}

/// A WebSocket connection over an asynchronous stream.
///
/// It is a [`Stream`] of messages, which ends with a clean close or after an error, and a
/// [`Sink`] for them.
///
/// Dropping it closes the stream and nothing else; [`close`](Self::close) says goodbye.
#[derive(Debug)]
pub struct WebSocket<T> {
    /// Boxed, so that futures which hold a connection, and hold it twice while it is handed on, are small.
    driver: Box<Driver<T>>,
    /// Only for those who may share it between tasks, by way of [`Stream`], [`Sink`] and the byte stream.
    wakers: Option<Box<Wakers>>,
}

/// Who polls the receiving direction.
const READER: Party = Party(0);
/// Who polls the sending direction, while it is not split.
const WRITER: Party = Party(1);

// What is called once a message is no `async fn`: that would keep its arguments twice.
impl<T: Transport> WebSocket<T> {
    /// Runs the opening handshake of a client over any stream, within
    /// [`Config::handshake_timeout`].
    ///
    /// Dropped before it is ready, the stream is closed.
    ///
    /// # Errors
    /// The server refuses, or the time is up.
    pub async fn client(
        stream: impl Into<T>,
        request: client::Request,
        config: Config,
    ) -> Result<Self, Error> {
        let transport = stream.into();
        let deadline = later(transport.now(), config.handshake_timeout);
        Self::open(transport, client::Handshake::new(request, config)?, deadline).await
    }

    /// The same, with what is left of the time.
    pub(super) async fn open(
        transport: T,
        handshake: client::Handshake,
        deadline: Instant,
    ) -> Result<Self, Error> {
        let (transport, handshake) = complete(Opening::new(transport, handshake, deadline)).await?;
        let (connection, _) = handshake.open()?;
        Ok(Self::from_connection(transport, connection))
    }

    /// Accepts a client: reads the request, and answers it.
    pub(super) async fn accept(stream: impl Into<T>, options: Arc<server::Options>) -> Result<Self, Error> {
        let mut handshake = Handshake::new(stream, options);
        handshake.read().await?;
        handshake.accept().await
    }

    /// A connection whose opening handshake was made elsewhere; see [`handshake`](crate::handshake). The
    /// connection's output may begin with a response.
    pub fn from_connection(stream: impl Into<T>, connection: Connection) -> Self {
        Self { driver: Box::new(Driver::new(stream.into(), connection)), wakers: None }
    }

    /// The next message. `None`: the peer has closed the connection; [`close_info`](Self::close_info) says how,
    /// and whether all of ours has left.
    ///
    /// Pings are answered, and what is queued leaves before this waits for input.
    ///
    /// Cancel-safe: a message is returned or still to come.
    ///
    /// # Errors
    /// What ended the connection, once; then [`Closed`](Error::Closed).
    /// [`Streaming`](Error::Streaming) if the [`streaming`](Config::streaming) mode is on: use
    /// [`read_with`](Self::read_with).
    #[inline]
    pub fn read(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        Inlined(|cx: &mut Context<'_>| self.driver.poll_message(cx))
    }

    /// Lends the next event to `f`, and the sending half beside it: nothing is copied. Pings and pongs
    /// are events too. `None`: the peer has closed the connection, as with [`read`](Self::read).
    ///
    /// What `f` queues leaves when this next waits for input. It may queue up to the
    /// [`high_water_mark`](Config::high_water_mark), and gets
    /// [`QueueFull`](SendError::QueueFull) beyond it: then [`flush`](Self::flush).
    ///
    /// Cancel-safe: an event is lent or still to come.
    ///
    /// # Errors
    /// As for [`read`](Self::read).
    #[inline(always)]
    pub fn read_with<R>(
        &mut self,
        f: impl FnOnce(Event<'_>, &mut Sender) -> R,
    ) -> impl Future<Output = Result<Option<R>, Error>> {
        let mut f = Some(f);
        Inlined(move |cx: &mut Context<'_>| {
            loop {
                let Some(descriptor) = ready!(self.driver.poll_next(cx))? else {
                    return Poll::Ready(Ok(None));
                };
                if let Some((event, sender)) = self.driver.lend(descriptor)
                    && let Some(f) = f.take()
                {
                    return Poll::Ready(Ok(Some(f(event, sender))));
                }
            }
        })
    }

    /// Sends a message: [`feed`](Self::feed), then [`flush`](Self::flush).
    ///
    /// Dropped before it is ready, the message is queued whole or not at all; to know which, call the two.
    ///
    /// # Errors
    /// The connection is closing or closed, or a fragmented message is unfinished: then nothing is sent.
    #[inline]
    pub fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> impl Future<Output = Result<(), Error>> {
        let mut message = Some(message.into());
        Inlined(move |cx: &mut Context<'_>| {
            ready!(self.driver.poll_send(cx, &mut message))?;
            self.driver.poll_flush(cx)
        })
    }

    /// Queues a message. It leaves with the next [`flush`](Self::flush), at the latest when
    /// [`read`](Self::read) waits for input: so a loop that feeds answers a burst with one write. This
    /// waits only while [`high_water_mark`](Config::high_water_mark) bytes are queued.
    ///
    /// Cancel-safe: the message is queued when this is ready, and not before.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    #[inline]
    pub fn feed<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> impl Future<Output = Result<(), Error>> {
        let mut queue = Some(|sender: &mut Sender| sender.send(message));
        Inlined(move |cx: &mut Context<'_>| self.driver.poll_queue(cx, &mut queue))
    }

    /// Sends a message that was framed before.
    ///
    /// Dropped before it is ready, it is queued whole or not at all.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub async fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), Error> {
        self.queue_and_flush(|sender| sender.send_prepared(message)).await
    }

    /// Sends a part of a message, which ends with the part that says `fin`: see
    /// [`Sender::send_fragment`].
    ///
    /// Dropped before it is ready, the part is queued whole or not at all.
    ///
    /// # Errors
    /// As for [`send`](Self::send); and if the parts are not all text or all binary.
    pub async fn send_fragment<'m>(&mut self, part: impl Into<Outgoing<'m>>, fin: bool) -> Result<(), Error> {
        self.queue_and_flush(|sender| sender.send_fragment(part, fin)).await
    }

    /// Begins a binary message whose length nobody knows yet: its parts leave as they are written.
    pub fn binary_writer(&mut self) -> MessageWriter<'_, T> {
        MessageWriter::new(self, Message::binary(Vec::new()))
    }

    /// Begins a text message whose length nobody knows yet: its parts leave as they are written.
    pub fn text_writer(&mut self) -> MessageWriter<'_, T> {
        MessageWriter::new(self, Message::text(""))
    }

    /// Sends a ping of at most 125 bytes. The pong that answers it is an event of
    /// [`read_with`](Self::read_with).
    ///
    /// Dropped before it is ready, the ping is queued or not.
    ///
    /// # Errors
    /// As for [`send`](Self::send); and if the payload is longer.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue_and_flush(|sender| sender.ping(payload)).await
    }

    /// Writes all that is queued.
    ///
    /// Cancel-safe: what has not left is still queued.
    ///
    /// # Errors
    /// Writing failed; what the peer has sent can still be read.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.driver.poll_flush(cx)).await
    }

    /// Closes the connection: sends a Close frame (a [`CloseFrame`], or `None` for one that says
    /// nothing), waits for the peer's up to [`close_timeout`](Config::close_timeout), and says how it
    /// went. Messages that come until then are dropped.
    ///
    /// Cancel-safe: once polled, the connection is closing; call again to go on.
    ///
    /// # Errors
    /// The code or reason cannot be sent: the connection then goes on. What ended the connection
    /// otherwise.
    pub async fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<CloseInfo, Error> {
        self.driver.start_close(frame.into())?;
        poll_fn(|cx| self.driver.poll_close(cx)).await?;
        self.close_info().cloned().ok_or(Error::Closed)
    }

    /// When to poll the connection again at the latest, such as by [`read`](Self::read), which then pings a
    /// silent peer or gives up one that does not answer; `None` if nothing waits. It moves with what is sent and
    /// received. Only for streams without a timer: see [`futures`](crate::futures).
    pub fn handle_timeout(&mut self) -> Option<Instant> {
        self.driver.next_deadline()
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

    /// Gives memory back that an idle connection does not need: see [`Connection::release_buffers`]. Only the
    /// compressor is worth it, and only with context takeover: everything else is given back by itself whenever
    /// a read waits for input.
    pub fn release_buffers(&mut self) {
        self.driver.connection.release_buffers();
    }

    /// The stream, to ask for its addresses.
    pub fn get_ref(&self) -> &T::Stream {
        self.driver.transport.get_ref()
    }

    /// The stream. Reading or writing it tears frames.
    pub fn get_mut(&mut self) -> &mut T::Stream {
        self.driver.transport.get_mut()
    }

    /// The stream and the connection, which holds what was read and not yet polled, and what waits to be
    /// written.
    pub fn into_parts(self) -> (T::Stream, Connection) {
        let Driver { transport, connection, .. } = *self.driver;
        (transport.into_inner(), connection)
    }

    /// Splits the connection for two tasks, or more: one reads while others write. The
    /// [`streaming`](Config::streaming) mode has no use for it, because parts are lent and cannot leave a
    /// lock: [`Reader::read`] fails with [`Streaming`](Error::Streaming).
    pub fn split(self) -> (Reader<T>, Writer<T>) {
        split::split(*self.driver)
    }

    /// A stream of bytes for any other protocol: what is written leaves as binary messages, and those that
    /// come are read as if they were one.
    pub fn into_byte_stream(self) -> ByteStream<T> {
        ByteStream::new(self)
    }

    #[inline]
    fn queue_and_flush<Q>(&mut self, queue: Q) -> impl Future<Output = Result<(), Error>>
    where
        Q: FnOnce(&mut Sender) -> Result<(), SendError>,
    {
        let mut queue = Some(queue);
        Inlined(move |cx: &mut Context<'_>| {
            ready!(self.driver.poll_queue(cx, &mut queue))?;
            self.driver.poll_flush(cx)
        })
    }

    /// Whether a Close frame of ours has left, or is on its way, and so everything before it.
    fn has_said_goodbye(&self) -> bool {
        self.close_info().is_some_and(|info| info.sent.code != CloseCode::ABNORMAL)
    }

    /// Polls for one of two tasks.
    fn poll_as<R>(
        &mut self,
        party: Party,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Driver<T>, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let wakers = self.wakers.get_or_insert_with(|| Box::new(Wakers::new()));
        wakers.poll(party, cx, |cx| self.driver.watch(|driver| poll(driver, cx)))
    }
}

/// Waits until a handshake is complete. It is boxed, so that a task's future keeps no room for it.
pub(super) async fn complete<T: Transport, H: opening::Handshake>(
    opening: Opening<T, H>,
) -> Result<(T, H), Error> {
    let mut opening = Box::new(opening);
    poll_fn(|cx| opening.poll(cx)).await?;
    let Opening { transport, handshake, .. } = *opening;
    Ok((transport, handshake))
}

/// What [`poll_fn`] makes, but inlined without link-time optimisation too: for what is polled once a message.
struct Inlined<F>(F);

/// What it holds is never pinned.
impl<F> Unpin for Inlined<F> {}

impl<F: FnMut(&mut Context<'_>) -> Poll<R>, R> Future for Inlined<F> {
    type Output = R;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        (self.0)(cx)
    }
}

/// What [`Stream::poll_next`] makes of a read: what ended the connection comes once, and then the end.
fn item(read: Result<Option<Message>, Error>) -> Option<Result<Message, Error>> {
    match read {
        Ok(Some(message)) => Some(Ok(message)),
        Ok(None) | Err(Error::Closed) => None,
        Err(error) => Some(Err(error)),
    }
}

impl<T: Transport + Unpin> Stream for WebSocket<T> {
    type Item = Result<Message, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_as(READER, cx, |driver, cx| driver.poll_message(cx).map(item))
    }
}

impl<T: Transport + Unpin> FusedStream for WebSocket<T> {
    fn is_terminated(&self) -> bool {
        self.driver.has_ended()
    }
}

/// Closing it sends what is queued and a Close frame with the code 1000. What the peer still sends is for the
/// [`Stream`], which ends when it has answered.
impl<T: Transport + Unpin> Sink<Message> for WebSocket<T> {
    type Error = Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_as(WRITER, cx, Driver::poll_room)
    }

    fn start_send(mut self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Ok(self.driver.sender().send(message)?)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_as(WRITER, cx, Driver::poll_flush)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.poll_as(WRITER, cx, |driver, cx| {
            driver.start_close(Some(CloseCode::NORMAL.into()))?;
            driver.poll_flush(cx)
        })
    }
}
