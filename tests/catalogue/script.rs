//! A stream that does as it is told.

use crate::memory::aside;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
#[cfg(any(feature = "tokio", feature = "futures"))]
use std::pin::Pin;
#[cfg(feature = "tokio")]
use std::task::ready;
#[cfg(any(feature = "tokio", feature = "futures"))]
use std::task::{Context, Poll};

/// A [`Read`] and [`Write`] whose every call is scripted. It keeps what was written, and what that takes of the heap
/// counts for nobody.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    /// What each read comes to. Data that does not fit stays for the next one.
    pub(crate) reads: VecDeque<Step>,
    /// What reads come to after those: by default the end of the stream.
    pub(crate) then_read: Option<ErrorKind>,
    /// What each write comes to; those after them take everything.
    pub(crate) writes: VecDeque<Step>,
    /// What writes come to after those, if not that.
    pub(crate) then_write: Option<ErrorKind>,
    pub(crate) written: Vec<u8>,
    /// How often it was read from or written to.
    pub(crate) calls: usize,
}

/// What one read or write comes to.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    Data(Vec<u8>),
    /// It fails.
    Fails(ErrorKind),
    /// It says so many bytes more than there was room for, or than there were.
    ClaimsTooMany(usize),
    /// A write takes at most so many bytes.
    Takes(usize),
}

impl Script {
    /// Reads these pieces, and then the end of the stream.
    pub(crate) fn of<P: Into<Vec<u8>>>(pieces: impl IntoIterator<Item = P>) -> Self {
        let reads = pieces.into_iter().map(|piece| Step::Data(piece.into())).collect();
        Self { reads, ..Self::default() }
    }

    /// Reads fail in this way after the last piece.
    pub(crate) fn then(mut self, error: ErrorKind) -> Self {
        self.then_read = Some(error);
        self
    }
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.calls += 1;
        aside(|| match self.reads.pop_front() {
            None => self.then_read.map_or(Ok(0), |kind| Err(kind.into())),
            Some(Step::Fails(kind)) => Err(kind.into()),
            Some(Step::ClaimsTooMany(n)) => Ok(buffer.len().saturating_add(n)),
            Some(Step::Takes(_)) => panic!("that is for writes"),
            Some(Step::Data(mut bytes)) => {
                let rest = bytes.split_off(buffer.len().min(bytes.len()));
                buffer[..bytes.len()].copy_from_slice(&bytes);
                if !rest.is_empty() {
                    self.reads.push_front(Step::Data(rest));
                }
                Ok(bytes.len())
            }
        })
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.calls += 1;
        let takes = match (self.writes.pop_front(), self.then_write) {
            (None, None) => bytes.len(),
            (None, Some(kind)) | (Some(Step::Fails(kind)), _) => return Err(kind.into()),
            (Some(Step::ClaimsTooMany(n)), _) => return Ok(bytes.len().saturating_add(n)),
            (Some(Step::Takes(n)), _) => n.min(bytes.len()),
            (Some(step), _) => panic!("that is for reads: {step:?}"),
        };
        aside(|| self.written.extend_from_slice(&bytes[..takes]));
        Ok(takes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        aside(|| {
            let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).collect();
            self.write(&bytes)
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What would block is pending, and nobody is woken.
#[cfg(any(feature = "tokio", feature = "futures"))]
fn poll<R>(done: io::Result<R>) -> Poll<io::Result<R>> {
    match done {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Poll::Pending,
        done => Poll::Ready(done),
    }
}

#[cfg(feature = "futures")]
impl futures_util::io::AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        poll(self.read(buffer))
    }
}

#[cfg(feature = "futures")]
impl futures_util::io::AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll(self.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "tokio")]
impl tokio::io::AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = ready!(poll(self.read(buffer.initialize_unfilled())))?;
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

#[cfg(feature = "tokio")]
impl tokio::io::AsyncWrite for Script {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        poll(self.write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
