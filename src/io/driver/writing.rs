//! The writing direction: what is queued, and how it leaves.

use super::Driver;
use crate::connection::{Sender, later};
use crate::error::{Error, SendError};
use crate::io::transport::Transport;
use crate::message::Outgoing;
use bytes::Buf;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// Whether the writing direction works. When it breaks, what the peer has sent is still read.
#[derive(Debug)]
pub(super) enum Writing {
    Works,
    Broken(Box<Broken>),
}

#[derive(Debug)]
pub(super) struct Broken {
    /// It is reported once, unless a Close frame is found that says something better.
    error: Option<io::Error>,
    /// Until when what the peer may still have to say is waited for.
    pub(super) until: Instant,
}

impl<T: Transport> Driver<T> {
    /// Ready when less than the high-water mark is queued.
    #[inline(always)]
    pub(in crate::io) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        ready!(self.poll_has_room(cx));
        Poll::Ready(self.check_writing())
    }

    #[inline(never)]
    fn poll_has_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // A connection that is closing takes nothing more.
        while self.sender().is_open() && !self.sender().has_room() {
            if self.poll_drain(cx).is_pending() && !self.sender().has_room() {
                let ahead = self.poll_ahead(cx);
                if self.sender().is_open() {
                    ready!(ahead);
                }
            }
        }
        Poll::Ready(())
    }

    /// Queues something as soon as there is room, and takes it out of `queue` then.
    #[inline(always)]
    pub(in crate::io) fn poll_queue<Q>(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut Option<Q>,
    ) -> Poll<Result<(), Error>>
    where
        Q: FnOnce(&mut Sender) -> Result<(), SendError>,
    {
        if queue.is_some() && !self.sender().has_room() {
            ready!(self.poll_room(cx))?;
        }
        let queued = match queue.take() {
            Some(queue) => queue(self.sender()),
            None => Ok(()),
        };
        Poll::Ready(queued.map_err(refused))
    }

    /// The same with a message. If its payload is lent and large, it is written from where it lies, as far as the network
    /// takes it at once; only the rest is copied.
    #[inline(always)]
    pub(in crate::io) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        message: &mut Option<Outgoing<'_>>,
    ) -> Poll<Result<(), Error>> {
        if message.is_some() && !self.sender().has_room() {
            ready!(self.poll_room(cx))?;
        }
        let sent = match message.take() {
            None => Ok(()),
            Some(message) if message.is_lent() => self.send_lent(cx, message),
            Some(message) => self.sender().send(message),
        };
        Poll::Ready(sent.map_err(refused))
    }

    /// Ready when all that was queued has left.
    #[inline(always)]
    pub(in crate::io) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // Apart from the error, which would have the result go through memory.
        ready!(self.poll_flushed(cx));
        Poll::Ready(self.check_writing())
    }

    /// Writes all that is queued; that it is broken is for later.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.connection.output().has_remaining() {
            if T::BLOCKS {
                let _write_at_least_once = self.transport.poll_deadline(cx, self.deadline);
            }
            match poll_write_some(&mut self.transport, cx, self.connection.output()) {
                Poll::Ready(Ok(())) => self.unflushed = true,
                Poll::Ready(Err(error)) => self.break_writing(error),
                Poll::Pending if self.blocked_beyond_deadline() => self.note_time(),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    /// Queues a message, and writes all that is queued, its payload from where it lies; what the network does not take is
    /// queued, and that it is broken is for later.
    #[cold]
    fn send_lent(&mut self, cx: &mut Context<'_>, message: Outgoing<'_>) -> Result<(), SendError> {
        let Some(mut payload) = self.sender().send_lending(message)? else { return Ok(()) };
        while !payload.is_empty() {
            if T::BLOCKS {
                let _write_at_least_once = self.transport.poll_deadline(cx, self.deadline);
            }
            let mut all = self.connection.output().chain(&mut payload);
            match poll_write_some(&mut self.transport, cx, &mut all) {
                Poll::Ready(Ok(())) => self.unflushed = true,
                Poll::Ready(Err(error)) => {
                    self.break_writing(error);
                    return Ok(());
                }
                Poll::Pending => break,
            }
        }
        self.sender().put_rest(payload);
        Ok(())
    }

    /// Writes all that is queued, and what the transport holds back; that it is broken is for later.
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.poll_drain(cx));
        while self.unflushed && !self.connection.halves().1.is_abandoned() {
            if T::BLOCKS {
                let _write_at_least_once = self.transport.poll_deadline(cx, self.deadline);
            }
            match self.transport.poll_flush(cx) {
                Poll::Ready(Ok(())) => self.unflushed = false,
                Poll::Ready(Err(error)) => self.break_writing(error),
                Poll::Pending if self.blocked_beyond_deadline() => {
                    self.note_time();
                    ready!(self.poll_drain(cx)); // a ping, perhaps
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    /// Writes all that is queued, and gives its memory back; that it is broken is for later.
    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.poll_write(cx).is_pending() {
            ready!(self.poll_ahead(cx));
        }
        // The network may be quiet for long.
        self.sender().return_buffer();
        Poll::Ready(())
    }

    /// Writes what the network takes now; that it takes no more, or is broken, is for later.
    pub(in crate::io) fn write_what_goes(&mut self, cx: &mut Context<'_>) {
        self.reads_since_write = 0;
        let _the_rest_waits = self.poll_write(cx);
    }

    pub(super) const fn is_broken(&self) -> bool {
        matches!(self.writing, Writing::Broken(_))
    }

    pub(in crate::io) fn break_writing(&mut self, error: io::Error) {
        if let Writing::Works = self.writing {
            let until = later(self.transport.now(), self.connection.close_timeout());
            self.writing = Writing::Broken(Box::new(Broken { error: Some(error), until }));
        }
        self.unflushed = false;
        self.sender().abandon();
    }

    /// Reports, once, that writing has failed.
    #[inline(always)]
    pub(in crate::io) fn check_writing(&mut self) -> Result<(), Error> {
        if self.is_broken() || self.connection.halves().1.is_abandoned() {
            Err(self.writing_error())
        } else {
            Ok(())
        }
    }

    #[cold]
    fn writing_error(&mut self) -> Error {
        match &mut self.writing {
            // What waited was dropped because the connection failed; reading says why.
            Writing::Works => Error::Closed,
            Writing::Broken(broken) => broken.error.take().map_or(Error::Closed, Error::from),
        }
    }
}

#[cold]
fn refused(error: SendError) -> Error {
    error.into()
}

/// Writes once: one chunk by a plain write, several by a vectored one.
pub(in crate::io) fn poll_write_some<T: Transport>(
    transport: &mut T,
    cx: &mut Context<'_>,
    output: &mut impl Buf,
) -> Poll<io::Result<()>> {
    let chunk = output.chunk();
    let (offered, written) = if chunk.len() == output.remaining() {
        (chunk.len(), ready!(transport.poll_write(cx, &[IoSlice::new(chunk)]))?)
    } else {
        let mut slices = [IoSlice::new(&[]); CHUNKS];
        let filled = output.chunks_vectored(&mut slices);
        let slices = slices.get(..filled).unwrap_or_default();
        (slices.iter().map(|slice| slice.len()).sum(), ready!(transport.poll_write(cx, slices))?)
    };
    match written {
        0 => Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
        n if n > offered => Poll::Ready(Err(io::Error::other("more was written than there was"))),
        n => {
            output.advance(n);
            Poll::Ready(Ok(()))
        }
    }
}

/// How many chunks one write takes at most.
const CHUNKS: usize = 64;
