//! The network between two ends: it does what is asked, or less, or later, or not at all, as chance has it; and
//! keeps book of what it did to whom.

use super::step::{Log, Step};
use crate::support::choices::Choices;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What the network is like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Weather {
    /// One call in so many is pending although it could go; 0 is none.
    pub(crate) pends: usize,
    /// One call in so many fails; 0 is none.
    pub(crate) fails: usize,
    /// Reads and writes move a part of what they could.
    pub(crate) shorts: bool,
    /// What is written arrives later.
    pub(crate) delays: bool,
}

impl Weather {
    pub(crate) const FAIR: Self = Self { pends: 0, fails: 0, shorts: false, delays: false };
}

/// What has gone wrong for one end, to explain its errors by.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    /// The kinds of the errors that its calls returned.
    pub(crate) kinds: Vec<ErrorKind>,
    /// A write or a flush was among them.
    pub(crate) in_writing: bool,
    /// What it read has ended, by whatever reason.
    pub(crate) saw_eof: bool,
}

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Flush,
    Shutdown,
}

/// The network.
#[derive(Debug)]
pub(crate) struct Wire<'d> {
    pub(crate) choices: Choices<'d>,
    pub(crate) log: Log,
    pub(crate) weather: Weather,
    /// What end 0 writes, and what end 1 does.
    pub(crate) ways: [Way; 2],
    pub(crate) faults: [Faults; 2],
    /// It has failed, lost or ended something by itself.
    pub(crate) is_disturbed: bool,
    /// When each end last moved something.
    pub(crate) touched: [Instant; 2],
    /// How many calls there were, and how many bytes, flushes and ends went through.
    pub(crate) calls: u64,
    pub(crate) moved: u64,
    /// How many calls one poll may still make.
    pub(crate) patience: usize,
    /// The tasks of calls that were pending for no reason.
    fickle: Vec<Waker>,
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Way {
    pub(crate) capacity: usize,
    /// Writes wait for a flush.
    pub(crate) holds: bool,
    held: Vec<u8>,
    /// Pieces under way, and when they arrive.
    flight: VecDeque<(Instant, Vec<u8>)>,
    ready: VecDeque<u8>,
    pub(crate) stalled: Option<Instant>,
    /// Nothing is written any more.
    fin: bool,
    /// The writer's stream was lost; the reader hears of it once.
    reset: bool,
    /// Nobody reads any more.
    deaf: bool,
    /// Every call of its writer fails, or of its reader.
    dead: [Option<ErrorKind>; 2],
    reader: Option<Waker>,
    writer: Option<Waker>,
}

impl Way {
    fn len(&self) -> usize {
        self.held.len() + self.flight.iter().map(|(_, piece)| piece.len()).sum::<usize>() + self.ready.len()
    }

    fn wake_reader(&mut self) {
        self.reader.take().into_iter().for_each(Waker::wake);
    }

    fn wake_writer(&mut self) {
        self.writer.take().into_iter().for_each(Waker::wake);
    }

    /// Sends what was held back.
    fn release(&mut self, due: Instant) {
        if !self.held.is_empty() {
            let due = self.flight.back().map_or(due, |(before, _)| due.max(*before));
            self.flight.push_back((due, std::mem::take(&mut self.held)));
        }
    }

    /// What is due arrives.
    fn step(&mut self, now: Instant) -> bool {
        if self.stalled.is_some_and(|until| now < until) {
            return false;
        }
        let mut moves = self.stalled.take().is_some();
        while self.flight.front().is_some_and(|(due, _)| *due <= now) {
            self.ready.extend(self.flight.pop_front().into_iter().flat_map(|(_, piece)| piece));
            moves = true;
        }
        if moves {
            self.wake_reader();
        }
        moves
    }

    /// When the next piece arrives.
    fn due(&self) -> Option<Instant> {
        self.flight.front().map(|(due, _)| *due).max(self.stalled)
    }

    /// The connection is lost, and all that is under way.
    fn lose(&mut self) {
        (self.held, self.flight, self.stalled) = Default::default();
        self.ready.clear();
        (self.reset, self.fin, self.deaf) = (true, true, true);
        self.wake_reader();
        self.wake_writer();
    }
}

/// No poll has reason for more calls.
pub(crate) const PATIENCE: usize = 1_000_000;

/// What a call that goes on may move.
type Begun = Poll<io::Result<usize>>;

impl<'d> Wire<'d> {
    pub(crate) fn new(mut choices: Choices<'d>, weather: Weather) -> Self {
        let ways = [(); 2].map(|()| Way {
            capacity: choices.pick(&[1 << 20, 1 << 16, 4000, 300, 17, 1]),
            holds: choices.one_in(4),
            ..Way::default()
        });
        Self {
            choices,
            log: Log::default(),
            weather,
            ways,
            faults: Default::default(),
            is_disturbed: false,
            touched: [Self::now(); 2],
            calls: 0,
            moved: 0,
            patience: PATIENCE,
            fickle: Vec::new(),
        }
    }

    pub(crate) fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    /// The network moves by itself. False: it waits for somebody, or for the clock.
    pub(crate) fn step(&mut self) -> bool {
        let woken = std::mem::take(&mut self.fickle);
        let mut moves = !woken.is_empty();
        woken.into_iter().for_each(Waker::wake);
        for way in &mut self.ways {
            moves |= way.step(Self::now());
        }
        moves
    }

    /// When it can go on.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.ways.iter().filter_map(Way::due).min()
    }

    /// Whether what an end wrote waits for a flush that nothing keeps from it.
    pub(crate) fn holds_back(&self, end: usize) -> bool {
        !self.is_disturbed && !self.ways[end].held.is_empty() && !self.ways[end].deaf
    }

    /// One direction stands still for a while.
    pub(crate) fn stall(&mut self, way: usize, time: Duration) {
        self.log.push(Step::Stall(way, time));
        self.ways[way].stalled = Some(Self::now() + time);
    }

    /// Both directions are lost at once.
    pub(crate) fn reset(&mut self) {
        self.log.push(Step::Reset);
        self.is_disturbed = true;
        self.ways.iter_mut().for_each(Way::lose);
    }

    /// What an end writes ends here, and it knows nothing of that.
    pub(crate) fn cut(&mut self, way: usize) {
        self.log.push(Step::Cut(way));
        self.is_disturbed = true;
        (self.ways[way].fin, self.ways[way].deaf) = (true, true);
        self.ways[way].wake_reader();
        self.ways[way].wake_writer();
    }

    /// No more trouble than there is.
    pub(crate) fn calm(&mut self) {
        self.weather = Weather::FAIR;
        for way in &mut self.ways {
            way.capacity = way.capacity.max(4000);
            way.stalled = way.stalled.map(|_| Self::now());
            way.wake_writer();
        }
    }

    /// A stream is dropped. What it has not read makes a reset of it, as with TCP.
    fn leave(&mut self, end: usize) {
        self.log.push(Step::Left(end));
        let [incoming, outgoing] = [1 - end, end];
        if self.ways[incoming].len() > 0 {
            self.ways[outgoing].lose();
        }
        self.ways[outgoing].held.clear();
        self.ways[outgoing].fin = true;
        self.ways[outgoing].wake_reader();
        self.ways[incoming].deaf = true;
        self.ways[incoming].wake_writer();
    }

    /// A call begins: whether it goes on, and how much it may move.
    fn begin(&mut self, end: usize, call: Call, most: usize, cx: &Context<'_>) -> Begun {
        self.calls += 1;
        self.patience = self.patience.checked_sub(1).expect("a poll without an end");
        let Weather { pends, fails, shorts, .. } = self.weather;
        let (way, side) = if call == Call::Read { (1 - end, 1) } else { (end, 0) };
        if pends > 0 && self.choices.one_in(pends) {
            match self.choices.one_in(2) {
                false => self.fickle.push(cx.waker().clone()),
                true => cx.waker().wake_by_ref(),
            }
            self.moved += 1; // it will go another time
            return self.wait(end, call, cx);
        }
        if fails > 0 && self.ways[way].dead[side].is_none() && self.choices.one_in(fails) {
            return Poll::Ready(self.fail(end, call, way, side));
        }
        if let Some(kind) = self.ways[way].dead[side] {
            return Poll::Ready(Err(self.failed(end, kind)));
        }
        Poll::Ready(Ok(if shorts && self.choices.one_in(2) {
            1 + self.choices.below(most.max(1))
        } else {
            most
        }))
    }

    fn wait<R>(&mut self, end: usize, call: Call, cx: &Context<'_>) -> Poll<R> {
        let waker = Some(cx.waker().clone());
        match call {
            Call::Read => self.ways[1 - end].reader = waker,
            _ => self.ways[end].writer = waker,
        }
        self.log.push(Step::Pending(end, call));
        Poll::Pending
    }

    /// One of the ways in which a call fails.
    fn fail(&mut self, end: usize, call: Call, way: usize, side: usize) -> io::Result<usize> {
        use ErrorKind::{
            BrokenPipe, ConnectionReset, Interrupted, Other, TimedOut, UnexpectedEof, WouldBlock,
        };
        self.is_disturbed = true;
        if self.choices.one_in(4) && matches!(call, Call::Read | Call::Write) {
            if call == Call::Read {
                self.ways[way].lose();
                self.ways[way].reset = false;
            }
            self.faults[end].kinds.push(ErrorKind::WriteZero);
            return Ok(0);
        }
        let kinds = [ConnectionReset, BrokenPipe, Interrupted, Other, TimedOut, UnexpectedEof, WouldBlock];
        let kind = self.choices.pick(&kinds);
        self.ways[way].dead[side] = self.choices.one_in(2).then_some(kind);
        Err(self.failed(end, kind))
    }

    fn failed(&mut self, end: usize, kind: ErrorKind) -> io::Error {
        self.faults[end].kinds.push(kind);
        kind.into()
    }

    fn read(&mut self, end: usize, buffer: &mut [u8], cx: &Context<'_>) -> Poll<io::Result<usize>> {
        let most = ready!(self.begin(end, Call::Read, buffer.len(), cx))?;
        let way = &mut self.ways[1 - end];
        if std::mem::take(&mut way.reset) {
            return Poll::Ready(Err(self.failed(end, ErrorKind::ConnectionReset)));
        }
        let n = most.min(buffer.len()).min(way.ready.len());
        let at_end = way.fin && way.flight.is_empty() && way.stalled.is_none();
        if n == 0 && !buffer.is_empty() && !at_end {
            return self.wait(end, Call::Read, cx);
        }
        buffer.iter_mut().zip(way.ready.drain(..n)).for_each(|(to, byte)| *to = byte);
        way.wake_writer();
        self.faults[end].saw_eof |= n == 0;
        self.moved += n as u64;
        self.touched[end] = Self::now();
        Poll::Ready(Ok(n))
    }

    fn write(&mut self, end: usize, slices: &[IoSlice<'_>], cx: &Context<'_>) -> Poll<io::Result<usize>> {
        let offered = slices.iter().map(|slice| slice.len()).sum::<usize>();
        assert!(slices.iter().all(|slice| !slice.is_empty()), "a write of nothing");
        let most = ready!(self.begin(end, Call::Write, offered, cx))?;
        if most == 0 {
            return Poll::Ready(Ok(0));
        }
        let due = self.due_now();
        let way = &mut self.ways[end];
        if way.deaf {
            return Poll::Ready(Err(self.failed(end, ErrorKind::BrokenPipe)));
        }
        assert!(!way.fin, "written after the end");
        let n = most.min(offered).min(way.capacity.saturating_sub(way.len()));
        if n == 0 {
            return self.wait(end, Call::Write, cx);
        }
        way.held.reserve(n);
        let mut left = n;
        for slice in slices {
            let (now, _) = slice.split_at(left.min(slice.len()));
            way.held.extend_from_slice(now);
            left -= now.len();
        }
        // Who holds bytes back lets them go when he has too many, or nobody could write on.
        if !way.holds || way.len() >= way.capacity {
            way.release(due);
        }
        self.moved += n as u64;
        self.touched[end] = Self::now();
        Poll::Ready(Ok(n))
    }

    fn flush(&mut self, end: usize, call: Call, cx: &Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.begin(end, call, 0, cx))?;
        let due = self.due_now();
        let way = &mut self.ways[end];
        self.moved += u64::from(!way.held.is_empty() || (call == Call::Shutdown && !way.fin));
        way.release(due);
        if call == Call::Shutdown && !way.fin {
            way.fin = true;
            way.wake_reader();
        }
        Poll::Ready(Ok(()))
    }

    fn due_now(&mut self) -> Instant {
        let delay = if self.weather.delays { self.choices.pick(&[0, 0, 1, 30, 700, 6000]) } else { 0 };
        Self::now() + Duration::from_millis(delay)
    }
}

/// One end of it.
#[derive(Debug)]
pub(crate) struct Stream<'d> {
    pub(crate) wire: Rc<RefCell<Wire<'d>>>,
    pub(crate) end: usize,
}

impl<'d> Stream<'d> {
    fn call<R>(
        &self,
        call: Call,
        act: impl FnOnce(&mut Wire<'d>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>>
    where
        R: Copy + Into<Moved>,
    {
        let mut wire = self.wire.borrow_mut();
        let result = act(&mut wire);
        if let Poll::Ready(result) = &result {
            let fails =
                result.is_err() || (call == Call::Write && result.as_ref().is_ok_and(|&n| n.into().0 == 0));
            wire.faults[self.end].in_writing |= fails && matches!(call, Call::Write | Call::Flush);
            let moved = result.as_ref().map(|&moved| moved.into().0).map_err(io::Error::kind);
            wire.log.push(Step::Call(self.end, call, moved));
        }
        result
    }
}

/// How many bytes a call has moved, for the log.
pub(crate) struct Moved(usize);

impl From<usize> for Moved {
    fn from(n: usize) -> Self {
        Self(n)
    }
}

impl From<()> for Moved {
    fn from((): ()) -> Self {
        Self(0)
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        // A panic may have happened anywhere.
        if let Ok(mut wire) = self.wire.try_borrow_mut() {
            wire.leave(self.end);
        }
    }
}

impl AsyncRead for Stream<'_> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let n = ready!(self.call(Call::Read, |wire| wire.read(self.end, buffer.initialize_unfilled(), cx)))?;
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream<'_> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.call(Call::Write, |wire| wire.write(self.end, slices, cx))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.call(Call::Flush, |wire| wire.flush(self.end, Call::Flush, cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.call(Call::Shutdown, |wire| wire.flush(self.end, Call::Shutdown, cx))
    }
}
