use super::{Sealed, Transport};
use ::futures_io::{AsyncRead, AsyncWrite};
use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// A stream of any runtime's: anything that is [`AsyncRead`] and [`AsyncWrite`] as futures-io has them.
///
/// By itself it has no timer: a deadline is looked at whenever the connection is polled.
/// [`with_timer`](crate::futures::with_timer) gives it one.
pub struct Futures<S> {
    stream: S,
    /// How many reads in a row have not had to wait.
    reads: u8,
    timer: Option<Timer>,
}

/// What wakes at deadlines.
struct Timer {
    make: Box<dyn Fn(Instant) -> Sleep + Send + Sync>,
    /// Fires at the deadline or before it.
    armed: Option<(Instant, Sleep)>,
}

/// After this many reads other tasks have their turn.
const READS: u8 = 32;
/// Stands for the number of reads when they have it.
const YIELDED: u8 = READS + 1;

type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

impl<S> Futures<S> {
    pub(in crate::io) fn with_timer<F>(
        stream: S,
        sleep_until: impl Fn(Instant) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future + Send + 'static,
    {
        let make = move |deadline| -> Sleep {
            let sleep = sleep_until(deadline);
            Box::pin(async {
                sleep.await;
            })
        };
        Self { stream, reads: 0, timer: Some(Timer { make: Box::new(make), armed: None }) }
    }
}

// The bounds tell a stream from a `Futures`, which becomes one as well.
impl<S: AsyncRead + AsyncWrite + Unpin> From<S> for Futures<S> {
    fn from(stream: S) -> Self {
        Self { stream, reads: 0, timer: None }
    }
}

impl<S> Sealed for Futures<S> {}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport for Futures<S> {
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

    fn now(&self) -> Instant {
        Instant::now()
    }

    #[inline]
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        // A peer that never stops sending does not get the thread for itself. (tokio sees to that by itself.)
        if self.reads == READS {
            self.reads = YIELDED;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.reads = match read {
            Poll::Ready(_) if self.reads < READS => self.reads + 1,
            Poll::Ready(_) => 1,
            Poll::Pending => 0,
        };
        read
    }

    fn has_yielded(&self) -> bool {
        self.reads == YIELDED
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
        Pin::new(&mut self.stream).poll_close(cx)
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        let is_due = deadline.is_some_and(|deadline| self.now() >= deadline);
        if let Some(timer) = &mut self.timer {
            match deadline {
                Some(deadline) if !is_due => return timer.poll(cx, deadline),
                _ => timer.armed = None,
            }
        }
        if is_due { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Timer {
    fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        loop {
            // Deadlines mostly move away, and with every read: so a sleep is let end too early, and then
            // there is another.
            let (until, sleep) = match &mut self.armed {
                Some((until, sleep)) if *until <= deadline => (*until, sleep),
                armed => {
                    let (until, sleep) = armed.insert((deadline, (self.make)(deadline)));
                    (*until, sleep)
                }
            };
            if sleep.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            self.armed = None;
            // A sleep may end early.
            if until == deadline && Instant::now() >= deadline {
                return Poll::Ready(());
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for Futures<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Futures").field("stream", &self.stream).field("timer", &self.timer.is_some()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::io::AllowStdIo;
    use std::io::Cursor;
    use std::task::Waker;

    #[test]
    fn t_10_a_peer_that_never_stops_sending_lets_others_have_their_turn() {
        // It is never pending by itself.
        let mut stream = Futures::from(AllowStdIo::new(Cursor::new(vec![7; 1000])));
        let cx = &mut Context::from_waker(Waker::noop());
        let waits = (0..100).filter(|_| stream.poll_read(cx, &mut [0; 9]).is_pending()).count();
        assert_eq!(waits, 100 / usize::from(YIELDED));
    }
}
