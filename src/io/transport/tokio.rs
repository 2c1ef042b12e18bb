use super::{Sealed, Transport};
use ::tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use ::tokio::time::{self, Sleep};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// A stream of tokio's: anything that is [`AsyncRead`] and [`AsyncWrite`].
#[derive(Debug)]
pub struct Tokio<S> {
    stream: S,
    /// Fires at the deadline or before it; there is none while nothing has one.
    timer: Option<Pin<Box<Sleep>>>,
}

// The bounds tell a stream from a `Tokio`, which becomes one as well.
impl<S: AsyncRead + AsyncWrite + Unpin> From<S> for Tokio<S> {
    fn from(stream: S) -> Self {
        Self { stream, timer: None }
    }
}

impl<S> Sealed for Tokio<S> {}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Tokio<S> {
    const BLOCKS: bool = false;
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

    /// tokio's clock, which a test may pause.
    fn now(&self) -> Instant {
        time::Instant::now().into_std()
    }

    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(buffer);
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(buffer.filled().len()))
    }

    fn has_yielded(&self) -> bool {
        !::tokio::task::coop::has_budget_remaining()
    }

    #[inline]
    fn poll_write(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        match slices {
            [alone] => stream.poll_write(cx, alone),
            several => stream.poll_write_vectored(cx, several),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let Some(deadline) = deadline else {
            self.timer = None;
            return Poll::Pending;
        };
        let deadline = time::Instant::from_std(deadline);
        let timer = self.timer.get_or_insert_with(|| Box::pin(time::sleep_until(deadline)));
        // Deadlines mostly move away, and with every read: so the timer is let fire too early, and then set
        // anew.
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }
}
