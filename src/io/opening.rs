use super::driver::poll_write_some;
use super::transport::Transport;
use crate::connection::pool;
use crate::error::{Error, HandshakeError};
use crate::handshake::{client, server};
use bytes::{Buf, Bytes};
use std::io::{self, ErrorKind};
use std::task::{Context, Poll, ready};
use std::time::Instant;

/// An opening handshake over a transport: what [`Driver`](super::driver::Driver) is for a connection.
///
/// All state is here and none in a call, so a call that returned `Pending` may be forgotten.
#[derive(Debug)]
pub(super) struct Opening<T, H> {
    pub(super) transport: T,
    pub(super) handshake: H,
    deadline: Instant,
    /// The handshake has failed; its refusal leaves, and the stream ends, before this is reported.
    failed: Option<Error>,
    shut_down: bool,
}

/// The two sides of the handshake, and that with a proxy before it, as far as they are driven alike.
pub(super) trait Handshake {
    /// Whether the peer's head is wanted, whole.
    fn is_complete(&self) -> bool;
    fn output(&mut self) -> &mut Bytes;
    fn receive(&mut self, bytes: &[u8]) -> Result<(), Error>;
    fn receive_eof(&mut self) -> Result<(), Error>;
    fn handle_timeout(&mut self) -> Error;
}

impl<T: Transport, H: Handshake> Opening<T, H> {
    pub(super) fn new(transport: T, handshake: H, deadline: Instant) -> Self {
        Self { transport, handshake, deadline, failed: None, shut_down: false }
    }

    /// Ready when the peer's head is complete, and everything of ours is written.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // What has come already is read before a timer is set, which mostly takes tokio a system call. A read that
        // blocks has to know the deadline.
        let mut is_timed = T::BLOCKS;
        loop {
            if self.failed.is_none()
                && self.handshake.is_complete()
                && !self.handshake.output().has_remaining()
            {
                // From here on the deadline is nobody's.
                let _disarmed = self.transport.poll_deadline(cx, None);
                return Poll::Ready(Ok(()));
            }
            if is_timed && self.transport.poll_deadline(cx, Some(self.deadline)).is_ready() {
                let error = self.failed.take();
                return Poll::Ready(Err(error.unwrap_or_else(|| self.handshake.handle_timeout())));
            }
            match self.poll_once(cx) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.failed.take().unwrap_or(error))),
                Poll::Pending if T::BLOCKS && Instant::now() >= self.deadline => {}
                Poll::Pending if is_timed => return Poll::Pending,
                Poll::Pending => {}
            }
            is_timed = true;
        }
    }

    /// Writes all there is, then reads once, unless it is complete.
    fn poll_once(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while self.handshake.output().has_remaining() {
            ready!(poll_write_some(&mut self.transport, cx, self.handshake.output()))?;
        }
        ready!(self.transport.poll_flush(cx))?;
        if self.failed.is_some() && !self.shut_down {
            ready!(self.transport.poll_shutdown(cx))?;
            self.shut_down = true;
        } else if self.failed.is_none() && self.handshake.is_complete() {
            return Poll::Ready(Ok(()));
        }

        let mut buffer = pool::take();
        let read = self.transport.poll_read(cx, &mut buffer);
        let received = match read {
            Poll::Ready(Ok(n)) => buffer.get(..n).ok_or_else(|| {
                // It claims to have written beyond its buffer.
                io::Error::other(crate::error::Overfilled)
            }),
            Poll::Ready(Err(error)) => Err(error),
            Poll::Pending => {
                pool::give(buffer);
                return Poll::Pending;
            }
        };
        let result = match received {
            // After a refusal the stream is read to its end, so that nothing still under way resets it
            // before the refusal was read.
            Ok([]) if self.failed.is_some() => Err(Error::Closed),
            Ok(_) if self.failed.is_some() => Ok(()),
            Ok([]) => self.handshake.receive_eof(),
            Ok(bytes) => self.handshake.receive(bytes),
            Err(error) => return Poll::Ready(Err(self.lost(error))),
        };
        pool::give(buffer);
        match result {
            Ok(()) => Poll::Ready(Ok(())),
            Err(error) if self.failed.is_none() && self.handshake.output().has_remaining() => {
                self.failed = Some(error);
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(error)),
        }
    }

    /// What to report when a read fails: what came of a refusal, as at the end of the stream, if it was reset.
    /// Whoever closes a socket in which something lies unread resets it.
    fn lost(&mut self, error: io::Error) -> Error {
        let is_over = matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted);
        match is_over.then(|| self.handshake.receive_eof()) {
            Some(Err(refusal @ Error::Handshake(HandshakeError::Http(_) | HandshakeError::Redirect(_)))) => {
                refusal
            }
            _ => error.into(),
        }
    }

    /// Refuses: what the handshake's output holds leaves, then `error` is reported. However long it took
    /// to decide, the refusal has its time to leave.
    pub(super) fn fail(&mut self, error: HandshakeError, deadline: Instant) {
        self.failed = Some(error.into());
        self.deadline = deadline;
    }
}

impl Handshake for client::Handshake {
    fn is_complete(&self) -> bool {
        self.response().is_some()
    }

    fn output(&mut self) -> &mut Bytes {
        self.output()
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.receive(bytes)?;
        Ok(())
    }

    fn receive_eof(&mut self) -> Result<(), Error> {
        Ok(self.receive_eof()?)
    }

    fn handle_timeout(&mut self) -> Error {
        self.handle_timeout().into()
    }
}

impl Handshake for server::Handshake {
    fn is_complete(&self) -> bool {
        self.request().is_some()
    }

    fn output(&mut self) -> &mut Bytes {
        self.output()
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.receive(bytes)?;
        Ok(())
    }

    fn receive_eof(&mut self) -> Result<(), Error> {
        Ok(self.receive_eof()?)
    }

    fn handle_timeout(&mut self) -> Error {
        self.handle_timeout().into()
    }
}
