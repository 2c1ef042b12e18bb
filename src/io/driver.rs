//! Joins a [`Connection`] and a [`Transport`]: the only place that does.

use super::transport::Transport;
use crate::connection::{Connection, Descriptor, Event, Sender, later};
use crate::error::Error;
use crate::frame::CloseFrame;
use crate::message::Message;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Instant;

mod writing;

use writing::Writing;
pub(super) use writing::poll_write_some;

/// A connection over a transport.
///
/// It reads for as long as bytes are there, and writes what is queued when a read would block, or at
/// 64 KiB: so a burst of messages is answered by one write. That the network takes nothing never keeps
/// it from reading, unless the transport blocks: while a call waits to write, it reads on, as far as the
/// connection keeps what is found, so that two peers who both write a large message do not wait for each other.
///
/// All state is here and none in a call, so a call that returned `Pending` may be forgotten.
#[derive(Debug)]
pub(super) struct Driver<T> {
    pub(super) transport: T,
    pub(super) connection: Connection,
    phase: Phase,
    writing: Writing,
    /// The transport may still hold what was written to it.
    unflushed: bool,
    /// The writing direction of the transport was shut down.
    shut_down: bool,
    /// How many reads there were since something was last written.
    reads_since_write: u8,
    deadline: Option<Instant>,
}

/// How far a connection is on its way out.
#[derive(Debug)]
enum Phase {
    /// Events come.
    Open,
    /// The same; and some were found while a call waited to write, which the connection keeps.
    Ahead(Then),
    /// No more events come. The Close frame leaves, and the stream ends; then this is reported.
    Ending { outcome: Result<(), Box<Error>> },
    /// It was reported.
    Ended { clean: bool },
}

/// What comes after the events that are kept.
#[derive(Debug)]
enum Then {
    /// More, perhaps.
    More,
    /// Reading has failed.
    Failed(io::Error),
    /// Nothing more can come; until when the peer is given time to take what is written.
    Nothing { until: Box<Instant> },
}

impl<T: Transport> Driver<T> {
    /// From this many queued bytes on, it writes although more can be read.
    const WRITE_AT: usize = 64 << 10;
    /// After this many reads it writes what is queued, although more can be read: a peer that never stops
    /// sending gets its pongs too.
    const READS: u8 = 16;

    pub(super) fn new(transport: T, mut connection: Connection) -> Self {
        connection.return_buffers();
        let has_kept = connection.halves().0.has_kept();
        let mut driver = Self {
            transport,
            connection,
            phase: if has_kept { Phase::Ahead(Then::More) } else { Phase::Open },
            writing: Writing::Works,
            unflushed: true, // by whoever wrote to it before
            shut_down: false,
            reads_since_write: 0,
            deadline: None,
        };
        driver.note_time();
        driver
    }

    /// The same connection over another transport.
    pub(super) fn replace_transport<U>(self, transport: U) -> (T, Driver<U>) {
        let Self {
            transport: old,
            connection,
            phase,
            writing,
            unflushed,
            shut_down,
            reads_since_write,
            deadline,
        } = self;
        let driver = Driver {
            transport,
            connection,
            phase,
            writing,
            unflushed,
            shut_down,
            reads_since_write,
            deadline,
        };
        (old, driver)
    }

    /// When to poll again at the latest.
    #[cfg(any(feature = "tokio", feature = "futures"))]
    pub(super) fn next_deadline(&mut self) -> Option<Instant> {
        // Whether one that has passed was met is for a poll to say, which looks first at what has come.
        if self.deadline.is_none_or(|deadline| self.transport.now() < deadline) {
            self.note_time();
        }
        [self.deadline, self.gives_up_at()].into_iter().flatten().min()
    }

    /// Until when something is awaited of a peer that cannot be expected to do it.
    const fn gives_up_at(&self) -> Option<Instant> {
        match (&self.writing, &self.phase) {
            (Writing::Broken(broken), _) => Some(broken.until),
            (_, Phase::Ahead(Then::Nothing { until })) => Some(**until),
            _ => None,
        }
    }

    /// When [`note_time`](Self::note_time) is due.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The next event, for [`lend`](Self::lend). `None`: the peer has closed the connection.
    #[inline(always)]
    pub(super) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Descriptor>, Error>> {
        if let Phase::Open = self.phase
            && let Some(descriptor) = self.connection.advance_fast()
        {
            if self.connection.buffered_amount() >= Self::WRITE_AT {
                self.write_what_goes(cx);
            }
            return Poll::Ready(Ok(Some(descriptor)));
        }
        // Taken apart, so that what was found fast stays in registers.
        match self.poll_next_slowly(cx) {
            Poll::Ready(Ok(Some(descriptor))) => Poll::Ready(Ok(Some(descriptor))),
            Poll::Ready(Ok(None)) => Poll::Ready(Ok(None)),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Lends an event, and the sending half beside it. `None`: it is no valid text; poll again for the
    /// error.
    #[inline(always)]
    pub(super) fn lend(&mut self, descriptor: Descriptor) -> Option<(Event<'_>, &mut Sender)> {
        self.connection.lend(descriptor).ok()
    }

    /// The sending half.
    #[inline(always)]
    pub(super) fn sender(&mut self) -> &mut Sender {
        self.connection.halves().1
    }

    /// Queues a Close frame, unless the connection is closing already.
    pub(super) fn start_close(&mut self, frame: Option<CloseFrame>) -> Result<(), Error> {
        if matches!(self.phase, Phase::Open | Phase::Ahead { .. }) {
            if self.sender().is_open() {
                self.sender().close(frame)?;
            }
            self.note_time();
        }
        Ok(())
    }

    /// The next message, owned; what else comes is passed over.
    #[inline(always)]
    pub(super) fn poll_message(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>, Error>> {
        while let Some(descriptor) = ready!(self.poll_next(cx))? {
            match self.connection.lend(descriptor) {
                Ok((Event::TextPart { .. } | Event::BinaryPart { .. }, _)) => {
                    return Poll::Ready(Err(Error::Streaming));
                }
                Ok((event, _)) => {
                    if let Some(message) = event.into_message() {
                        return Poll::Ready(Ok(Some(message)));
                    }
                }
                Err(_) => {} // the next poll says it
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Ready when the connection is closed; what comes until then is dropped.
    pub(super) fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        while let Some(descriptor) = ready!(self.poll_next(cx))? {
            let _dropped = self.connection.lend(descriptor); // lending is what validates a text
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the connection has ended, or its closing handshake has taken too long: for one who does not
    /// read while another does.
    #[cfg(any(feature = "tokio", feature = "futures"))]
    pub(super) fn poll_ended(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let _the_rest_waits = self.poll_write(cx);
            if self.has_ended() || self.sender().is_abandoned() {
                return Poll::Ready(());
            }
            ready!(self.transport.poll_deadline(cx, self.deadline));
            self.note_time();
        }
    }

    /// Does something for one of several tasks; says also whether others may now be able to go on.
    #[cfg(any(feature = "tokio", feature = "futures"))]
    #[inline]
    pub(super) fn watch<R>(&mut self, act: impl FnOnce(&mut Self) -> R) -> (R, bool) {
        let standing = |driver: &Self| {
            let phase = std::mem::discriminant(&driver.phase);
            (driver.connection.standing(), driver.unflushed, phase)
        };
        let before = standing(self);
        let result = act(self);
        (result, standing(self) != before)
    }

    /// Whether all has been said.
    #[cfg(any(feature = "tokio", feature = "futures"))]
    pub(super) const fn has_ended(&self) -> bool {
        matches!(self.phase, Phase::Ended { .. })
    }

    #[inline(never)]
    fn poll_next_slowly(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Descriptor>, Error>> {
        loop {
            match &self.phase {
                Phase::Ended { clean: true } => return Poll::Ready(Ok(None)),
                Phase::Ended { clean: false } => return Poll::Ready(Err(Error::Closed)),
                Phase::Ahead(_) => {
                    if let Some(descriptor) = self.connection.take_kept() {
                        return Poll::Ready(Ok(Some(descriptor)));
                    }
                    let phase = std::mem::replace(&mut self.phase, Phase::Open);
                    if let Phase::Ahead(Then::Failed(error)) = phase {
                        self.end(Err(error.into()));
                    }
                }
                Phase::Ending { .. } => {
                    let ended = self.poll_end(cx);
                    self.connection.return_buffers();
                    ready!(ended);
                    let phase = std::mem::replace(&mut self.phase, Phase::Ended { clean: false });
                    if let Phase::Ending { outcome } = phase {
                        self.phase = Phase::Ended { clean: outcome.is_ok() };
                        return Poll::Ready(outcome.map(|()| None).map_err(|error| *error));
                    }
                }
                Phase::Open => match self.connection.advance() {
                    Ok(Some(descriptor)) => return Poll::Ready(Ok(Some(descriptor))),
                    Ok(None) if self.connection.halves().0.is_closed() => self.end(Ok(())),
                    Ok(None) => ready!(self.poll_fill(cx)),
                    Err(error) => self.end(Err(error.into())),
                },
            }
        }
    }

    /// Begins to end the connection.
    fn end(&mut self, outcome: Result<(), Error>) {
        let outcome = outcome.or_else(|error| match self.writing {
            Writing::Works => Err(error),
            Writing::Broken(_) => self.check_writing(),
        });
        self.phase = Phase::Ending { outcome: outcome.map_err(Box::new) };
        self.note_time();
    }

    /// Reads once. Before it waits for input, what is queued leaves.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // The events since the last read may have moved it, or the application may have closed.
        let writes = match self.writing {
            Writing::Works => {
                self.deadline = self.connection.next_timeout();
                // Even if it has passed there is one read first: what was awaited may have come long ago.
                let has_passed = |deadline| self.transport.now() >= deadline;
                let (_, sender) = self.connection.halves();
                if !sender.is_open() && !sender.is_abandoned() && !self.deadline.is_some_and(has_passed) {
                    self.note_time();
                    if self.connection.halves().1.is_abandoned() {
                        return Poll::Ready(()); // there was no time at all
                    }
                }
                true
            }
            Writing::Broken(ref broken) => {
                self.deadline = Some(broken.until);
                false
            }
        };
        let deadline = self.deadline;
        let is_due = self.transport.poll_deadline(cx, self.deadline).is_ready();
        self.reads_since_write += 1;
        if self.reads_since_write >= Self::READS {
            self.write_what_goes(cx);
        }
        if T::BLOCKS {
            self.write_what_goes(cx);
            self.sender().return_buffer();
            if self.deadline != deadline || (writes && self.is_broken()) {
                return Poll::Ready(()); // it passed while writing, or there is another now
            }
        }
        match self.poll_read(cx) {
            Poll::Ready(Ok(())) => Poll::Ready(()),
            Poll::Ready(Err(error)) => {
                self.sender().abandon();
                self.end(Err(error.into()));
                Poll::Ready(())
            }
            Poll::Pending => {
                if !T::BLOCKS {
                    self.write_what_goes(cx);
                }
                if (is_due && !self.transport.has_yielded()) || self.blocked_beyond_deadline() {
                    if writes {
                        self.note_time()
                    } else {
                        self.end(Err(Error::Closed))
                    }
                    return Poll::Ready(());
                }
                if writes && self.is_broken() {
                    return Poll::Ready(());
                }
                self.sender().return_buffer();
                Poll::Pending
            }
        }
    }

    /// While the network takes nothing, reads on, and has the connection keep what it finds, as far as it
    /// does. Ready: try to write again.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if T::BLOCKS {
            return Poll::Pending;
        }
        let end = loop {
            if !matches!(self.phase, Phase::Open | Phase::Ahead(Then::More))
                || !self.connection.halves().0.keeps_more()
            {
                break false;
            }
            match self.connection.advance_ahead() {
                Ok(true) => self.phase = Phase::Ahead(Then::More),
                Ok(false) if self.connection.halves().0.is_closed() => break true,
                Ok(false) => match self.poll_read(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => {
                        self.sender().abandon();
                        self.phase = Phase::Ahead(Then::Failed(error));
                    }
                    Poll::Pending => break false,
                },
                Err(_) => break true,
            }
        };
        if end {
            let until = later(self.transport.now(), self.connection.close_timeout());
            self.phase = Phase::Ahead(Then::Nothing { until: Box::new(until) });
        }
        // The application may have closed, by the sender that was lent to it.
        if !self.sender().is_open() {
            self.note_time();
        }
        let until = self.gives_up_at();
        let deadline = [self.deadline, until].into_iter().flatten().min();
        let is_due = self.transport.poll_deadline(cx, deadline).is_ready() && !self.transport.has_yielded();
        if is_due {
            let now = self.transport.now();
            self.deadline = self.connection.handle_timeout_while(true, now);
            if until.is_some_and(|until| now >= until) {
                self.sender().abandon();
            }
        }
        let moved = [self.deadline, until].into_iter().flatten().min() != deadline;
        if self.sender().is_abandoned() || (is_due && moved) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Reads once, into whatever the connection wants filled. A connection that waits holds no buffer to read into.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (receiver, _) = self.connection.halves();
        let Poll::Ready(read) = self.transport.poll_read(cx, receiver.input()) else {
            receiver.return_buffer();
            return Poll::Pending;
        };
        match read? {
            0 => receiver.receive_eof(),
            n => receiver.filled(n).map_err(io::Error::other)?,
        }
        if self.deadline.is_some() || self.connection.has_deadlines() {
            self.note_time();
        }
        Poll::Ready(Ok(()))
    }

    /// Whether a blocking read or write has ended because of the deadline.
    fn blocked_beyond_deadline(&self) -> bool {
        T::BLOCKS && self.deadline.is_some_and(|deadline| self.transport.now() >= deadline)
    }

    /// Ends the stream so that the peer can read our Close frame: §7.1.1 would have us shut down the
    /// writing side, read "until obtaining a return value of 0 indicating that the peer has also
    /// performed an orderly shutdown", and close. It takes no longer than the close timeout.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if T::BLOCKS {
            return self.poll_end_in_time(cx);
        }
        while self.poll_end_in_time(cx).is_pending() {
            // Not before: most peers are quick, and then there is no need of a timer.
            ready!(self.transport.poll_deadline(cx, self.deadline));
            self.note_time();
        }
        Poll::Ready(())
    }

    /// The same as far as it goes without waiting; a blocking transport waits until the deadline.
    fn poll_end_in_time(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            if T::BLOCKS && self.transport.poll_deadline(cx, self.deadline).is_ready() {
                self.note_time();
            }
            self.write_what_goes(cx);
            if self.sender().is_abandoned() {
                return Poll::Ready(());
            }
            if self.connection.wants_shutdown() && !self.shut_down {
                match self.transport.poll_shutdown(cx) {
                    Poll::Ready(Ok(())) => self.shut_down = true,
                    // It is closed already, or ends only when it is dropped, for which the peer may wait.
                    Poll::Ready(Err(_)) => return Poll::Ready(()),
                    Poll::Pending if self.blocked_beyond_deadline() => continue,
                    Poll::Pending => return Poll::Pending,
                }
            }
            let at_eof = self.connection.halves().0.at_eof();
            if at_eof && self.connection.wants_shutdown() {
                return Poll::Ready(());
            }
            // At the end of the stream only the rest of the output is waited for.
            match if at_eof { Poll::Pending } else { self.poll_read(cx) } {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(_)) => self.sender().abandon(),
                Poll::Pending if self.blocked_beyond_deadline() => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Tells the connection what time it is.
    pub(super) fn note_time(&mut self) {
        if self.connection.has_deadlines() {
            self.deadline = self.connection.handle_timeout(self.transport.now());
        }
    }
}
