//! The one seam between a [`Driver`](super::driver::Driver) and the network.

use super::blocking::Stream;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

#[cfg(feature = "futures")]
mod futures;
#[cfg(feature = "tokio")]
mod tokio;

#[cfg(feature = "futures")]
pub use futures::Futures;
#[cfg(feature = "tokio")]
pub use tokio::Tokio;

/// A stream of which a second handle can be made, for another thread.
pub trait TryClone: Sized {
    /// A second handle of the same stream.
    ///
    /// # Errors
    /// The system has no more handles.
    fn try_clone(&self) -> io::Result<Self>;
}

impl TryClone for TcpStream {
    fn try_clone(&self) -> io::Result<Self> {
        Self::try_clone(self)
    }
}

#[cfg(unix)]
impl TryClone for std::os::unix::net::UnixStream {
    fn try_clone(&self) -> io::Result<Self> {
        Self::try_clone(self)
    }
}

/// A stream of bytes both ways, and a clock, in the shape of polls.
///
/// It is sealed: there is one implementation for each family of I/O traits.
pub trait Transport: Sealed {
    /// Whether a read may block the thread, so that what is queued has to be written before it.
    const BLOCKS: bool;
    /// What it is over.
    type Stream;

    /// The stream.
    fn get_ref(&self) -> &Self::Stream;
    /// The stream.
    fn get_mut(&mut self) -> &mut Self::Stream;
    /// The stream.
    fn into_inner(self) -> Self::Stream;

    /// What time it is, for deadlines.
    fn now(&self) -> Instant;
    /// Reads into an initialised buffer. Zero: the stream has ended.
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>>;
    /// Whether the last read was pending only to let other tasks have their turn: there may be bytes.
    fn has_yielded(&self) -> bool {
        false
    }
    /// Writes the beginning of these slices, none of which is empty.
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>>;
    /// Sends what the stream itself holds back.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Ends the writing direction; an error if the stream has ended, or does so only when it is dropped.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Ready once the deadline has passed; until then reads and writes do not wait beyond it.
    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()>;
}

/// Only this crate's types are [`Transport`]s.
#[cfg_attr(
    any(feature = "tokio", feature = "futures"),
    expect(unnameable_types, reason = "so that nobody else implements it")
)]
pub trait Sealed {}

/// The transport of the blocking front end: any [`Read`] and [`Write`].
///
/// `WouldBlock` and `TimedOut`, from a non-blocking socket or one with a timeout, are `Pending`.
#[derive(Debug)]
pub(super) struct Std<S> {
    stream: S,
    /// What the stream can do beyond reading and writing, if it is known to.
    socket: Option<Socket<S>>,
    deadline: Option<Instant>,
    /// Since when the caller waits: the socket's own timeout counts from then.
    waiting: Option<Instant>,
}

/// What a socket can do beyond reading and writing.
#[derive(Debug)]
struct Socket<S> {
    reading: Timeout<S>,
    writing: Timeout<S>,
    shutdown: fn(&mut S, Shutdown) -> io::Result<()>,
}

/// How to read and to set the timeout of one direction.
#[derive(Debug)]
struct Timeout<S> {
    get: fn(&S) -> io::Result<Option<Duration>>,
    set: fn(&S, Option<Duration>) -> io::Result<()>,
}

impl<S> Std<S> {
    /// A stream of which nothing more is known.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, socket: None, deadline: None, waiting: None }
    }
}

impl Std<TcpStream> {
    /// A TCP socket. Deadlines end its reads and writes, and it can end one direction.
    pub(super) fn tcp(stream: TcpStream) -> Self {
        let socket = Socket::<TcpStream> {
            reading: Timeout { get: TcpStream::read_timeout, set: TcpStream::set_read_timeout },
            writing: Timeout { get: TcpStream::write_timeout, set: TcpStream::set_write_timeout },
            shutdown: |stream, how| stream.shutdown(how),
        };
        Self { stream, socket: Some(socket), deadline: None, waiting: None }
    }
}

impl Std<Stream> {
    /// What `connect` has made: the same for every socket that may be below it.
    pub(super) fn socket(stream: Stream) -> Self {
        let socket = Socket::<Stream> {
            reading: Timeout { get: Stream::read_timeout, set: Stream::set_read_timeout },
            writing: Timeout { get: Stream::write_timeout, set: Stream::set_write_timeout },
            shutdown: Stream::shutdown,
        };
        Self { stream, socket: Some(socket), deadline: None, waiting: None }
    }
}

impl<S> Std<S> {
    /// Another handle of the same stream.
    pub(super) fn try_clone(&self) -> io::Result<Self>
    where
        S: TryClone,
    {
        Ok(Self { stream: self.stream.try_clone()?, socket: self.socket, deadline: None, waiting: None })
    }

    /// Whether it can end its writing direction, before it is dropped.
    pub(super) const fn shuts_down(&self) -> bool {
        self.socket.is_some()
    }

    /// The caller begins to wait.
    #[inline(always)]
    pub(super) const fn begin(&mut self) {
        self.waiting = None;
    }

    /// Ends both directions, if the stream knows how to; a read that waits elsewhere returns.
    pub(super) fn shutdown_both(&mut self) {
        if let Some(socket) = self.socket {
            let _closed_already = (socket.shutdown)(&mut self.stream, Shutdown::Both);
        }
    }

    /// Runs one read or write, which ends at the deadline if the stream knows how to.
    fn bounded<T>(
        &mut self,
        direction: fn(&Socket<S>) -> &Timeout<S>,
        mut io: impl FnMut(&mut S) -> io::Result<T>,
    ) -> Poll<io::Result<T>> {
        let timeout = self.socket.as_ref().map(direction);
        let restore = match (timeout, self.deadline) {
            (Some(timeout), Some(deadline)) => {
                let own = (timeout.get)(&self.stream)?;
                let now = Instant::now();
                let waited = now - *self.waiting.get_or_insert(now);
                let left = deadline.saturating_duration_since(now);
                let left = own.map_or(left, |own| left.min(own.saturating_sub(waited)));
                // A millisecond more, so that the time is up when the socket says so; and because a timeout
                // of zero means none.
                (timeout.set)(&self.stream, Some(left + Duration::from_millis(1)))?;
                Some(own)
            }
            _ => None,
        };
        let result = loop {
            match io(&mut self.stream) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        if let (Some(timeout), Some(own)) = (timeout, restore) {
            (timeout.set)(&self.stream, own)?;
        }
        match result {
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }
}

impl<S> Clone for Socket<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Socket<S> {}

impl<S> Clone for Timeout<S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Timeout<S> {}

impl<S> Sealed for Std<S> {}

impl<S: Read + Write> Transport for Std<S> {
    const BLOCKS: bool = true;
    type Stream = S;

    fn get_ref(&self) -> &S {
        &self.stream
    }

    fn get_mut(&mut self) -> &mut S {
        &mut self.stream
    }

    fn into_inner(self) -> S {
        self.stream
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.bounded(|socket| &socket.reading, |stream| stream.read(buffer))
    }

    fn poll_write(&mut self, _: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.bounded(
            |socket| &socket.writing,
            |stream| match slices {
                [alone] => stream.write(alone),
                several => stream.write_vectored(several),
            },
        )
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bounded(|socket| &socket.writing, S::flush)
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.socket {
            // With TLS this writes.
            Some(Socket { shutdown, .. }) => {
                self.bounded(|socket| &socket.writing, |stream| shutdown(stream, Shutdown::Write))
            }
            None => Poll::Ready(Err(io::ErrorKind::Unsupported.into())),
        }
    }

    fn poll_deadline(&mut self, _: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        self.deadline = deadline;
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
