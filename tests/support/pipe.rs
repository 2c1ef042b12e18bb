//! A connection in memory that holds few bytes, and counts how it is used: blocking, with the traits of tokio
//! and with those of futures-io.

use futures_util::io as futures_io;
use sansocket::blocking::TryClone;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll, Waker, ready};
use tokio::io as tokio_io;

/// Two ends, with a pipe of so many bytes in each direction.
pub(crate) fn pipe(capacity: usize) -> (Pipe, Pipe) {
    let [a, b] = [(); 2].map(|()| Arc::new(Direction { capacity, ..Direction::default() }));
    let end = |incoming: &Arc<Direction>, outgoing: &Arc<Direction>| {
        let mut end = End::default();
        end.incoming = Arc::clone(incoming);
        end.outgoing = Arc::clone(outgoing);
        Pipe { end: Arc::new(end) }
    };
    (end(&a, &b), end(&b, &a))
}

/// One end. It ends when its last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Pipe {
    end: Arc<End>,
}

#[derive(Debug, Default)]
struct End {
    incoming: Arc<Direction>,
    outgoing: Arc<Direction>,
    /// How often it was asked to read, and to write.
    reads: AtomicUsize,
    writes: AtomicUsize,
    /// Every other time it does nothing but wake its task: as tokio does when a task has used up its share.
    moody: AtomicBool,
    refuses: [AtomicBool; 2],
}

#[derive(Debug, Default)]
struct Direction {
    capacity: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: VecDeque<u8>,
    ended: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Direction {
    /// Changes something, and wakes who waits for it.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state.lock().unwrap();
        let result = change(&mut state);
        let woken = [state.reader.take(), state.writer.take()];
        drop(state);
        woken.into_iter().flatten().for_each(Waker::wake);
        self.changed.notify_all();
        result
    }

    /// Moves bytes, if that is possible at once; else `wait` says what to do.
    fn poll_read(&self, buffer: &mut [u8], wait: impl FnOnce(&mut State)) -> Poll<usize> {
        let mut state = self.state.lock().unwrap();
        if state.bytes.is_empty() && !state.ended && !buffer.is_empty() {
            wait(&mut state);
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(self.change(|state| state.bytes.read(buffer).unwrap()))
    }

    fn poll_write(&self, bytes: &[u8], wait: impl FnOnce(&mut State)) -> Poll<io::Result<usize>> {
        let mut state = self.state.lock().unwrap();
        if state.ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let n = bytes.len().min(self.capacity.saturating_sub(state.bytes.len()));
        if n == 0 {
            wait(&mut state);
            return Poll::Pending;
        }
        drop(state);
        Poll::Ready(Ok(self.change(|state| state.bytes.write(&bytes[..n]).unwrap())))
    }
}

impl Pipe {
    /// How often it was asked to read, and to write.
    pub(crate) fn polls(&self) -> (usize, usize) {
        (self.end.reads.load(Ordering::SeqCst), self.end.writes.load(Ordering::SeqCst))
    }

    /// From now on it does what is asked only every other time, and wakes its task at once the other times.
    pub(crate) fn be_moody(&self) {
        self.end.moody.store(true, Ordering::SeqCst);
    }

    /// What the other end has written and nobody has read.
    pub(crate) fn drain(&self) -> Vec<u8> {
        self.end.incoming.change(|state| state.bytes.drain(..).collect())
    }

    /// How many bytes this end has written and nobody has read.
    pub(crate) fn unread(&self) -> usize {
        self.end.outgoing.state.lock().unwrap().bytes.len()
    }

    /// Writes, however full it is.
    pub(crate) fn put(&self, bytes: &[u8]) {
        self.end.outgoing.change(|state| state.bytes.extend(bytes));
    }

    /// Whether somebody waits for what this end does: who reads, and who writes, at the other.
    pub(crate) fn awaited(&self) -> (bool, bool) {
        let reader = self.end.outgoing.state.lock().unwrap().reader.is_some();
        (reader, self.end.incoming.state.lock().unwrap().writer.is_some())
    }

    pub(crate) fn shut_down(&self) {
        self.end.outgoing.change(|state| state.ended = true);
    }

    fn poll_moody(&self, cx: &Context<'_>, direction: usize) -> Poll<()> {
        let refuses = self.end.moody.load(Ordering::SeqCst)
            && !self.end.refuses[direction].fetch_xor(true, Ordering::SeqCst);
        if refuses {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    fn poll_read(&self, cx: &Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.end.reads.fetch_add(1, Ordering::SeqCst);
        ready!(self.poll_moody(cx, 0));
        self.end.incoming.poll_read(buffer, |state| state.reader = Some(cx.waker().clone())).map(Ok)
    }

    fn poll_write(&self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.end.writes.fetch_add(1, Ordering::SeqCst);
        ready!(self.poll_moody(cx, 1));
        self.end.outgoing.poll_write(bytes, |state| state.writer = Some(cx.waker().clone()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.incoming.change(|state| state.ended = true);
        self.outgoing.change(|state| state.ended = true);
    }
}

impl tokio_io::AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio_io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = ready!(Self::poll_read(&self, cx, buffer.initialize_unfilled()))?;
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl tokio_io::AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&self, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down();
        Poll::Ready(Ok(()))
    }
}

impl futures_io::AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        Self::poll_read(&self, cx, buffer)
    }
}

impl futures_io::AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Self::poll_write(&self, cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut_down();
        Poll::Ready(Ok(()))
    }
}

/// Blocks while there is nothing to read.
impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Direction { state, changed, .. } = &*self.end.incoming;
        loop {
            if let Poll::Ready(n) = self.end.incoming.poll_read(buffer, |_| {}) {
                return Ok(n);
            }
            let state = state.lock().unwrap();
            drop(changed.wait_while(state, |state| state.bytes.is_empty() && !state.ended).unwrap());
        }
    }
}

/// Blocks while there is no room.
impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Direction { capacity, state, changed } = &*self.end.outgoing;
        loop {
            if let Poll::Ready(written) = self.end.outgoing.poll_write(bytes, |_| {}) {
                return written;
            }
            let state = state.lock().unwrap();
            drop(changed.wait_while(state, |state| state.bytes.len() >= *capacity && !state.ended).unwrap());
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TryClone for Pipe {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}
