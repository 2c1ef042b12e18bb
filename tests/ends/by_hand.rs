//! Connections over futures-io without a timer, polled by hand.

use futures_util::io::{AsyncRead, AsyncWrite};
use sansocket::futures::WebSocket;
use sansocket::{Config, Connection, Error, Keepalive, Message, Role};
use std::collections::VecDeque;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread::sleep;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(20);

/// Each read brings one piece, and is pending only when there is none.
#[derive(Debug, Default)]
struct Pieces {
    pieces: VecDeque<&'static [u8]>,
    broken: bool,
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let Some(piece) = self.pieces.pop_front() else { return Poll::Pending };
        buffer[..piece.len()].copy_from_slice(piece);
        Poll::Ready(Ok(piece.len()))
    }
}

impl AsyncWrite for Pieces {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(if self.broken { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn after_a_broken_write_there_is_a_time_to_give_up_reading() {
    let connection = Connection::new(Role::Server, Config::new().close_timeout(SOON));
    let mut ws = WebSocket::from_connection(Pieces { broken: true, ..Pieces::default() }, connection);
    assert!(poll(ws.feed("x")).is_ready());
    assert!(poll(ws.read()).is_pending());
    let deadline = ws.handle_timeout().expect("somebody has to poll again");
    sleep(deadline.saturating_duration_since(Instant::now()));
    assert!(matches!(poll(ws.read()), Poll::Ready(Err(Error::Io(_)))));
    assert!(matches!(poll(ws.read()), Poll::Ready(Err(Error::Closed))));
}

/// That a read lets other tasks have their turn, after however many, does not mean that nothing has come.
#[test]
fn a_peer_of_which_something_lies_unread_is_not_silent() {
    for messages in 28..40 {
        let keepalive = Keepalive { interval: SOON, timeout: SOON };
        let connection = Connection::new(Role::Client, Config::new().keepalive(keepalive));
        let mut ws = WebSocket::from_connection(Pieces::default(), connection);
        assert!(poll(ws.read()).is_pending());
        sleep(SOON);
        assert!(poll(ws.read()).is_pending()); // it pings
        ws.get_mut().pieces.extend((0..=messages).map(|_| &b"\x81\x01x"[..]));
        for _ in 0..messages {
            while poll(ws.read()).is_pending() {}
        }
        sleep(2 * SOON); // the application is busy, and a message lies unread
        let last = (0..2).map(|_| poll(ws.read())).find(Poll::is_ready);
        assert!(matches!(last, Some(Poll::Ready(Ok(Some(Message::Text(_)))))), "{messages}: {last:?}");
    }
}
