use super::{Transport, WebSocket};
use crate::connection::Sender;
use crate::error::Error;
use crate::message::{Message, Outgoing};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// Writes one message whose length nobody knows yet ([RFC 6455 §5.4]): each part leaves as a frame, and
/// [`finish`](Self::finish) ends the message. Nothing of it is collected.
///
/// For binary messages it is also an asynchronous writer, with the traits of tokio and of futures-io;
/// there, shutting down or closing it finishes the message. Many small writes are better buffered before
/// they get here.
///
/// A message that was begun and is dropped unfinished stays unfinished: the peer waits for the rest of it, and
/// only another writer of the same kind, or [`send_fragment`](WebSocket::send_fragment), can go on.
///
/// ```no_run
/// # async fn example<T: sansocket::asynchronous::Transport>(
/// #     mut ws: sansocket::asynchronous::WebSocket<T>) -> Result<(), sansocket::Error> {
/// let mut message = ws.text_writer();
/// for line in ["one", "two"] {
///     message.write(line).await?;
/// }
/// message.finish().await?;
/// # Ok(()) }
/// ```
///
/// [RFC 6455 §5.4]: https://www.rfc-editor.org/rfc/rfc6455#section-5.4
#[derive(Debug)]
#[must_use = "a message has to be finished"]
pub struct MessageWriter<'a, T> {
    ws: &'a mut WebSocket<T>,
    /// The last part, which is empty.
    end: Message,
    finished: bool,
}

impl<'a, T: Transport> MessageWriter<'a, T> {
    pub(super) const fn new(ws: &'a mut WebSocket<T>, end: Message) -> Self {
        Self { ws, end, finished: false }
    }

    /// Sends the next part, of the kind of the message: queues it, and writes what the network takes at once.
    ///
    /// Cancel-safe: the part is queued when this is ready, and not before.
    ///
    /// # Errors
    /// As for [`WebSocket::send_fragment`].
    pub async fn write<'m>(&mut self, part: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        if self.finished {
            return Err(Error::Closed);
        }
        let mut queue = Some(|sender: &mut Sender| sender.send_fragment(part, false));
        poll_fn(|cx| {
            ready!(self.ws.driver.poll_queue(cx, &mut queue))?;
            self.ws.driver.write_what_goes(cx);
            Poll::Ready(Ok(()))
        })
        .await
    }

    /// Ends the message, and writes all that is queued.
    ///
    /// Dropped before it is ready, the message is ended or not.
    ///
    /// # Errors
    /// As for [`WebSocket::send`].
    pub async fn finish(mut self) -> Result<(), Error> {
        poll_fn(|cx| self.poll_finish(cx)).await
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, part: &[u8]) -> Poll<io::Result<usize>> {
        let part = part.get(..PART).unwrap_or(part);
        if self.end.as_text().is_some() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidInput, "bytes for a text message")));
        }
        if self.finished {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if part.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let mut queue = Some(|sender: &mut Sender| sender.send_fragment(part, false));
        ready!(self.ws.driver.poll_queue(cx, &mut queue)).map_err(io::Error::from)?;
        self.ws.driver.write_what_goes(cx);
        Poll::Ready(Ok(part.len()))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ws.driver.poll_flush(cx).map_err(io::Error::from)
    }

    fn poll_finish(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        if !self.finished {
            let mut queue = Some(|sender: &mut Sender| sender.send_fragment(&self.end, true));
            ready!(self.ws.driver.poll_queue(cx, &mut queue))?;
            self.finished = true;
        }
        self.ws.driver.poll_flush(cx)
    }
}

/// What is written at once becomes a frame of at most this many bytes.
const PART: usize = 64 << 10;

#[cfg(feature = "tokio")]
impl<T: Transport> tokio::io::AsyncWrite for MessageWriter<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, part: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&mut self, cx, part)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_finish(cx).map_err(io::Error::from)
    }
}

#[cfg(feature = "futures")]
impl<T: Transport> futures_io::AsyncWrite for MessageWriter<'_, T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, part: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&mut self, cx, part)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_finish(cx).map_err(io::Error::from)
    }
}
