use super::{READER, Transport, WRITER, WebSocket};
use crate::connection::{CloseInfo, Event, Sender};
use crate::error::Error;
use crate::frame::{CloseCode, CloseFrame};
use crate::io::driver::Driver;
use bytes::{Buf, Bytes};
use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A connection as a stream of bytes, through which any other protocol can tunnel. It reads and writes with
/// the traits of tokio and of futures-io.
///
/// What is written leaves as binary messages of at most 64 KiB; those that come are read as if they were
/// one, so where one message ends and the next begins is lost. Pings are answered while it is read. A text
/// message is an error of the kind [`InvalidData`](io::ErrorKind::InvalidData).
///
/// Shutting it down, or closing it, sends a Close frame (1000): the peer will answer, and what it has sent
/// until then can still be read. The stream ends where the peer has closed the connection with 1000, 1001 or
/// no code, and anywhere else with an error: no end is taken for a whole.
///
/// Its halves may be used by two tasks, by way of `split` in tokio or in futures.
#[derive(Debug)]
pub struct ByteStream<T> {
    ws: WebSocket<T>,
    /// What was received and not yet read.
    unread: Bytes,
}

impl<T: Transport> ByteStream<T> {
    pub(super) const fn new(ws: WebSocket<T>) -> Self {
        Self { ws, unread: Bytes::new() }
    }

    /// How the connection ended or is ending; `None` while it is open.
    pub fn close_info(&self) -> Option<&CloseInfo> {
        self.ws.close_info()
    }

    /// When to poll it again at the latest; as [`WebSocket::handle_timeout`].
    pub fn handle_timeout(&mut self) -> Option<Instant> {
        self.ws.handle_timeout()
    }

    /// The connection, and what was received and not yet read.
    pub fn into_parts(self) -> (WebSocket<T>, Bytes) {
        (self.ws, self.unread)
    }

    /// Reads at least one byte into `buffer`, if it has room for one; zero: the connection was closed.
    fn poll_read(&mut self, cx: &mut Context<'_>, mut buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Self { ws, unread } = self;
        while unread.is_empty() && !buffer.is_empty() {
            let read = ws.poll_as(READER, cx, |driver, cx| poll_bytes(driver, cx, &mut buffer, unread));
            match ready!(read) {
                Ok(Some(0)) => {}
                Ok(Some(n)) => return Poll::Ready(Ok(n)),
                Ok(None) => return Poll::Ready(self.end()),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        let n = unread.len().min(buffer.len());
        unread.split_to(n).copy_to_slice(buffer.get_mut(..n).unwrap_or_default());
        Poll::Ready(Ok(n))
    }

    /// Queues a message, and writes what goes.
    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let bytes = bytes.get(..PART).unwrap_or(bytes);
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.ws.poll_as(WRITER, cx, |driver, cx| {
            let mut queue = Some(|sender: &mut Sender| sender.send(bytes));
            ready!(driver.poll_queue(cx, &mut queue))?;
            // Those who write to a stream of bytes do not expect that it holds them back.
            driver.write_what_goes(cx);
            Poll::Ready(Ok(bytes.len()))
        })
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.ws.poll_as(WRITER, cx, Driver::poll_flush).map_err(io::Error::from)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.ws.poll_as(WRITER, cx, |driver, cx| {
            driver.start_close(Some(CloseCode::NORMAL.into()))?;
            driver.poll_flush(cx)
        });
        match ready!(flushed) {
            // All was written, and then the peer went: that is no news to who closes.
            Err(Error::Closed) if self.ws.has_said_goodbye() => Poll::Ready(Ok(())),
            flushed => Poll::Ready(flushed.map_err(io::Error::from)),
        }
    }

    /// Zero bytes, if the peer has said that this is all.
    fn end(&self) -> io::Result<usize> {
        match self.ws.close_info().map(|info| &info.received) {
            Some(CloseFrame {
                code: CloseCode::NORMAL | CloseCode::GOING_AWAY | CloseCode::NO_STATUS,
                ..
            }) => Ok(0),
            Some(other) => Err(io::Error::new(io::ErrorKind::ConnectionAborted, format!("closed: {other}"))),
            None => Err(io::ErrorKind::ConnectionAborted.into()),
        }
    }
}

/// What is written at once becomes a message of at most this many bytes.
const PART: usize = 64 << 10;

/// Reads the next message into `buffer`, and what it has no room for into `unread`; says how many bytes
/// went into the buffer.
fn poll_bytes<T: Transport>(
    driver: &mut Driver<T>,
    cx: &mut Context<'_>,
    buffer: &mut &mut [u8],
    unread: &mut Bytes,
) -> Poll<Result<Option<usize>, Error>> {
    while let Some(descriptor) = ready!(driver.poll_next(cx))? {
        match driver.lend(descriptor) {
            Some((Event::Binary(payload) | Event::BinaryPart { part: payload, .. }, _)) => {
                let n = buffer.write(&payload)?;
                if n < payload.len() {
                    *unread = payload.into_bytes();
                    unread.advance(n);
                }
                return Poll::Ready(Ok(Some(n)));
            }
            Some((Event::Text(_) | Event::TextPart { .. }, _)) => {
                let text = io::Error::new(io::ErrorKind::InvalidData, "a text message in a stream of bytes");
                return Poll::Ready(Err(text.into()));
            }
            _ => {}
        }
    }
    Poll::Ready(Ok(None))
}

#[cfg(feature = "tokio")]
impl<T: Transport + Unpin> tokio::io::AsyncRead for ByteStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = ready!(Self::poll_read(&mut self, cx, buffer.initialize_unfilled()))?;
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "tokio")]
impl<T: Transport + Unpin> tokio::io::AsyncWrite for ByteStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&mut self, cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_close(&mut self, cx)
    }
}

#[cfg(feature = "futures")]
impl<T: Transport + Unpin> futures_io::AsyncRead for ByteStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_read(&mut self, cx, buffer)
    }
}

#[cfg(feature = "futures")]
impl<T: Transport + Unpin> futures_io::AsyncWrite for ByteStream<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&mut self, cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_flush(&mut self, cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Self::poll_close(&mut self, cx)
    }
}
