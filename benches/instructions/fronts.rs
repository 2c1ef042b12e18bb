//! An echo by each front end: 32 messages come with one read, the answers leave with one write, and then a read
//! is pending, so that buffers are taken and given back each time.

use crate::wire::{frame, peer_key};
use crate::{BURST, MESSAGES, Row, Work, steady};
use sansocket::asynchronous::{Transport, WebSocket};
use sansocket::blocking::{self, TryClone};
use sansocket::{Config, Connection, Event, Role, Sender, futures, tokio};
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

pub(crate) const ROWS: &[Row] = &[
    ("tokio, echo of what is lent, 64 B", || polled(lent(tokio()))),
    ("tokio, echo of what is owned, 64 B", || polled(owned(tokio()))),
    ("tokio, echo by halves, 64 B", || polled(split(tokio()))),
    ("futures, echo of what is lent, 64 B", || polled(lent(futures()))),
    ("futures, echo of what is owned, 64 B", || polled(owned(futures()))),
    ("futures, echo by halves, 64 B", || polled(split(futures()))),
    ("blocking, echo of what is lent, 64 B", blocking_lent),
    ("blocking, echo of what is owned, 64 B", blocking_owned),
    ("blocking, echo by halves, 64 B", blocking_split),
];

const PAYLOAD: usize = 64;
/// A server's frame.
const ANSWER: usize = 2 + PAYLOAD;

/// A peer in memory, which says the same over and over.
#[derive(Clone)]
struct Peer {
    burst: Arc<[u8]>,
    /// The last read was; every other one is, unless it is one that blocks.
    is_pending: bool,
    /// How many bytes each write brings.
    answer: usize,
}

impl Peer {
    fn new(answer: usize) -> Self {
        let message = frame(0x82, peer_key(Role::Server), &[b'a'; PAYLOAD]);
        Self { burst: message.repeat(BURST).into(), is_pending: true, answer }
    }

    fn give(&self, buffer: &mut [u8]) -> usize {
        buffer[..self.burst.len()].copy_from_slice(&self.burst);
        self.burst.len()
    }

    fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<usize> {
        self.is_pending = !self.is_pending;
        if self.is_pending { Poll::Pending } else { Poll::Ready(self.give(buffer)) }
    }

    fn accept(&self, bytes: &[u8]) -> usize {
        assert_eq!(bytes.len(), self.answer);
        bytes.len()
    }
}

impl ::tokio::io::AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut ::tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = ready!(Self::poll_read(&mut self, buffer.initialize_unfilled()));
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl ::tokio::io::AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.accept(bytes)))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl futures_util::AsyncRead for Peer {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Self::poll_read(&mut self, buffer).map(Ok)
    }
}

impl futures_util::AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(self.accept(bytes)))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(self.give(buffer))
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(self.accept(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TryClone for Peer {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}

fn connection() -> Connection {
    Connection::new(Role::Server, Config::new())
}

fn tokio() -> tokio::WebSocket<Peer> {
    WebSocket::from_connection(Peer::new(BURST * ANSWER), connection())
}

fn futures() -> futures::WebSocket<Peer> {
    WebSocket::from_connection(Peer::new(BURST * ANSWER), connection())
}

fn blocking(answer: usize) -> blocking::WebSocket<Peer> {
    blocking::WebSocket::from_connection(Peer::new(answer), connection())
}

/// Each poll goes on until the next read is pending.
fn polled(echo: impl Future<Output = Infallible> + 'static) -> Work {
    let mut echo = Box::pin(echo);
    steady(MESSAGES / BURST, move || {
        assert!(echo.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    })
}

fn answer(event: Event<'_>, sender: &mut Sender) {
    let Event::Binary(payload) = event else { panic!("{event:?}") };
    sender.send(&*payload).unwrap();
}

async fn lent<T: Transport>(mut ws: WebSocket<T>) -> Infallible {
    loop {
        ws.read_with(answer).await.unwrap().unwrap();
    }
}

async fn owned<T: Transport>(mut ws: WebSocket<T>) -> Infallible {
    loop {
        let message = ws.read().await.unwrap().unwrap();
        ws.feed(message).await.unwrap();
    }
}

async fn split<T: Transport>(ws: WebSocket<T>) -> Infallible {
    let (mut reader, mut writer) = ws.split();
    loop {
        let message = reader.read().await.unwrap().unwrap();
        writer.feed(message).await.unwrap();
    }
}

fn blocking_lent() -> Work {
    let mut ws = blocking(BURST * ANSWER);
    steady(MESSAGES, move || ws.read_with(answer).unwrap().unwrap())
}

fn blocking_owned() -> Work {
    let mut ws = blocking(BURST * ANSWER);
    steady(MESSAGES, move || {
        let message = ws.read().unwrap().unwrap();
        ws.feed(message).unwrap();
    })
}

/// A half sends at once.
fn blocking_split() -> Work {
    let (mut reader, writer) = blocking(ANSWER).split().unwrap();
    steady(MESSAGES, move || {
        let message = reader.read().unwrap().unwrap();
        writer.send(message).unwrap();
    })
}
