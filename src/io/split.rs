//! One blocking connection for two threads.
//!
//! ```text
//!   Reader                    one Driver, locked                    Writer
//!   reads the stream,   ──>   only between system calls   <──   queues messages,
//!   with no lock held         (its transport is a mailbox)      then writes, as the Reader
//!                                                               does with what is owed
//! ```
//!
//! A thread that blocks in a system call holds no lock that the other direction needs, so reading goes
//! on while writing is blocked, and the other way round.

use super::driver::{Driver, poll_write_some};
use super::transport::{Sealed, Std, Transport, TryClone};
use crate::connection::{CloseInfo, Output, Sender, State, pool};
use crate::error::{Error, Overfilled, SendError};
use crate::frame::CloseFrame;
use crate::message::{Message, Outgoing, PreparedMessage};
use bytes::Buf;
use std::io::{self, IoSlice, Read, Write};
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

/// The reading half of a [split](super::blocking::WebSocket::split) connection.
///
/// It also sends what is owed to the peer, so keep reading. Dropping it ends the connection as soon as the
/// [`Writer`]s are dropped too.
#[derive(Debug)]
pub struct Reader<S> {
    stream: Std<S>,
    shared: Arc<Shared<S>>,
}

/// The writing half of a [split](super::blocking::WebSocket::split) connection; clone it for more
/// threads. Each message goes out whole.
#[derive(Debug)]
pub struct Writer<S> {
    shared: Arc<Shared<S>>,
}

impl<S> Clone for Writer<S> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

/// How long the reader waits for input while something that is owed could not leave.
const RETRY: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Shared<S> {
    driver: Mutex<Driver<Mailbox>>,
    /// The reader has seen the end.
    ended: Condvar,
    /// Locked while writing, by whichever thread does; never waited for while `driver` is locked.
    wire: Mutex<Wire<S>>,
    /// To end the stream under whoever waits for it; never locked for longer than that.
    breaker: Mutex<Std<S>>,
    close_timeout: Duration,
}

/// What the halves do to the network, as the driver sees it: it takes what was read from here, and the
/// halves take what it wants written.
#[derive(Debug)]
struct Mailbox {
    /// The stream can end its writing direction.
    shuts_down: bool,
    /// What the reader's last read came to.
    incoming: Option<io::Result<(Vec<u8>, Range<usize>)>>,
    /// A batch that was taken from the driver is not wholly written, or not flushed.
    unwritten: bool,
    /// The writing direction was ended.
    shut_down: bool,
    /// The reader has seen the end, or is gone.
    ended: bool,
}

#[derive(Debug)]
struct Wire<S> {
    transport: Std<S>,
    /// What is being written.
    batch: Output,
    /// The transport may still hold what was written to it.
    unflushed: bool,
}

pub(super) fn split<S: Read + Write + TryClone>(
    mut driver: Driver<Std<S>>,
) -> io::Result<(Reader<S>, Writer<S>)> {
    if driver.connection.halves().0.is_streaming() {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "the streaming mode cannot be split"));
    }
    let (stream, breaker) = (driver.transport.try_clone()?, driver.transport.try_clone()?);
    let close_timeout = driver.connection.close_timeout();
    let mailbox = Mailbox {
        shuts_down: breaker.shuts_down(),
        incoming: None,
        unwritten: true, // the stream may hold back what was written to it before
        shut_down: false,
        ended: false,
    };
    let (transport, driver) = driver.replace_transport(mailbox);
    let shared = Arc::new(Shared {
        driver: Mutex::new(driver),
        ended: Condvar::new(),
        wire: Mutex::new(Wire { transport, batch: Output::default(), unflushed: true }),
        breaker: Mutex::new(breaker),
        close_timeout,
    });
    Ok((Reader { stream, shared: Arc::clone(&shared) }, Writer { shared }))
}

impl<S: Read + Write> Reader<S> {
    /// The next message; as [`WebSocket::read`](super::blocking::WebSocket::read).
    ///
    /// # Errors
    /// As there.
    pub fn read(&mut self) -> Result<Option<Message>, Error> {
        let cx = &mut Context::from_waker(Waker::noop());
        self.stream.begin();
        loop {
            let mut driver = self.shared.driver();
            let polled = driver.poll_message(cx);
            let mut deadline = driver.deadline();
            let at_eof = driver.connection.halves().0.at_eof();
            drop(driver);
            if let Poll::Ready(result) = polled {
                if matches!(result, Ok(None)) {
                    self.shared.finish();
                }
                if !matches!(result, Ok(Some(_))) {
                    self.shared.end();
                }
                return result;
            }

            match self.shared.write_owed() {
                Poll::Ready(false) => {}
                // That it was written may be all that was awaited.
                Poll::Ready(true) => continue,
                Poll::Pending => {
                    let retry = Instant::now() + RETRY;
                    deadline = Some(deadline.map_or(retry, |deadline| deadline.min(retry)));
                }
            }
            if at_eof {
                // Nothing more will come; a writer has still to finish, or the deadline to pass.
                let _woken = self.shared.ended.wait_timeout(self.shared.driver(), RETRY);
                continue;
            }
            let _read_at_least_once = self.stream.poll_deadline(cx, deadline);
            let mut buffer = pool::take();
            let incoming = match self.stream.poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(n)) if n > buffer.len() => Err(io::Error::other(Overfilled)),
                Poll::Ready(Ok(n)) => Ok((buffer, 0..n)),
                Poll::Ready(Err(error)) => Err(error),
                Poll::Pending => {
                    pool::give(buffer);
                    if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        continue;
                    }
                    return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
                }
            };
            self.shared.driver().transport.incoming = Some(incoming);
        }
    }

    /// How far the connection has come.
    pub fn state(&self) -> State {
        self.shared.driver().connection.state()
    }

    /// How the connection ended or is ending; `None` while it is open.
    pub fn close_info(&self) -> Option<CloseInfo> {
        self.shared.driver().connection.close_info().cloned()
    }
}

impl<S> Drop for Reader<S> {
    fn drop(&mut self) {
        self.shared.driver().transport.ended = true;
        self.shared.ended.notify_all();
    }
}

impl<S: Read + Write> Writer<S> {
    /// Sends a message, and returns when it has been written.
    ///
    /// # Errors
    /// As for [`WebSocket::send`](super::blocking::WebSocket::send).
    pub fn send<'m>(&self, message: impl Into<Outgoing<'m>>) -> Result<(), Error> {
        self.write(|sender| sender.send(message))
    }

    /// Sends a message that was framed before.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_prepared(&self, message: &PreparedMessage) -> Result<(), Error> {
        self.write(|sender| sender.send_prepared(message))
    }

    /// Sends a ping of at most 125 bytes.
    ///
    /// # Errors
    /// As for [`send`](Self::send); and if the payload is longer.
    pub fn ping(&self, payload: &[u8]) -> Result<(), Error> {
        self.write(|sender| sender.ping(payload))
    }

    /// Writes all that is queued: what a non-blocking stream did not take before.
    ///
    /// # Errors
    /// As for [`WebSocket::flush`](super::blocking::WebSocket::flush).
    pub fn flush(&self) -> Result<(), Error> {
        self.write(|_| Ok(()))
    }

    /// Sends a Close frame, waits until the [`Reader`] has seen the end, at most for the
    /// [`close_timeout`](crate::Config::close_timeout), and says how it went.
    ///
    /// # Errors
    /// The code or reason cannot be sent: the connection then goes on.
    pub fn close(&self, frame: impl Into<Option<CloseFrame>>) -> Result<CloseInfo, Error> {
        self.shared.driver().start_close(frame.into())?;
        // Another thread that is writing will find it; if that one is stuck, it is freed below.
        if let Ok(mut wire) = self.shared.wire.try_lock() {
            wire.transport.begin();
            let _all_or_some = self.shared.write(wire, None);
        }
        let driver = self.shared.driver();
        let (mut driver, waited) = self
            .shared
            .ended
            .wait_timeout_while(driver, self.shared.close_timeout, |driver| !driver.transport.ended)
            .unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() {
            driver.sender().abandon();
        }
        let info = driver.connection.close_info().cloned();
        drop(driver);
        if waited.timed_out() {
            // The reader may be waiting for a peer that has nothing more to say, a writer for one that
            // reads nothing.
            self.shared.break_stream();
        }
        info.ok_or(Error::Closed)
    }

    /// How many bytes wait to be written and are not being written.
    pub fn buffered_amount(&self) -> usize {
        self.shared.driver().connection.buffered_amount()
    }

    /// Queues something and writes it. The wire is locked first, so that the reader never finds more to
    /// write than what is owed.
    fn write(&self, queue: impl FnOnce(&mut Sender) -> Result<(), SendError>) -> Result<(), Error> {
        let mut wire = self.shared.wire.lock().unwrap_or_else(PoisonError::into_inner);
        wire.transport.begin();
        if !self.shared.driver().sender().has_room()
            && self.shared.write_batches(&mut wire, None).is_pending()
        {
            return Err(io::Error::from(io::ErrorKind::WouldBlock).into());
        }
        let queued = queue(self.shared.driver().sender());
        // Even if nothing was queued: the reader leaves what it owes to whoever has the wire. A non-blocking
        // stream takes the rest later.
        let _all_or_some = self.shared.write(wire, None);
        queued?;
        self.shared.driver().check_writing()
    }
}

impl<S> Shared<S> {
    fn driver(&self) -> MutexGuard<'_, Driver<Mailbox>> {
        self.driver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The reader has seen the end. Whoever is still writing writes to nobody.
    fn end(&self) {
        let mut driver = self.driver();
        driver.transport.ended = true;
        let is_writing = driver.transport.unwritten;
        drop(driver);
        self.ended.notify_all();
        if is_writing {
            self.break_stream();
        }
    }

    fn break_stream(&self) {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner).shutdown_both();
    }
}

impl<S: Read + Write> Shared<S> {
    /// The last of what is owed, at a clean end: that the stream is shut down. A writer that has just written all
    /// does it; one that is stuck has no time for it.
    fn finish(&self) {
        let is_writing = |driver: &mut Driver<Mailbox>| driver.transport.unwritten;
        drop(self.ended.wait_timeout_while(self.driver(), RETRY, is_writing));
        let _by_a_writer_or_here = self.write_owed();
    }

    /// Writes what is owed, unless another thread is writing: it will find what was queued before this
    /// was called. Pending if the network does not take it at once, because the peer may be waiting for
    /// us to read. True: something was written.
    fn write_owed(&self) -> Poll<bool> {
        if !self.has_output() {
            return Poll::Ready(false);
        }
        let wire = match self.wire.try_lock() {
            Ok(wire) => wire,
            Err(TryLockError::Poisoned(wire)) => wire.into_inner(),
            Err(TryLockError::WouldBlock) => return Poll::Ready(false),
        };
        // If it fails, the driver knows, and reports it when reading ends.
        self.write(wire, Some(Instant::now())).map(|()| true)
    }

    fn has_output(&self) -> bool {
        let mut driver = self.driver();
        let has_shutdown = driver.connection.wants_shutdown() && !driver.transport.shut_down;
        driver.connection.output().has_remaining() || driver.transport.unwritten || has_shutdown
    }

    /// Writes all that is queued; pending if the stream takes no more. What comes while it writes goes
    /// too, and what comes between its last look and its unlocking is found by looking once more.
    fn write<'s>(&'s self, mut wire: MutexGuard<'s, Wire<S>>, until: Option<Instant>) -> Poll<()> {
        let cx = &mut Context::from_waker(Waker::noop());
        loop {
            ready!(self.write_batches(&mut wire, until));
            let mut driver = self.driver();
            let owes_shutdown = driver.connection.wants_shutdown() && !driver.transport.shut_down;
            driver.transport.shut_down |= owes_shutdown;
            drop(driver);
            if owes_shutdown {
                // The stream may be closed already, and is about to be.
                let _harmless = wire.transport.poll_shutdown(cx);
            }
            drop(wire);
            if !self.has_output() {
                return Poll::Ready(());
            }
            match self.wire.try_lock() {
                Ok(again) => wire = again,
                Err(_) => return Poll::Ready(()), // another thread writes it
            }
        }
    }

    fn write_batches(&self, wire: &mut Wire<S>, until: Option<Instant>) -> Poll<()> {
        let cx = &mut Context::from_waker(Waker::noop());
        let Wire { transport, batch, unflushed } = wire;
        loop {
            let mut driver = self.driver();
            if !batch.has_remaining() {
                batch.return_buffer();
                *batch = driver.connection.output().take();
            }
            driver.transport.unwritten = batch.has_remaining() || *unflushed;
            let deadline = driver.deadline();
            drop(driver);
            let _write_at_least_once = transport.poll_deadline(cx, until.or(deadline));
            let flushes = !batch.has_remaining();
            let written =
                if flushes { transport.poll_flush(cx) } else { poll_write_some(transport, cx, batch) };
            match written {
                Poll::Ready(Ok(())) if !flushes => *unflushed = true,
                Poll::Ready(Ok(())) => {
                    *unflushed = false;
                    let mut driver = self.driver();
                    driver.transport.unwritten = false;
                    self.ended.notify_all();
                    batch.return_buffer();
                    if !driver.connection.output().has_remaining() {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(Err(error)) => {
                    let mut driver = self.driver();
                    driver.transport.unwritten = false;
                    give_back(batch, driver.connection.output());
                    driver.break_writing(error);
                    batch.clear();
                    *unflushed = false;
                    return Poll::Ready(());
                }
                Poll::Pending if until.is_some() => return Poll::Pending,
                Poll::Pending if deadline.is_some_and(|deadline| Instant::now() >= deadline) => {
                    let mut driver = self.driver();
                    give_back(batch, driver.connection.output());
                    driver.note_time();
                    if driver.sender().is_abandoned() {
                        batch.clear();
                        *unflushed = false;
                        driver.transport.unwritten = false;
                        return Poll::Ready(());
                    }
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// Before what was not written may have to be dropped: the connection wants to know that there was something.
fn give_back(batch: &mut Output, output: &mut Output) {
    if !output.has_remaining() {
        std::mem::swap(batch, output);
    }
}

impl Sealed for Mailbox {}

impl Transport for Mailbox {
    const BLOCKS: bool = false;
    type Stream = Self;

    fn get_ref(&self) -> &Self {
        self
    }

    fn get_mut(&mut self) -> &mut Self {
        self
    }

    fn into_inner(self) -> Self {
        self
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn poll_read(&mut self, _: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.incoming.take() {
            None => Poll::Pending,
            Some(Err(error)) => Poll::Ready(Err(error)),
            Some(Ok((bytes, mut unread))) => {
                let n = unread.len().min(buffer.len());
                let source = bytes.get(unread.clone()).unwrap_or_default();
                buffer.iter_mut().zip(source).for_each(|(target, byte)| *target = *byte);
                unread.start += n;
                if unread.is_empty() {
                    pool::give(bytes);
                } else {
                    self.incoming = Some(Ok((bytes, unread)));
                }
                Poll::Ready(Ok(n))
            }
        }
    }

    /// The halves write, with the driver unlocked.
    fn poll_write(&mut self, _: &mut Context<'_>, _: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    /// The halves see for themselves.
    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(if self.shuts_down { Ok(()) } else { Err(io::ErrorKind::Unsupported.into()) })
    }

    fn poll_deadline(&mut self, _: &mut Context<'_>, deadline: Option<Instant>) -> Poll<()> {
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
