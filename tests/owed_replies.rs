//! What is owed to the peer leaves, whatever the application does; and a peer that takes nothing costs little.
#![cfg(all(feature = "tokio", feature = "futures"))]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use futures_util::StreamExt;
use sansocket::tokio::WebSocket;
use sansocket::{Config, Connection, Error, Event, Message, Role, State};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use support::heap::{Counting, heap_of};
use support::pipe::{Pipe, pipe};
use support::wire::{RawFrame, close_payload, frame, frames};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::time::sleep;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const KEY: Option<[u8; 4]> = Some([0x37, 0xFA, 0x21, 0x3D]);
const PING: u8 = 0x89;
const PONG: u8 = 0x8A;
const CLOSE: u8 = 0x88;
const BINARY: u8 = 0x82;

/// A server, and the pipe's other end.
fn server(config: Config, capacity: usize) -> (Pipe, WebSocket<Pipe>) {
    let (peer, stream) = pipe(capacity);
    (peer, WebSocket::from_connection(stream, Connection::new(Role::Server, config)))
}

/// Lets all tasks run until none can: the clock is paused, and moves when all are idle.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// What the peer gets when it reads.
async fn received(peer: &Pipe) -> Vec<RawFrame> {
    settle().await;
    frames(&peer.drain())
}

fn reply(first: u8, payload: &[u8]) -> RawFrame {
    RawFrame { first, key: None, payload: payload.to_vec() }
}

/// Pings, and then closes, while the application does nothing but `read`.
async fn answers<F>(read: impl FnOnce(WebSocket<Pipe>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (peer, ws) = server(Config::new(), 1 << 10);
    let reading = tokio::spawn(read(ws));
    for payload in [&b"one"[..], b"two", b""] {
        peer.put(&frame(PING, KEY, payload));
        assert_eq!(received(&peer).await, [reply(PONG, payload)]);
    }
    peer.put(&frame(CLOSE, KEY, &close_payload(1000, "bye")));
    assert_eq!(received(&peer).await, [reply(CLOSE, &close_payload(1000, "bye"))]);
    peer.shut_down();
    reading.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn replies_leave_while_nobody_writes() {
    answers(async |mut ws| assert_eq!(ws.read().await.unwrap(), None)).await;
    answers(async |mut ws| assert!(ws.next().await.is_none())).await;
    answers(async |ws| {
        let (mut reader, _writer) = ws.split();
        assert_eq!(reader.read().await.unwrap(), None);
    })
    .await;
    answers(async |ws| {
        let (mut reader, _) = ws.split();
        assert!(reader.next().await.is_none());
    })
    .await;
    answers(async |ws| assert_eq!(ws.into_byte_stream().read(&mut [0; 9]).await.unwrap(), 0)).await;
    answers(async |mut ws| while ws.read_with(|_, _| ()).await.unwrap().is_some() {}).await;
    answers(async |ws| {
        let (_sink, mut stream) = StreamExt::split::<Message>(ws);
        assert!(stream.next().await.is_none());
    })
    .await;
}

/// A peer that never pauses: each read brings the next bytes, for ever.
#[derive(Debug)]
struct Flood {
    wire: Vec<u8>,
    at: usize,
    /// Bytes that one read brings.
    piece: usize,
    reads: usize,
    /// After how many reads the first pong left.
    answered: Option<usize>,
}

impl AsyncRead for Flood {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads += 1;
        let n = self.piece.min(self.wire.len() - self.at).min(buffer.remaining());
        buffer.put_slice(&self.wire[self.at..self.at + n]);
        self.at = (self.at + n) % self.wire.len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Flood {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let reads = self.reads;
        self.answered.get_or_insert(reads);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[tokio::test]
async fn a_pong_leaves_although_the_peer_never_pauses() {
    let ping = frame(PING, KEY, b"?");
    let large = frame(BINARY, KEY, &[7; 1 << 20]);
    let small = frame(BINARY, KEY, b"small").repeat(10_000);
    for wire in [[ping.clone(), small].concat(), [ping, large].concat()] {
        for piece in [1, 100, 2_000, 65 << 10] {
            let flood = Flood { wire: wire.clone(), at: 0, piece, reads: 0, answered: None };
            let connection = Connection::new(Role::Server, Config::new());
            let mut ws = WebSocket::from_connection(flood, connection);
            while ws.get_ref().answered.is_none() {
                ws.read().await.unwrap().unwrap();
            }
            let reads = ws.get_ref().answered.unwrap();
            // The ping itself comes in up to seven reads.
            assert!(reads <= 7 + 16, "{reads} reads of {piece} bytes before the pong");
        }
    }
}

/// While a writer waits for a peer that reads nothing, pings are answered; and the pong leaves behind what goes
/// before it.
#[tokio::test(start_paused = true)]
async fn a_pong_leaves_while_a_writer_is_blocked() {
    let (peer, ws) = server(Config::new(), 256);
    let (mut reader, mut writer) = ws.split();
    let writing = tokio::spawn(async move { writer.send(vec![7; 50_000]).await });
    let reading = tokio::spawn(async move { reader.read().await });
    settle().await;
    peer.put(&frame(PING, KEY, b"one"));
    peer.put(&frame(PING, KEY, b"two"));
    let mut wire = Vec::new();
    while !writing.is_finished() {
        settle().await;
        wire.extend(peer.drain());
    }
    wire.extend(peer.drain());
    // §5.5.3 lets the first go unanswered, because the queue was full when it came.
    assert_eq!(frames(&wire)[1..], [reply(PONG, b"two")]);
    assert!(!reading.is_finished());
}

/// Writers that never let the queue run low do not keep a pong from leaving.
#[tokio::test(start_paused = true)]
async fn a_pong_leaves_between_the_messages_of_greedy_writers() {
    let (peer, ws) = server(Config::new().high_water_mark(100_000), 256);
    let (mut reader, writer) = ws.split();
    let reading = tokio::spawn(async move { reader.read().await });
    for _ in 0..3 {
        let mut writer = writer.clone();
        tokio::spawn(async move { while writer.feed(vec![7; 20_000]).await.is_ok() {} });
    }
    settle().await;
    peer.put(&frame(PING, KEY, b"?"));
    let mut wire = Vec::new();
    while wire.len() < 300_000 {
        settle().await;
        wire.extend(peer.drain());
    }
    let pong = wire.windows(3).position(|bytes| bytes == [PONG, 1, b'?']).expect("no pong");
    assert!(pong < 200_000, "{pong} bytes left before the pong");
    assert!(!reading.is_finished());
}

#[tokio::test(start_paused = true)]
async fn what_a_writer_feeds_leaves_while_the_reader_waits() {
    let (peer, ws) = server(Config::new(), 1 << 10);
    let (mut reader, mut writer) = ws.split();
    let _reading = tokio::spawn(async move { reader.read().await });
    settle().await;
    for payload in [&b"one"[..], b"two"] {
        writer.feed(payload).await.unwrap();
        assert_eq!(received(&peer).await, [reply(BINARY, payload)]);
        writer.try_send(Message::binary(payload)).unwrap();
        assert_eq!(received(&peer).await, [reply(BINARY, payload)]);
    }
}

/// A task that is waiting to flush and then queues more is still woken.
#[tokio::test(start_paused = true)]
async fn whoever_tries_to_send_while_it_waits_is_woken() {
    use futures_util::SinkExt;
    let (peer, ws) = server(Config::new(), 256);
    let (_reader, mut writer) = ws.split();
    writer.feed(vec![7; 1_000]).await.unwrap();
    let mut more = Some(Message::text("more"));
    let flushing = tokio::spawn(async move {
        std::future::poll_fn(|cx| {
            let flushed = writer.poll_flush_unpin(cx);
            if let Some(more) = more.take() {
                assert!(flushed.is_pending());
                writer.try_send(more).unwrap();
            }
            flushed
        })
        .await
    });
    for _ in 0..10 {
        settle().await;
        peer.drain();
    }
    assert!(flushing.is_finished());
}

/// A Close frame that the application sends itself, in the middle of reading, is enough to end.
#[tokio::test(start_paused = true)]
async fn closing_through_the_lent_sender_ends_the_connection() {
    let (peer, mut ws) = server(Config::new(), 1 << 10);
    peer.put(&frame(BINARY, KEY, b"last"));
    ws.read_with(|event, sender| {
        assert!(matches!(event, Event::Binary(_)));
        sender.close(None)
    })
    .await
    .unwrap()
    .unwrap()
    .unwrap();
    let reading = tokio::spawn(async move { (ws.read().await, ws.state()) });
    assert_eq!(received(&peer).await, [reply(CLOSE, b"")]);
    peer.put(&frame(CLOSE, KEY, b""));
    peer.shut_down();
    let (read, state) = reading.await.unwrap();
    assert!(matches!(read, Ok(None)));
    assert_eq!(state, State::Closed);
}

/// The bytes that `work` needs at most, besides what its peer has sent.
fn peak_of(config: Config, sent: &[u8], work: impl AsyncFnOnce(Pipe, WebSocket<Pipe>)) -> usize {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().unwrap();
    let (peer, ws) = server(config, 256);
    peer.put(sent);
    heap_of(|| runtime.block_on(work(peer, ws))).peak
}

/// Pings without end, for a peer that reads no pongs.
#[test]
fn a_peer_that_pings_and_never_reads_costs_little() {
    for split in [false, true] {
        let peak = peak_of(Config::new(), &[], async |peer, ws| {
            let (mut unsplit, mut halves) = if split { (None, Some(ws.split())) } else { (Some(ws), None) };
            let pings = frame(PING, KEY, &[7; 125]).repeat(100);
            for _ in 0..1_000 {
                peer.put(&pings);
                let limit = Duration::from_millis(1);
                let queued = match (&mut unsplit, &mut halves) {
                    (Some(ws), _) => {
                        assert!(tokio::time::timeout(limit, ws.read()).await.is_err());
                        ws.buffered_amount()
                    }
                    (_, Some((reader, writer))) => {
                        assert!(tokio::time::timeout(limit, reader.read()).await.is_err());
                        writer.buffered_amount()
                    }
                    _ => unreachable!(),
                };
                assert!(queued <= (16 << 10) + 2 * 127, "{queued} bytes are queued");
            }
        });
        // The pipe holds 12 KiB of pings at a time, and two buffers of 65 KiB are in use.
        assert!(peak < 300 << 10, "{peak} bytes");
    }
}

/// An echo, for a peer that sends without end and reads nothing.
#[test]
fn an_echo_stops_reading_when_nobody_takes_the_answers() {
    const MARK: usize = 100_000;
    let peak = peak_of(Config::new().high_water_mark(MARK), &[], async |peer, mut ws| {
        let echo = async {
            while let Some(message) = ws.read().await? {
                ws.feed(message).await?;
            }
            Ok::<_, Error>(())
        };
        let sending = async {
            for _ in 0..100 {
                if peer.unread() < 20_000 {
                    peer.put(&frame(BINARY, KEY, &[7; 10_000]));
                }
                settle().await;
            }
        };
        tokio::select! {
            ended = echo => panic!("{ended:?}"),
            () = sending => {}
        }
        assert!(peer.unread() >= 10_000, "it reads on although nobody takes its answers");
        let queued = ws.buffered_amount();
        assert!((MARK..MARK + 10_004).contains(&queued), "{queued} bytes are queued");
    });
    assert!(peak < 3 * MARK + (200 << 10), "{peak} bytes");
}

/// A writer that waits for a peer reads ahead, but keeps no more than 64 KiB of small messages, or 64 events.
#[test]
fn reading_ahead_has_an_end() {
    for (size, kept) in [(10_000, 7), (100, 64)] {
        let message = frame(BINARY, KEY, &vec![7; size]);
        let messages = message.repeat(2_000_000 / size);
        let peak = peak_of(Config::new(), &messages, async |peer, mut ws| {
            let sent = tokio::time::timeout(Duration::from_secs(60), ws.send(vec![7; 100_000])).await;
            assert!(sent.is_err());
            let read = messages.len() - peer.unread();
            assert!(read <= kept * message.len() + (65 << 10), "it read {read} bytes");
            for _ in 0..messages.len() / message.len() {
                assert_eq!(ws.read().await.unwrap().unwrap().len(), size);
            }
        });
        assert!(peak < 100_000 + (300 << 10), "{peak} bytes");
    }
}
