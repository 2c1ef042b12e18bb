//! Who is woken, and how often: nobody waits for what has come already, and nobody is woken for nothing. Each poll
//! here is made by hand.
#![cfg(feature = "futures")]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use futures_util::io::BufWriter;
use futures_util::{AsyncReadExt, AsyncWriteExt, Sink, SinkExt, Stream, StreamExt};
use sansocket::futures::{Reader, WebSocket, Writer};
use sansocket::{Config, Connection, Error, Message, ProtocolError, Role};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use support::pipe::{Pipe, pipe};
use support::random::Xorshift;
use support::wire::{frame, frames, peer_key};

/// Counts how often a task is woken.
#[derive(Debug, Default)]
struct Task(AtomicUsize);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Task {
    fn new() -> (Arc<Self>, Waker) {
        let task = Arc::new(Self::default());
        (Arc::clone(&task), task.into())
    }

    /// How often it was woken since this was last asked.
    fn woken(&self) -> usize {
        self.0.swap(0, Ordering::SeqCst)
    }
}

fn poll<F: Future + ?Sized>(future: Pin<&mut F>, waker: &Waker) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(waker))
}

/// Polls it once, and drops it.
fn poll_once<F: Future>(future: F, waker: &Waker) -> Poll<F::Output> {
    poll(pin!(future), waker)
}

const HELD: usize = 64;

fn server(config: Config) -> (Pipe, WebSocket<Pipe>) {
    let (peer, stream) = pipe(HELD);
    (peer, WebSocket::from_connection(stream, Connection::new(Role::Server, config)))
}

fn halves(config: Config) -> (Pipe, Reader<Pipe>, Writer<Pipe>) {
    let (peer, ws) = server(config);
    let (reader, writer) = ws.split();
    (peer, reader, writer)
}

fn message(payload: &[u8]) -> Vec<u8> {
    frame(0x82, peer_key(Role::Server), payload)
}

#[test]
fn t_08_the_reader_may_move_to_another_task() {
    let ((a, wakes_a), (b, wakes_b)) = (Task::new(), Task::new());
    let (peer, mut reader, _writer) = halves(Config::new());
    // A future that is dropped and made anew, and one that moves.
    assert!(poll_once(reader.read(), &wakes_a).is_pending());
    let mut reading = pin!(reader.read());
    assert!(poll(reading.as_mut(), &wakes_a).is_pending());
    assert!(poll(reading.as_mut(), &wakes_b).is_pending());
    peer.put(&message(b"x"));
    assert_eq!((a.woken(), b.woken()), (0, 1));
    assert!(matches!(poll(reading, &wakes_b), Poll::Ready(Ok(Some(_)))));

    // The same by way of an unsplit stream.
    let (peer, mut ws) = server(Config::new());
    assert!(ws.poll_next_unpin(&mut Context::from_waker(&wakes_a)).is_pending());
    assert!(ws.poll_next_unpin(&mut Context::from_waker(&wakes_b)).is_pending());
    peer.put(&message(b"x"));
    assert_eq!((a.woken(), b.woken()), (0, 1));
}

#[test]
fn what_is_there_already_registers_nobody() {
    let (task, waker) = Task::new();
    let (peer, mut reader, mut writer) = halves(Config::new());
    peer.put(&message(b"one"));
    assert!(poll_once(reader.read(), &waker).is_ready());
    assert!(poll_once(writer.send("out"), &waker).is_ready());
    peer.drain();
    peer.put(&message(b"two"));
    assert!(poll_once(reader.read(), &waker).is_ready());
    assert_eq!(peer.awaited(), (false, false));
    // It has waited, and is ready now.
    assert!(poll_once(reader.read(), &waker).is_pending());
    peer.put(&message(b"three"));
    assert_eq!(task.woken(), 1);
    assert!(poll_once(reader.read(), &waker).is_ready());
    peer.put(&message(b"four"));
    peer.drain();
    assert_eq!(task.woken(), 0);
}

#[test]
fn t_10_nobody_is_woken_for_nothing() {
    let ((a, wakes_reader), (b, wakes_writer)) = (Task::new(), Task::new());
    let (peer, ws) = server(Config::new());
    // The other end of the pipe is only looked at through `peer`, so these are the server's polls.
    let (reads, _) = ws.get_ref().polls();
    let stream = ws.get_ref().clone();
    let (mut reader, mut writer) = ws.split();
    assert!(poll_once(reader.read(), &wakes_reader).is_pending());
    assert_eq!((a.woken(), stream.polls().0 - reads), (0, 1));
    // What a writer writes at once is none of the reader's business.
    assert!(poll_once(writer.send("hi"), &wakes_writer).is_ready());
    peer.drain();
    assert_eq!((a.woken(), b.woken(), stream.polls().0 - reads), (0, 0, 1));
    // What it feeds is, once.
    assert!(poll_once(writer.feed("hi"), &wakes_writer).is_ready());
    assert_eq!((a.woken(), b.woken()), (1, 0));
    assert!(poll_once(reader.read(), &wakes_reader).is_pending());
    peer.drain();
    assert_eq!((a.woken(), b.woken(), stream.polls().0 - reads), (0, 0, 2));
    // A writer waits for the network; the reader is told once that there is something to write.
    let mut sending = pin!(writer.send(vec![7; 1_000]));
    assert!(poll(sending.as_mut(), &wakes_writer).is_pending());
    assert_eq!((a.woken(), b.woken()), (1, 0));
    assert!(poll_once(reader.read(), &wakes_reader).is_pending());
    assert_eq!((a.woken(), b.woken()), (0, 0), "neither has changed anything");
    let polls = stream.polls();
    // While the network takes nothing, polling again is no reason for another poll.
    for _ in 0..5 {
        assert!(poll(sending.as_mut(), &wakes_writer).is_pending());
        assert!(poll_once(reader.read(), &wakes_reader).is_pending());
    }
    assert_eq!((a.woken(), b.woken()), (0, 0));
    assert!(stream.polls().0 - polls.0 <= 10 && stream.polls().1 - polls.1 <= 10);
}

#[test]
fn t_08_a_writer_that_gives_up_leaves_the_others_awake() {
    for drop_the_writer in [false, true] {
        let ((_, wakes_a), (b, wakes_b)) = (Task::new(), Task::new());
        let (peer, _reader, writer) = halves(Config::new().high_water_mark(1));
        let (mut one, mut other) = (writer.clone(), writer);
        let mut sent = 0;
        let mut waiting = pin!(other.send("the other"));
        {
            let mut sending = Box::pin(one.send(vec![7; 200]));
            assert!(poll(sending.as_mut(), &wakes_a).is_pending());
            assert!(poll(waiting.as_mut(), &wakes_b).is_pending());
            b.woken();
        }
        if drop_the_writer {
            drop(one);
        }
        // It was queued, so it leaves: whoever still waits sees to that.
        loop {
            sent += peer.drain().len();
            assert!(b.woken() > 0, "asleep after {sent} bytes");
            if poll(waiting.as_mut(), &wakes_b).is_ready() {
                break;
            }
        }
        assert_eq!(sent + peer.drain().len(), 4 + 200 + 2 + "the other".len());
    }
}

#[test]
fn t_08_a_closing_writer_reads_when_the_reader_goes() {
    let (task, waker) = Task::new();
    let (peer, reader, mut writer) = halves(Config::new());
    let mut closing = pin!(writer.close(None));
    assert!(poll(closing.as_mut(), &waker).is_pending());
    assert_eq!(frames(&peer.drain()).len(), 1);
    task.woken();
    drop(reader);
    assert!(task.woken() > 0);
    assert!(poll(closing.as_mut(), &waker).is_pending());
    peer.put(&frame(0x88, peer_key(Role::Server), b""));
    peer.shut_down();
    assert!(task.woken() > 0);
    assert!(matches!(poll(closing, &waker), Poll::Ready(Ok(info)) if info.clean));
}

#[test]
fn t_08_a_reader_hears_that_a_writer_cannot_write() {
    let ((a, wakes_reader), (_, wakes_writer)) = (Task::new(), Task::new());
    let (_peer, ws) = server(Config::new());
    let stream = ws.get_ref().clone();
    let (mut reader, mut writer) = ws.split();
    assert!(poll_once(reader.read(), &wakes_reader).is_pending());
    stream.shut_down();
    assert!(matches!(poll_once(writer.send("x"), &wakes_writer), Poll::Ready(Err(Error::Io(_)))));
    // From now on it waits for the peer no longer than the close timeout.
    assert!(a.woken() > 0);
}

#[test]
fn t_08_a_reader_hears_that_there_is_no_time_to_close() {
    let ((a, wakes_reader), (_, wakes_writer)) = (Task::new(), Task::new());
    let (_peer, mut reader, mut writer) = halves(Config::new().close_timeout(Duration::ZERO));
    assert!(poll_once(reader.read(), &wakes_reader).is_pending());
    assert!(poll_once(writer.close(None), &wakes_writer).is_ready());
    assert!(a.woken() > 0);
    let read = poll_once(reader.read(), &wakes_reader);
    assert!(matches!(read, Poll::Ready(Err(Error::Protocol(ProtocolError::CloseTimeout)))), "{read:?}");
}

#[test]
fn t_08_whoever_reads_a_byte_stream_hears_that_there_is_no_time_to_close_it() {
    let ((a, wakes_reader), (_, wakes_writer)) = (Task::new(), Task::new());
    let (_peer, ws) = server(Config::new().close_timeout(Duration::ZERO));
    let (mut reader, mut writer) = ws.into_byte_stream().split();
    let mut buffer = [0];
    assert!(poll_once(reader.read(&mut buffer), &wakes_reader).is_pending());
    assert!(poll_once(writer.close(), &wakes_writer).is_ready());
    assert!(a.woken() > 0);
    assert!(matches!(poll_once(reader.read(&mut buffer), &wakes_reader), Poll::Ready(Err(_))));
}

#[test]
fn t_08_a_writer_hears_that_there_is_room_to_read_ahead() {
    let ((_, wakes_reader), (b, wakes_writer)) = (Task::new(), Task::new());
    let (peer, mut reader, mut writer) = halves(Config::new());
    // More events than are kept.
    peer.put(&message(b"x").repeat(100));
    let mut sending = pin!(writer.send(vec![7; 1_000]));
    assert!(poll(sending.as_mut(), &wakes_writer).is_pending());
    b.woken();
    assert!(poll_once(reader.read(), &wakes_reader).is_ready());
    assert!(b.woken() > 0);
}

#[test]
fn t_08_nobody_waits_for_a_peer_that_cannot_be_answered() {
    let (_, waker) = Task::new();
    let (peer, mut ws) = server(Config::new());
    ws.get_ref().shut_down();
    peer.put(&frame(0x88, peer_key(Role::Server), b""));
    assert!(matches!(poll_once(ws.read(), &waker), Poll::Ready(Ok(None))));
    assert!(ws.close_info().is_some_and(|info| !info.clean));
}

#[test]
fn t_08_what_was_written_before_is_flushed() {
    let (_, waker) = Task::new();
    let (peer, stream) = pipe(HELD);
    let mut stream = BufWriter::new(stream);
    assert!(matches!(poll_once(stream.write(b"before"), &waker), Poll::Ready(Ok(6))));
    let mut ws = WebSocket::from_connection(stream, Connection::new(Role::Server, Config::new()));
    assert!(poll_once(ws.read(), &waker).is_pending());
    assert_eq!(peer.drain(), b"before");
}

#[test]
fn t_10_a_stream_that_wakes_its_task_and_does_nothing_is_asked_again_and_then_left_alone() {
    let (task, waker) = Task::new();
    let (peer, ws) = server(Config::new());
    ws.get_ref().be_moody();
    let stream = ws.get_ref().clone();
    let (mut reader, _writer) = ws.split();
    assert!(poll_once(reader.read(), &waker).is_pending());
    assert!(task.woken() > 0);
    assert!(poll_once(reader.read(), &waker).is_pending());
    assert_eq!(task.woken(), 0, "it waits for input, and was woken");
    assert_eq!(stream.polls().0, 2);
    peer.put(&message(b"x"));
    let mut polls = 0;
    while poll_once(reader.read(), &waker).is_pending() {
        assert!(task.woken() > 0);
        polls += 1;
    }
    assert!(polls <= 2);
}

#[test]
fn t_10_a_million_polls_for_nothing() {
    let (task, waker) = Task::new();
    let (peer, mut ws) = server(Config::new());
    let (reads, writes) = ws.get_ref().polls();
    for _ in 0..1_000_000 {
        assert!(poll_once(ws.read(), &waker).is_pending());
    }
    assert_eq!(task.woken(), 0);
    let polls = ws.get_ref().polls();
    assert!(polls.0 - reads <= 1_000_000 && polls.1 == writes, "{polls:?}");
    peer.put(&message(b"at last"));
    assert!(poll_once(ws.read(), &waker).is_ready());
}

type Polled<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs tasks of which each is polled only when it was woken.
struct Executor<'a> {
    tasks: Vec<(Polled<'a>, Arc<Task>)>,
    random: Xorshift,
    polls: usize,
}

impl<'a> Executor<'a> {
    fn spawn(&mut self, future: impl Future<Output = ()> + 'a) {
        let (task, waker) = Task::new();
        waker.wake();
        self.tasks.push((Box::pin(future), task));
    }

    /// Polls one of those who were woken, if there is one.
    fn step(&mut self) -> bool {
        let first = self.random.below(self.tasks.len().max(1));
        let all = self.tasks.len();
        let Some(i) = (0..all).map(|i| (first + i) % all).find(|&i| self.tasks[i].1.woken() > 0) else {
            return false;
        };
        let (future, task) = &mut self.tasks[i];
        self.polls += 1;
        if poll(future.as_mut(), &Arc::clone(task).into()).is_ready() {
            drop(self.tasks.swap_remove(i));
        }
        true
    }
}

/// Gives up after some polls, by chance.
async fn impatiently<R>(random: &mut Xorshift, future: impl Future<Output = R>) -> Option<R> {
    let mut future = pin!(future);
    std::future::poll_fn(|cx| {
        if random.below(6) == 0 { Poll::Ready(None) } else { future.as_mut().poll(cx).map(Some) }
    })
    .await
}

/// Reads to the end, by many futures.
async fn read_all(mut reader: Reader<Pipe>, mut random: Xorshift) {
    loop {
        match impatiently(&mut random, reader.read()).await {
            Some(Ok(None)) => return,
            None | Some(Ok(Some(_))) => {}
            Some(Err(error)) => panic!("{error:?}"),
        }
    }
}

/// Sends until the connection is closed, by many futures.
async fn write_all(mut writer: Writer<Pipe>, mut random: Xorshift) {
    loop {
        let payload = vec![7; random.below(300)];
        let sent = match random.below(4) {
            0 => impatiently(&mut random, writer.feed(payload)).await,
            1 => impatiently(&mut random, writer.ping(b"?")).await,
            2 => impatiently(&mut random, SinkExt::send(&mut writer, Message::binary(payload))).await,
            _ => impatiently(&mut random, writer.send(payload)).await,
        };
        match sent {
            None | Some(Ok(())) => {}
            Some(Err(Error::Send(_) | Error::Closed)) => return,
            Some(Err(error)) => panic!("{error:?}"),
        }
    }
}

/// The peer sends messages and pings, reads, and closes at last; between that all run who were woken. Nobody is
/// left asleep, and what the peer has read are whole frames.
fn play(seed: u64, peer: &Pipe, moody: bool, executor: &mut Executor<'_>) {
    let mut random = Xorshift::new(seed);
    let (mut wire, mut acts) = (Vec::new(), 0);
    while !executor.tasks.is_empty() {
        for _ in 0..random.below(8) {
            executor.step();
        }
        acts += 1;
        match random.below(4) {
            0 if acts < 100 => peer.put(&message(&vec![9; random.below(200)])),
            1 if acts < 100 => peer.put(&frame(0x89, peer_key(Role::Server), b"!")),
            _ if acts == 100 => {
                peer.put(&frame(0x88, peer_key(Role::Server), b""));
                peer.shut_down();
            }
            _ => wire.extend(peer.drain()),
        }
        if acts > 100 {
            // The peer only reads now. If nobody is woken by that, somebody sleeps for ever.
            let before = executor.polls;
            while executor.polls < before + 1_000 && executor.step() {}
            wire.extend(peer.drain());
            let asleep = executor.tasks.len();
            assert!(asleep == 0 || executor.polls > before, "seed {seed}: {asleep} are asleep");
            assert!(acts < 10_000, "seed {seed}: no end");
        }
    }
    wire.extend(peer.drain());
    assert_eq!(frames(&wire).last().map(|frame| frame.first), Some(0x88));
    let limit = if moody { 100_000 } else { 10_000 };
    assert!(executor.polls < limit, "seed {seed}: {} polls", executor.polls);
}

#[test]
fn t_08_whoever_waits_is_woken_whatever_the_others_do() {
    for seed in 0..2_000 {
        let moody = seed % 4 == 3;
        let (peer, ws) =
            server(Config::new().high_water_mark(1 + 100 * (usize::try_from(seed % 5).unwrap())));
        if moody {
            ws.get_ref().be_moody();
        }
        let mut random = Xorshift::new(seed);
        let mut executor = Executor { tasks: Vec::new(), random: Xorshift::new(!seed), polls: 0 };
        let mut fork = || Xorshift::new(random.next());
        let (reader, writer) = ws.split();
        executor.spawn(read_all(reader, fork()));
        for _ in 0..seed % 4 {
            executor.spawn(write_all(writer.clone(), fork()));
        }
        executor.spawn(write_all(writer, fork()));
        play(seed, &peer, moody, &mut executor);
    }
}

/// The same for an unsplit connection, of which two tasks share the stream and the sink.
#[test]
fn t_08_stream_and_sink_wake_each_other() {
    async fn read(mut stream: impl Stream<Item = Result<Message, Error>> + Unpin) {
        while let Some(message) = stream.next().await {
            message.unwrap();
        }
    }
    async fn write(mut sink: impl Sink<Message, Error = Error> + Unpin, mut random: Xorshift) {
        while sink.send(Message::binary(vec![7; random.below(300)])).await.is_ok() {}
    }
    for seed in 0..500 {
        let (peer, ws) = server(Config::new());
        let mut executor = Executor { tasks: Vec::new(), random: Xorshift::new(!seed), polls: 0 };
        let (sink, stream) = StreamExt::split::<Message>(ws);
        executor.spawn(read(stream));
        executor.spawn(write(sink, Xorshift::new(seed)));
        play(seed, &peer, false, &mut executor);
    }
}
