use super::wakers::{Party, Wakers};
use super::{Inlined, READER, Transport, WRITER, WebSocket, item};
use crate::connection::{CloseInfo, Sender, State};
use crate::error::{Error, SendError};
use crate::frame::{CloseCode, CloseFrame};
use crate::io::driver::Driver;
use crate::message::{Message, Outgoing, PreparedMessage};
use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// The reading half of a [split](WebSocket::split) connection; a [`Stream`] of messages.
///
/// It also sends what is owed to the peer, and what the [`Writer`]s have queued: so keep reading. When it
/// is dropped nothing more is received; when the writers are dropped too, the stream is closed.
#[derive(Debug)]
pub struct Reader<T> {
    half: Half<T>,
}

/// The writing half of a [split](WebSocket::split) connection; a [`Sink`] for messages. Clone it for
/// more tasks: each message goes out whole.
#[derive(Debug)]
pub struct Writer<T> {
    half: Half<T>,
}

/// One of those who share a connection.
struct Half<T> {
    shared: Arc<Shared<T>>,
    party: Party,
}

struct Shared<T> {
    /// Locked only inside a poll.
    driver: Mutex<Driver<T>>,
    wakers: Wakers,
    /// Nobody reads any more.
    reader_gone: AtomicBool,
    /// The next writer's party.
    next: AtomicUsize,
}

pub(super) fn split<T>(driver: Driver<T>) -> (Reader<T>, Writer<T>) {
    let Party(writer) = WRITER;
    let shared = Arc::new(Shared {
        driver: Mutex::new(driver),
        wakers: Wakers::new(),
        reader_gone: AtomicBool::new(false),
        next: AtomicUsize::new(writer + 1),
    });
    let reader = Half { shared: Arc::clone(&shared), party: READER };
    (Reader { half: reader }, Writer { half: Half { shared, party: WRITER } })
}

impl<T: Transport> Reader<T> {
    /// The next message; as [`WebSocket::read`].
    ///
    /// Cancel-safe: a message is returned or still to come.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn read(&mut self) -> impl Future<Output = Result<Option<Message>, Error>> {
        Inlined(|cx: &mut Context<'_>| self.half.poll(cx, Driver::poll_message))
    }

    /// When to poll the connection again at the latest; as [`WebSocket::handle_timeout`].
    pub fn handle_timeout(&mut self) -> Option<Instant> {
        self.half.now(Driver::next_deadline)
    }

    /// How far the connection has come.
    pub fn state(&self) -> State {
        self.half.driver().connection.state()
    }

    /// How the connection ended or is ending; `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.half.driver().connection.close_info().cloned()
    }

    /// Joins the halves again.
    ///
    /// # Errors
    /// The two are not of one connection, or there is another [`Writer`]. Both come back.
    pub fn reunite(self, writer: Writer<T>) -> Result<WebSocket<T>, ReuniteError<T>> {
        let shared = Arc::clone(&self.half.shared);
        // Only a writer makes a writer, so there is no third if this is the only one.
        if !Arc::ptr_eq(&shared, &writer.half.shared) || Arc::strong_count(&shared) > 3 {
            return Err(ReuniteError { reader: self, writer });
        }
        drop((self, writer));
        match Arc::into_inner(shared).map(|shared| shared.driver) {
            Some(driver) => {
                let driver = driver.into_inner().unwrap_or_else(PoisonError::into_inner);
                Ok(WebSocket { driver: Box::new(driver), wakers: None })
            }
            None => unreachable!("the count said that there is no other"),
        }
    }
}

impl<T: Transport> Writer<T> {
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
            self.half.poll(cx, |driver, cx| {
                ready!(driver.poll_send(cx, &mut message))?;
                driver.poll_flush(cx)
            })
        })
    }

    /// Queues a message. It leaves with the next [`flush`](Self::flush), at the latest when the
    /// [`Reader`] waits for input. This waits only while
    /// [`high_water_mark`](crate::Config::high_water_mark) bytes are queued.
    ///
    /// Cancel-safe: the message is queued when this is ready, and not before.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    #[inline]
    pub fn feed<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> impl Future<Output = Result<(), Error>> {
        let mut queue = Some(|sender: &mut Sender| sender.send(message));
        Inlined(move |cx: &mut Context<'_>| {
            self.half.poll(cx, |driver, cx| driver.poll_queue(cx, &mut queue))
        })
    }

    /// Queues a message if that can be done at once; as [`feed`](Self::feed), which also takes one that is
    /// not to be [compressed](Outgoing::uncompressed).
    ///
    /// # Errors
    /// It cannot, and here is the message back: [`QueueFull`](SendError::QueueFull) says to try again.
    pub fn try_send(&mut self, message: impl Into<Message>) -> Result<(), TrySendError> {
        let message = message.into();
        let sent = self.half.now(|driver| driver.sender().send(message.clone()));
        sent.map_err(|reason| TrySendError { message, reason })
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
    /// [`Sender::send_fragment`]. Until then every other message is refused, another writer's too.
    ///
    /// Dropped before it is ready, the part is queued whole or not at all.
    ///
    /// # Errors
    /// As for [`send`](Self::send); and if the parts are not all text or all binary.
    pub async fn send_fragment<'m>(&mut self, part: impl Into<Outgoing<'m>>, fin: bool) -> Result<(), Error> {
        self.queue_and_flush(|sender| sender.send_fragment(part, fin)).await
    }

    /// Sends a ping of at most 125 bytes.
    ///
    /// Dropped before it is ready, the ping is queued or not.
    ///
    /// # Errors
    /// As for [`send`](Self::send); and if the payload is longer.
    pub async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
        self.queue_and_flush(|sender| sender.ping(payload)).await
    }

    /// Writes all that is queued, by whichever writer.
    ///
    /// Cancel-safe: what has not left is still queued.
    ///
    /// # Errors
    /// Writing failed; what the peer has sent can still be read.
    pub async fn flush(&mut self) -> Result<(), Error> {
        poll_fn(|cx| self.half.poll(cx, Driver::poll_flush)).await
    }

    /// Sends a Close frame, waits until the [`Reader`] has seen the end, at most for the
    /// [`close_timeout`](crate::Config::close_timeout), and says how it went. If there is no reader, this
    /// reads to the end, and drops what still comes.
    ///
    /// Cancel-safe: once polled, the connection is closing; call again to go on.
    ///
    /// # Errors
    /// The code or reason cannot be sent: the connection then goes on. What ended the connection is for the
    /// reader to return; if there is none, it comes from here.
    pub async fn close(&mut self, frame: impl Into<Option<CloseFrame>>) -> Result<CloseInfo, Error> {
        let mut frame = Some(frame.into());
        poll_fn(|cx| self.half.poll_close(cx, &mut frame)).await?;
        self.half.driver().connection.close_info().cloned().ok_or(Error::Closed)
    }

    /// How many bytes wait to be written.
    pub fn buffered_amount(&self) -> usize {
        self.half.driver().connection.buffered_amount()
    }

    #[inline]
    fn queue_and_flush<Q>(&mut self, queue: Q) -> impl Future<Output = Result<(), Error>>
    where
        Q: FnOnce(&mut Sender) -> Result<(), SendError>,
    {
        let mut queue = Some(queue);
        Inlined(move |cx: &mut Context<'_>| {
            self.half.poll(cx, |driver, cx| {
                ready!(driver.poll_queue(cx, &mut queue))?;
                driver.poll_flush(cx)
            })
        })
    }
}

impl<T> Half<T> {
    #[inline]
    fn driver(&self) -> MutexGuard<'_, Driver<T>> {
        self.shared.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Transport> Half<T> {
    #[inline]
    fn poll<R>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Driver<T>, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        self.shared.wakers.poll(self.party, cx, |cx| self.driver().watch(|driver| poll(driver, cx)))
    }

    /// Does something that does not wait.
    fn now<R>(&self, act: impl FnOnce(&mut Driver<T>) -> R) -> R {
        let (result, changed) = self.driver().watch(act);
        if changed {
            // This party's own task too: it may wait for a flush.
            self.shared.wakers.wake_all_but(None);
        }
        result
    }

    /// Closes the connection, with the frame that is taken out of `frame`.
    fn poll_close(
        &self,
        cx: &mut Context<'_>,
        frame: &mut Option<Option<CloseFrame>>,
    ) -> Poll<Result<(), Error>> {
        self.poll(cx, |driver, cx| {
            if let Some(frame) = frame.take() {
                driver.start_close(frame)?;
            }
            if self.shared.reader_gone.load(Ordering::Acquire) {
                driver.poll_close(cx)
            } else {
                driver.poll_ended(cx).map(Ok)
            }
        })
    }
}

impl<T> Drop for Half<T> {
    fn drop(&mut self) {
        if self.party == READER {
            self.shared.reader_gone.store(true, Ordering::Release);
        }
        self.shared.wakers.leave(self.party);
    }
}

impl<T> Clone for Writer<T> {
    fn clone(&self) -> Self {
        let shared = Arc::clone(&self.half.shared);
        let party = Party(shared.next.fetch_add(1, Ordering::Relaxed));
        Self { half: Half { shared, party } }
    }
}

impl<T: Transport> Stream for Reader<T> {
    type Item = Result<Message, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.half.poll(cx, Driver::poll_message).map(item)
    }
}

impl<T: Transport> FusedStream for Reader<T> {
    fn is_terminated(&self) -> bool {
        self.half.driver().has_ended()
    }
}

/// Closing it is [`close`](Writer::close) with the code 1000.
impl<T: Transport> Sink<Message> for Writer<T> {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.half.poll(cx, Driver::poll_room)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), Error> {
        Ok(self.half.now(|driver| driver.sender().send(message))?)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.half.poll(cx, Driver::poll_flush)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.half.poll_close(cx, &mut Some(Some(CloseCode::NORMAL.into()))))?;
        // What was queued before has left if the Close frame has.
        let info = self.half.driver().connection.close_info().cloned();
        let has_left = info.is_some_and(|info| info.sent.code != CloseCode::ABNORMAL);
        Poll::Ready(if has_left { Ok(()) } else { Err(Error::Closed) })
    }
}

/// Why a message was not queued, and the message.
#[derive(Debug, thiserror::Error)]
#[error("the message was not queued")]
pub struct TrySendError {
    /// The message, as it was.
    pub message: Message,
    /// Why it was not queued.
    #[source]
    pub reason: SendError,
}

/// Two halves that are not all of one connection.
#[derive(thiserror::Error)]
#[error("these halves are not all of one connection")]
pub struct ReuniteError<T> {
    /// The reading half, as it was.
    pub reader: Reader<T>,
    /// The writing half, as it was.
    pub writer: Writer<T>,
}

impl<T> fmt::Debug for ReuniteError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReuniteError").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Half<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Half").field("party", &self.party).finish_non_exhaustive()
    }
}
