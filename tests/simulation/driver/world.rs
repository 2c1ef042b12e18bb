//! The world: tasks, polled when they were woken, the network, and the clock.

use super::actor::{self, Actor, Half, Kind, Signal};
use super::books::{Books, End, Limits, NEVER};
use super::bytes;
use super::step::Step;
use super::wire::{PATIENCE, Stream, Weather, Wire};
use crate::support::choices::Choices;
use crate::support::net::Woken;
use sansocket::asynchronous::WebSocket;
use sansocket::{Agreement, Connection, Keepalive, Role};
use std::cell::{Cell, RefCell};
use std::mem;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);

/// A future that is polled when its own waker was woken.
struct Task<'d> {
    end: usize,
    future: Pin<Box<dyn Future<Output = Half<'d>> + 'd>>,
    signal: Rc<Signal>,
    woken: Arc<Woken>,
}

struct World<'d> {
    wire: Rc<RefCell<Wire<'d>>>,
    books: Rc<RefCell<Books>>,
    tasks: Vec<Task<'d>>,
    /// What tasks have given back.
    halves: [Vec<Half<'d>>; 2],
    /// How long messages are at most.
    longest: usize,
    /// How many polls there were since something happened.
    vain_polls: usize,
    /// How far the clock has moved since all had done what they could.
    jump: Duration,
    /// No time is up in it, if all goes well.
    is_timeless: bool,
    /// Which ends close at the end.
    closes: [bool; 2],
}

/// Prints what happened, if it came to a panic.
struct Print<'d>(Rc<RefCell<Wire<'d>>>);

impl Drop for Print<'_> {
    fn drop(&mut self) {
        if std::thread::panicking()
            && let Ok(wire) = self.0.try_borrow()
        {
            wire.log.print();
        }
    }
}

pub(super) async fn run(mut choices: Choices<'_>) {
    let weather = Weather {
        pends: choices.pick(&[0, 0, 3, 30]),
        fails: choices.pick(&[0, 0, 0, 200, 30]),
        shorts: choices.one_in(2),
        delays: choices.one_in(3),
    };
    let is_timed = choices.one_in(2);
    let ends = [(); 2].map(|()| {
        let limits = limits(&mut choices, is_timed);
        End::new(limits, choices.pick(&[usize::MAX, usize::MAX, 5000, 64]))
    });
    let calls_left = choices.below(60);
    let longest = choices.pick(&[100, 100, 5000, 100_000]);
    let closes = choices.pick(&[[true, false], [false, true], [true, true]]);
    let (opens, are_bytes) = (choices.one_in(4), choices.one_in(6));
    let steps = 20 + choices.below(300);
    let (is_rude, longest_jump) = (false, Duration::ZERO);
    let books = Books { ends, calls_left, are_bytes, finale: false, is_rude, longest_jump };
    let mut world = World {
        wire: Rc::new(RefCell::new(Wire::new(choices, weather))),
        books: Rc::new(RefCell::new(books)),
        tasks: Vec::new(),
        halves: Default::default(),
        longest,
        vain_polls: 0,
        jump: Duration::ZERO,
        is_timeless: !is_timed,
        closes,
    };
    let _print = Print(Rc::clone(&world.wire));
    world.open(opens);
    world.live(steps).await;
    world.end().await;
    world.check();
}

fn limits(choices: &mut Choices<'_>, is_timed: bool) -> Limits {
    let mut limits = Limits {
        high_water_mark: choices.pick(&[1 << 20, 5000, 100, 1]),
        streaming: choices.one_in(6),
        keepalive: None,
        message_timeout: None,
        close_timeout: NEVER,
        handshake_timeout: NEVER,
    };
    if is_timed {
        limits.close_timeout = MS * choices.pick(&[1000, 5000, 50, 0]);
        limits.handshake_timeout = MS * choices.pick(&[10_000, 200]);
        if choices.one_in(2) {
            let (interval, timeout) = (choices.pick(&[2000, 100]), choices.pick(&[3000, 50]));
            limits.keepalive = Some(Keepalive { interval: MS * interval, timeout: MS * timeout });
        }
        limits.message_timeout = choices.one_in(3).then(|| MS * choices.pick(&[1000, 100]));
    }
    limits
}

impl<'d> World<'d> {
    /// Both ends begin, before the opening handshake or behind it.
    fn open(&mut self, opens: bool) {
        for (end, role) in [Role::Client, Role::Server].into_iter().enumerate() {
            let stream = Stream { wire: Rc::clone(&self.wire), end };
            if opens {
                let actor = self.actor(end, 0);
                match role {
                    Role::Client => self.spawn(actor, |actor| actor::client(actor, stream)),
                    Role::Server => self.spawn(actor, |actor| actor::server(actor, stream)),
                }
            } else {
                let config = self.books.borrow().ends[end].config.clone();
                let connection = Connection::with_seed(role, config, Agreement::new(), [7; 32]);
                let ws = WebSocket::from_connection(stream, connection);
                self.halves[end].push(Half::Whole(ws));
                self.reshape(end);
            }
        }
    }

    fn actor(&self, end: usize, lane: usize) -> Actor<'d> {
        let signal = Rc::new(Signal {
            cut: Cell::new(false),
            call: Cell::new((Kind::Idle, Wire::now())),
            turns: Cell::new(0),
            probed: Cell::new(false),
            is_last: Cell::new(false),
        });
        Actor { wire: Rc::clone(&self.wire), books: Rc::clone(&self.books), end, lane, signal }
    }

    fn spawn<F>(&mut self, actor: Actor<'d>, act: impl FnOnce(Actor<'d>) -> F)
    where
        F: Future<Output = Half<'d>> + 'd,
    {
        let (end, signal) = (actor.end, Rc::clone(&actor.signal));
        self.tasks.push(Task {
            end,
            future: Box::pin(act(actor)),
            signal,
            woken: Arc::new(Woken::new(true)),
        });
    }

    fn one_in(&self, n: usize) -> bool {
        self.wire.borrow_mut().choices.one_in(n)
    }

    fn below(&self, limit: usize) -> usize {
        self.wire.borrow_mut().choices.below(limit)
    }

    /// All tasks of an end have given back what they had: it goes on in another form.
    fn reshape(&mut self, end: usize) {
        let (finale, longest) = (self.books.borrow().finale, self.longest);
        self.books.borrow_mut().ends[end].gathers = finale;
        let (mut whole, mut reader, mut writers) = (None, None, Vec::new());
        for half in mem::take(&mut self.halves[end]) {
            match half {
                Half::Whole(ws) => whole = Some(ws),
                Half::Reader(half) => reader = Some(half),
                Half::Writer(half) => writers.push(half),
                Half::Gone => {}
            }
        }
        if !finale
            && writers.len() == 1
            && let Some(reader) = reader.take_if(|_| self.wire.borrow_mut().choices.one_in(2))
            && let Some(writer) = writers.pop()
        {
            whole = Some(reader.reunite(writer).expect("two halves of one"));
        }
        if let Some(ws) = whole.take_if(|_| self.books.borrow().are_bytes) {
            let (reader, writer) = tokio::io::split(ws.into_byte_stream());
            let (actor, closes) = (self.actor(end, 0), self.closes[end]);
            self.spawn(actor, |actor| bytes::reader(actor, reader));
            let actor = self.actor(end, 1);
            self.spawn(actor, |actor| bytes::writer(actor, writer, longest, closes));
        }
        if let Some(mut ws) = whole {
            if self.one_in(4) && !self.wire.borrow().is_disturbed {
                let (stream, connection) = ws.into_parts();
                ws = WebSocket::from_connection(stream, connection);
            }
            let splits = !self.books.borrow().ends[end].limits.streaming && self.one_in(2);
            if !splits {
                let (actor, closes) = (self.actor(end, 0), self.closes[end]);
                match finale {
                    true => self.spawn(actor, |actor| actor::last_whole(actor, ws, closes)),
                    false => self.spawn(actor, |actor| actor::whole(actor, ws, longest)),
                }
                return;
            }
            let (half, writer) = ws.split();
            reader = Some(half);
            if self.one_in(2) {
                writers.push(writer.clone());
            }
            writers.push(writer);
        }
        let mut closes = self.closes[end] || reader.is_none();
        // Nobody would ever close.
        let is_mute = writers.is_empty() && self.tasks.iter().all(|task| task.end == end);
        if let Some(reader) = reader.filter(|_| !(finale && is_mute)) {
            let actor = self.actor(end, 0);
            self.spawn(actor, |actor| actor::reader(actor, reader, finale));
        }
        for (lane, writer) in writers.into_iter().enumerate() {
            let actor = self.actor(end, lane);
            match finale {
                true => self.spawn(actor, |actor| actor::last_writer(actor, writer, mem::take(&mut closes))),
                false => self.spawn(actor, |actor| actor::writer(actor, writer, longest)),
            }
        }
    }

    /// Polls a task.
    fn poll(&mut self, at: usize, spurious: bool) {
        let task = &mut self.tasks[at];
        let standing = |task: &Task<'_>, wire: &Wire<'_>| (task.signal.turns.get(), wire.moved, wire.calls);
        let (turns, moved, calls) = standing(task, &self.wire.borrow());
        self.wire.borrow_mut().patience = PATIENCE;
        // No waker of an earlier poll counts.
        task.woken = Arc::new(Woken::new(false));
        let waker = Waker::from(Arc::clone(&task.woken));
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&waker));
        let (turns_now, moved_now, calls_now) = standing(task, &self.wire.borrow());
        let (end, books) = (task.end, self.books.borrow());
        // While much is queued each event is followed by an attempt to write.
        let [mine, peers] = [end, 1 - end].map(|end| &books.ends[end].flow);
        let events = (peers.events + peers.pings.len() + mine.pings.len()) as u64;
        drop(books);
        let most = 64 + 4 * (moved_now - moved) + 16 * (turns_now - turns) + 2 * events;
        assert!(calls_now - calls <= most, "{} calls of the network in one poll", calls_now - calls);
        if (turns_now, moved_now) != (turns, moved) {
            self.vain_polls = 0;
        } else if !spurious {
            self.vain_polls += 1;
            assert!(self.vain_polls < 50, "a task wakes itself for nothing");
        }
        if let Poll::Ready(half) = polled {
            drop(self.tasks.remove(at));
            self.halves[end].push(half);
            if self.tasks.iter().all(|task| task.end != end) {
                self.reshape(end);
            }
        }
    }

    /// The same, until even the timers have nothing to say.
    async fn step_or_fire(&mut self) -> bool {
        if !self.step() {
            tokio::task::yield_now().await; // the runtime looks for timers that are due
            return self.step();
        }
        true
    }

    /// Polls one of the tasks that were woken, or lets the network move. False: neither could be.
    fn step(&mut self) -> bool {
        let count = self.tasks.len();
        let first = if count > 1 { self.below(count) } else { 0 };
        let woken = (first..count).chain(0..first).find(|&at| self.tasks[at].woken.take());
        match woken {
            Some(at) => self.poll(at, false),
            None => {
                let moves = self.wire.borrow_mut().step();
                if moves {
                    self.vain_polls = 0;
                }
                return moves;
            }
        }
        true
    }

    /// Nothing moves any more: so nobody who waits could go on, and nobody has waited too long.
    fn is_quiet(&mut self) {
        let weather = mem::replace(&mut self.wire.borrow_mut().weather, Weather::FAIR);
        for at in 0..self.tasks.len() {
            let signal = Rc::clone(&self.tasks[at].signal);
            let (kind, since) = signal.call.get();
            if kind == Kind::Idle {
                continue;
            }
            let before = (signal.turns.get(), self.wire.borrow().moved);
            let end = self.tasks[at].end;
            signal.probed.set(true);
            self.poll(at, true);
            signal.probed.set(false);
            let after = (signal.turns.get(), self.wire.borrow().moved);
            assert_eq!(before, after, "end {end} could have gone on, and nobody woke it");

            let (books, now) = (self.books.borrow(), Wire::now());
            let holds_back = self.wire.borrow().holds_back(end) && !books.ends[end].limits.gives_up();
            assert!(!holds_back || books.ends[end].closing.is_some(), "end {end} waits and has not flushed");
            let (limits, slack) = (books.ends[end].limits, 2 * books.longest_jump + 10 * MS);
            if kind == Kind::Close {
                let waits = now - since;
                assert!(waits <= 2 * limits.close_timeout + slack, "closing takes {waits:?}");
            }
            if kind == Kind::Read
                && let Some(Keepalive { interval, timeout }) = limits.keepalive
            {
                let waits = now - since.max(self.wire.borrow().touched[end]);
                let most = interval + timeout + limits.close_timeout + slack;
                assert!(waits <= most, "the peer is silent for {waits:?}");
            }
            if kind == Kind::Open {
                assert!(
                    now - since <= 2 * limits.handshake_timeout + slack,
                    "the opening handshake takes long"
                );
            }
        }
        self.wire.borrow_mut().weather = weather;
        self.jump = Duration::ZERO;
    }

    /// All do what they can.
    async fn settle(&mut self) {
        while self.step_or_fire().await {}
        self.is_quiet();
        // Those who were polled for nothing may have woken others.
        while self.step_or_fire().await {}
    }

    async fn advance(&mut self, time: Duration) {
        self.wire.borrow_mut().log.push(Step::Clock(time));
        self.vain_polls = 0;
        self.jump += time;
        let longest = self.books.borrow().longest_jump.max(self.jump);
        self.books.borrow_mut().longest_jump = longest;
        tokio::time::advance(time).await;
    }

    /// A call is dropped, or what does nothing goes on.
    fn cut(&mut self, at: usize) {
        let task = &self.tasks[at];
        task.signal.cut.set(true);
        self.poll(at, true);
    }

    /// Calls, and whatever may happen meanwhile.
    async fn live(&mut self, steps: usize) {
        for _ in 0..steps {
            if self.wire.borrow().choices.is_over() || self.tasks.is_empty() {
                break;
            }
            let (at, jump) = (self.below(self.tasks.len()), self.below(64));
            match self.below(32) {
                0..=21 => {
                    if !self.step_or_fire().await {
                        self.is_quiet();
                        let due = self.wire.borrow().due();
                        match due.map(|due| due.saturating_duration_since(Wire::now())) {
                            Some(time) if jump < 40 => self.advance(time).await,
                            _ if jump < 40 => self.cut(at),
                            _ => self.jump(jump - 40).await,
                        }
                    }
                }
                22 | 23 => drop(self.wire.borrow_mut().step()),
                24 => self.poll(at, true),
                25 | 26 => self.cut(at),
                27 => self.jump(jump).await,
                28 => self.gather(at & 1),
                29 => {
                    let time = self.wire.borrow_mut().choices.pick(&[1, 10, 200, 3000, 20_000]);
                    self.wire.borrow_mut().stall(jump & 1, MS * time);
                }
                _ if jump > 0 || self.wire.borrow().weather.fails == 0 => {}
                30 => self.wire.borrow_mut().reset(),
                _ => self.wire.borrow_mut().cut(at & 1),
            }
        }
    }

    async fn jump(&mut self, jump: usize) {
        let time = [1, 1, 1, 10, 10, 10, 50, 100, 100, 1000, 1000, 3000, 5000, 60_000].get(jump);
        self.advance(MS * time.copied().unwrap_or(3)).await;
    }

    /// An end takes another form when its calls are done, or dropped.
    fn gather(&mut self, end: usize) {
        if self.books.borrow().are_bytes {
            return; // they stay what they are
        }
        self.wire.borrow_mut().log.push(Step::Gathers(end));
        self.books.borrow_mut().ends[end].gathers = true;
        for at in (0..self.tasks.len()).rev() {
            if self.tasks[at].end == end && self.one_in(2) {
                self.cut(at);
            }
        }
    }

    /// The network calms down, and both ends say goodbye.
    async fn end(&mut self) {
        self.wire.borrow_mut().log.push(Step::Finale);
        self.wire.borrow_mut().calm();
        {
            let mut books = self.books.borrow_mut();
            (books.finale, books.calls_left) = (true, 0);
            books.ends.iter_mut().for_each(|end| end.gathers = true);
        }
        let mut time = MS;
        loop {
            self.settle().await;
            if self.tasks.is_empty() {
                return;
            }
            let due = self.wire.borrow().due();
            if let Some(due) = due {
                self.advance(due.saturating_duration_since(Wire::now())).await;
                continue;
            }
            // Whoever does not come to an end by himself is dropped.
            let waits = self.tasks.iter().position(|task| !task.signal.is_last.get());
            if let Some(at) = waits {
                self.cut(at);
                continue;
            }
            // Nobody is left who could close.
            if time == MS && self.books.borrow().nobody_closes() {
                self.tasks.remove(0);
                continue;
            }
            assert!(!self.is_well(), "nothing went wrong, and they wait for the clock");
            assert!(time < 10 * NEVER, "they wait for ever");
            self.advance(time).await;
            time *= 2;
        }
    }

    /// Nothing went wrong.
    fn is_well(&self) -> bool {
        self.is_timeless && !self.wire.borrow().is_disturbed && !self.books.borrow().is_rude
    }

    fn check(&self) {
        let books = self.books.borrow();
        if !self.is_well() {
            return;
        }
        for (end, name) in ["client", "server"].into_iter().enumerate() {
            let (this, peer) = (&books.ends[end], &books.ends[1 - end]);
            assert!(
                peer.discards || this.flow.is_complete(),
                "not all arrived that the {name} has sent: {this:#?}"
            );
            if books.are_bytes {
                continue; // its halves do not say how it ended
            }
            let (Some(info), Some(other)) = (&this.info, &peer.info) else { panic!("no end: {books:#?}") };
            assert!(info.clean, "not clean: {info:?}");
            assert_eq!(info.sent, other.received);
        }
    }
}
