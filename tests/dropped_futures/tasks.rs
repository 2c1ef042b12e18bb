use super::case::{Case, Coming, Expected};
use super::support::net::{Context, Line, Net, Speed, Woken};
use super::{BYTEWISE, NARROW, ROLES, STUBBORN, STUTTERING, connection, message, payload, runtime};
use futures_util::{AsyncReadExt, AsyncWriteExt, SinkExt, StreamExt};
use sansocket::asynchronous::{Futures, Tokio, Transport, WebSocket};
use sansocket::{CloseCode, CloseFrame, Message, Role};
use std::cell::Cell;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Waker};

#[test]
fn t_07_two_tasks_of_which_one_is_dropped() {
    let runtime = runtime();
    let _entered = runtime.enter();
    for how in [Share::Halves, Share::StreamAndSink, Share::Bytes] {
        for speed in [BYTEWISE, STUTTERING, NARROW, STUBBORN] {
            for (role, reader_is_dropped) in ROLES.into_iter().flat_map(|role| [(role, false), (role, true)])
            {
                let futures =
                    (0..).take_while(|&k| share::<Futures<_>>(how, speed, role, k, reader_is_dropped));
                let futures = futures.count();
                let tokio =
                    (0..).take_while(|&k| share::<Tokio<_>>(how, speed, role, k, reader_is_dropped)).count();
                println!("{futures:4} {tokio:4} {how:?} {role:?} {reader_is_dropped} {speed:?}");
            }
        }
    }
}

/// Between what two tasks are.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Share {
    Halves,
    StreamAndSink,
    Bytes,
}

/// Two tasks share a connection; then the same with the other one dropped.
fn share<T: Transport + From<Line> + Unpin>(
    how: Share,
    speed: Speed,
    role: Role,
    k: usize,
    reader_is_dropped: bool,
) -> bool {
    let _context = Context(format!("{how:?} {speed:?} {role:?} {k} {reader_is_dropped}"));
    let line = Line::new(role, speed);
    let sent = DUET.peer_sends(&line);
    let ws = WebSocket::<T>::from_connection(line.clone(), connection(role));
    let (mut got, mut at, feeds) = (Vec::new(), 0, Cell::new(true));
    macro_rules! play {
        ($reading:expr, $writing:expr) => {{
            let (mut reading, mut writing) = ($reading, $writing);
            if reader_is_dropped {
                duet(&line, k, reading, writing(), |net| feeds.get() && net.is_writable())
            } else {
                duet(&line, k, writing, reading(), Net::is_readable)
            }
        }};
    }
    let was_dropped = match how {
        Share::Halves => {
            let (mut reader, mut writer) = ws.split();
            play!(
                async || while let Some(message) = reader.read().await.unwrap() {
                    got.extend_from_slice(message.as_bytes())
                },
                async || {
                    while at < LENGTHS.len() {
                        writer.feed(message(at, LENGTHS[at])).await.unwrap();
                        at += 1;
                    }
                    feeds.set(false);
                    assert!(writer.close(None).await.unwrap().clean);
                }
            )
        }
        Share::StreamAndSink => {
            let (mut sink, mut stream) = StreamExt::split(ws);
            play!(
                async || while let Some(message) = stream.next().await {
                    got.extend_from_slice(message.unwrap().as_bytes())
                },
                async || {
                    while at < LENGTHS.len() {
                        SinkExt::feed(&mut sink, message(at, LENGTHS[at])).await.unwrap();
                        at += 1;
                    }
                    SinkExt::flush(&mut sink).await.unwrap();
                }
            )
        }
        Share::Bytes => {
            let (mut reader, mut writer) = AsyncReadExt::split(ws.into_byte_stream());
            play!(
                async || {
                    let mut buffer = [0; 7];
                    while let n @ 1.. = reader.read(&mut buffer).await.unwrap() {
                        got.extend_from_slice(&buffer[..n]);
                    }
                },
                async || {
                    while at < LENGTHS.len() {
                        assert_eq!(writer.write(&payload(at, LENGTHS[at])).await.unwrap(), LENGTHS[at]);
                        at += 1;
                    }
                    writer.flush().await.unwrap();
                    writer.close().await.unwrap();
                }
            )
        }
    };
    assert_eq!(got, sent.iter().flat_map(Message::as_bytes).copied().collect::<Vec<_>>());
    while line.net().step() {}
    let expected =
        LENGTHS.iter().enumerate().map(|(i, &len)| Expected { payload: payload(i, len), maybe: false });
    DUET.check_peer(&line, &expected.collect::<Vec<_>>(), how != Share::StreamAndSink);
    was_dropped
}

const DUET: Case =
    Case { speed: BYTEWISE, coming: &[Coming::Message(45), Coming::Ping(3), Coming::Message(9)], ops: &[] };
const LENGTHS: [usize; 3] = [37, 4, 50];

/// Runs two tasks. One of them is dropped when it was pending `k` times, and begins anew when otherwise nothing
/// happens any more, and the other does not wait for what the network `can` do; it keeps no state in its
/// future. When one waits for ever the peer closes. False: it was done by then.
fn duet(
    line: &Line,
    mut k: usize,
    mut dropped: impl AsyncFnMut(),
    other: impl Future<Output = ()>,
    can: impl Fn(&Net) -> bool,
) -> bool {
    let other = pin!(other);
    let mut other = Task::new(other);
    let (mut was_dropped, mut closes) = (false, true);
    loop {
        let task = pin!(dropped());
        let mut task = Task::new(task);
        loop {
            let polled = task.polls < k && task.poll();
            if !(other.poll() || polled || line.net().step()) {
                assert!(other.done || !can(&line.net()), "the network waits, and the other was not woken");
                if task.polls >= k && !task.done {
                    break;
                }
                assert!(std::mem::take(&mut closes) && (task.done || other.done), "both wait for ever");
                line.net().peer.connection.close(CloseFrame::from(CloseCode::GOING_AWAY)).unwrap();
            }
            if task.done && other.done {
                return was_dropped;
            }
        }
        (was_dropped, k) = (true, usize::MAX);
    }
}

/// A future that is polled when its own waker was woken.
struct Task<'f, F> {
    future: Pin<&'f mut F>,
    woken: Arc<Woken>,
    polls: usize,
    done: bool,
}

impl<'f, F: Future<Output = ()>> Task<'f, F> {
    fn new(future: Pin<&'f mut F>) -> Self {
        Self { future, woken: Arc::new(Woken::new(true)), polls: 0, done: false }
    }

    /// Whether there was reason to poll it.
    fn poll(&mut self) -> bool {
        let is_polled = self.woken.take() && !self.done;
        if is_polled {
            // No waker of an earlier poll counts.
            self.woken = Arc::new(Woken::new(false));
            let waker = Waker::from(Arc::clone(&self.woken));
            self.polls += 1;
            self.done = self.future.as_mut().poll(&mut task::Context::from_waker(&waker)).is_ready();
        }
        is_polled
    }
}
