//! A peer that is dead, or behaves so, holds no call longer than the deadlines say: with tokio's timer and with
//! smol's, split or not.
#![cfg(all(feature = "tokio", feature = "futures"))]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use futures_util::future::join;
use futures_util::{SinkExt, StreamExt};
use sansocket::asynchronous::{Futures, Handshake, Tokio, Transport, WebSocket};
use sansocket::handshake::{Rejection, client::Request, server::Options};
use sansocket::http::StatusCode;
use sansocket::{Config, Connection, Error, HandshakeError, Keepalive, ProtocolError, Role};
use std::pin::pin;
use std::time::{Duration, Instant};
use support::pipe::{Pipe, pipe};
use support::wire::{close_payload, frame, peer_key};

/// A runtime's timer.
trait Clock {
    type T: Transport<Stream = Pipe> + std::fmt::Debug + Unpin + Send + 'static;
    /// Each deadline is so far away.
    const UNIT: Duration;

    fn run<F: Future>(future: F) -> F::Output;
    fn timed(stream: Pipe) -> Self::T;
    fn now() -> Instant;
    /// `None` after so long.
    async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output>;
}

/// tokio's timer. The clock is paused, and moves when all tasks wait: so the time is exact.
struct OnTokio;
/// smol's timer, and real time.
struct OnSmol;

impl Clock for OnTokio {
    type T = Tokio<Pipe>;
    const UNIT: Duration = Duration::from_secs(1);

    fn run<F: Future>(future: F) -> F::Output {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
    }

    fn timed(stream: Pipe) -> Self::T {
        stream.into()
    }

    fn now() -> Instant {
        tokio::time::Instant::now().into_std()
    }

    async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
        tokio::time::timeout(limit, future).await.ok()
    }
}

impl Clock for OnSmol {
    type T = Futures<Pipe>;
    const UNIT: Duration = Duration::from_millis(50);

    fn run<F: Future>(future: F) -> F::Output {
        smol::block_on(future)
    }

    fn timed(stream: Pipe) -> Self::T {
        sansocket::futures::with_timer(stream, smol::Timer::at)
    }

    fn now() -> Instant {
        Instant::now()
    }

    async fn timeout<F: Future>(limit: Duration, future: F) -> Option<F::Output> {
        let late = async {
            smol::Timer::after(limit).await;
            None
        };
        smol::future::or(async { Some(future.await) }, late).await
    }
}

/// Waits for what is due after so many units, and not before.
async fn due<C: Clock, R>(units: u32, call: impl Future<Output = R>) -> R {
    let begun = C::now();
    // It is awaited by itself, because a poll for any other reason would look at the deadlines too.
    let result = C::timeout(100 * C::UNIT, call).await;
    let elapsed = C::now() - begun;
    let result = result.unwrap_or_else(|| panic!("still waiting after {elapsed:?}"));
    let limit = units * C::UNIT;
    // A busy machine may be late; tokio's clock stands still until it has been served.
    assert!((limit..limit + 40 * C::UNIT).contains(&elapsed), "{elapsed:?} instead of {limit:?}");
    result
}

const LARGE: usize = 100_000;

fn key() -> Option<[u8; 4]> {
    peer_key(Role::Server)
}

/// A server whose peer takes `capacity` bytes, and then nothing.
fn server<C: Clock>(config: Config, capacity: usize) -> (Pipe, WebSocket<C::T>) {
    let (peer, stream) = pipe(capacity);
    (peer, WebSocket::from_connection(C::timed(stream), Connection::new(Role::Server, config)))
}

fn keepalive<C: Clock>() -> Config {
    Config::new().keepalive(Keepalive { interval: C::UNIT, timeout: C::UNIT }).high_water_mark(LARGE / 2)
}

fn closing<C: Clock>() -> Config {
    Config::new().close_timeout(C::UNIT)
}

fn is_over<T: std::fmt::Debug>(result: &Result<T, Error>) {
    assert!(matches!(result, Err(Error::Closed)), "{result:?}");
}

fn is_pong_timeout<T: std::fmt::Debug>(result: &Result<T, Error>) {
    assert!(matches!(result, Err(Error::Protocol(ProtocolError::PongTimeout))), "{result:?}");
}

fn is_close_timeout<T: std::fmt::Debug>(result: &Result<T, Error>) {
    assert!(matches!(result, Err(Error::Protocol(ProtocolError::CloseTimeout))), "{result:?}");
}

fn is_handshake_timeout<T: std::fmt::Debug>(result: &Result<T, Error>) {
    assert!(matches!(result, Err(Error::Handshake(HandshakeError::Timeout))), "{result:?}");
}

async fn handshakes<C: Clock>() {
    let config = Config::new().handshake_timeout(C::UNIT);
    // The peer takes a part of the request, or all of it.
    for capacity in [10, 1 << 20] {
        let (_peer, stream) = pipe(capacity);
        let request = Request::new("ws://a/").unwrap();
        let client = WebSocket::<C::T>::client(C::timed(stream), request, config.clone());
        is_handshake_timeout(&due::<C, _>(1, client).await);
    }
    for request in ["", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let (peer, stream) = pipe(10);
        peer.put(request.as_bytes());
        let options = Options::new().config(config.clone());
        let mut handshake = Handshake::<C::T>::new(C::timed(stream), options);
        is_handshake_timeout(&due::<C, _>(1, handshake.read()).await);
    }
    // A refusal that the peer does not read, and one after which it says nothing.
    for capacity in [10, 1 << 20] {
        let (peer, stream) = pipe(capacity);
        peer.put(b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n");
        peer.put(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
        let mut handshake = Handshake::<C::T>::new(C::timed(stream), Options::new().config(config.clone()));
        handshake.read().await.unwrap();
        let rejection = Rejection::new(StatusCode::FORBIDDEN).unwrap();
        let error = due::<C, _>(1, handshake.reject(rejection)).await;
        assert!(matches!(error, Error::Handshake(HandshakeError::Rejected(_))), "{error:?}");
    }
}

async fn reading<C: Clock>() {
    let (_peer, mut ws) = server::<C>(keepalive::<C>(), 256);
    is_pong_timeout(&due::<C, _>(2, ws.read()).await);
    let (_peer, ws) = server::<C>(keepalive::<C>(), 256);
    is_pong_timeout(&due::<C, _>(2, ws.split().0.read()).await);
    let (_peer, mut ws) = server::<C>(keepalive::<C>(), 256);
    is_pong_timeout(&due::<C, _>(2, ws.next()).await.unwrap());

    // Half a frame, and nothing more.
    let (peer, mut ws) = server::<C>(closing::<C>().message_timeout(C::UNIT), 256);
    peer.put(&frame(0x82, key(), &[7; 100])[..50]);
    let error = due::<C, _>(2, ws.read()).await.unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::MessageTimeout)), "{error:?}");
}

async fn writing<C: Clock>() {
    let (_peer, mut ws) = server::<C>(keepalive::<C>(), 256);
    is_over(&due::<C, _>(2, ws.send(vec![7; LARGE])).await);
    is_pong_timeout(&ws.read().await);

    let (_peer, mut ws) = server::<C>(keepalive::<C>(), 256);
    ws.feed(vec![7; LARGE]).await.unwrap();
    is_over(&due::<C, _>(2, ws.feed("there is no room")).await.map_err(|error| match error {
        Error::Send(_) => Error::Closed,
        error => error,
    }));
    is_pong_timeout(&ws.read().await);

    let (_peer, ws) = server::<C>(keepalive::<C>(), 256);
    let (reader, mut writer) = ws.split();
    is_over(&due::<C, _>(2, writer.send(vec![7; LARGE])).await);
    drop(reader);

    let (_peer, ws) = server::<C>(keepalive::<C>(), 256);
    let (mut reader, mut writer) = ws.split();
    let mut other = writer.clone();
    let both = join(reader.read(), join(writer.send(vec![7; LARGE]), other.flush()));
    let (read, (sent, flushed)) = due::<C, _>(2, both).await;
    is_pong_timeout(&read);
    is_over(&sent);
    is_over(&flushed);
}

/// What comes while a call waits to write begins a deadline, which then holds for that call.
async fn writing_to_a_peer_that_reads_no_more<C: Clock>() {
    let close = frame(0x88, key(), &close_payload(1000, ""));
    let config = closing::<C>().message_timeout(C::UNIT);
    for (last_words, units) in [
        (&close[..], 1),
        (b"\xC1\x80\0\0\0\0", 1),                  // a reserved bit
        (&frame(0x82, key(), &[7; 100])[..50], 2), // half a message, and then the failure of that
    ] {
        let (peer, mut ws) = server::<C>(config.clone(), 256);
        peer.put(last_words);
        is_over(&due::<C, _>(units, ws.send(vec![7; LARGE])).await);

        let (peer, ws) = server::<C>(config.clone(), 256);
        peer.put(last_words);
        let (reader, mut writer) = ws.split();
        drop(reader);
        is_over(&due::<C, _>(units, writer.send(vec![7; LARGE])).await);
    }
}

/// An event that waits to be lent holds no deadline back for ever.
async fn writing_with_an_event_ahead<C: Clock>() {
    let (peer, mut ws) = server::<C>(keepalive::<C>(), 256);
    peer.put(&frame(0x82, key(), b"last words"));
    is_over(&due::<C, _>(2, ws.send(vec![7; LARGE])).await);
}

/// Nor does a message whose deadline is held back, because its rest may lie unread, hide the keepalive's.
async fn writing_with_half_a_message_ahead<C: Clock>() {
    let keepalive = Keepalive { interval: 5 * C::UNIT, timeout: C::UNIT };
    let (peer, mut ws) = server::<C>(Config::new().keepalive(keepalive).message_timeout(C::UNIT), 256);
    // More events than are kept.
    peer.put(&frame(0x89, key(), b"").repeat(100));
    peer.put(&frame(0x82, key(), &[7; 100])[..50]);
    is_over(&due::<C, _>(6, ws.send(vec![7; LARGE])).await);
}

/// The keepalive's ping waits behind what is being written; whoever takes that is no dead peer.
async fn a_peer_that_takes_it_slowly_is_alive<C: Clock>() {
    let (peer, mut ws) = server::<C>(keepalive::<C>(), 256);
    let taking = async {
        let mut taken = 0;
        while taken < 10_000 {
            C::timeout(C::UNIT / 5, std::future::pending::<()>()).await;
            taken += peer.drain().len();
        }
    };
    let sending = async { ws.send(vec![7; 10_000 - 4]).await };
    let (sent, ()) = due::<C, _>(8, join(sending, taking)).await;
    sent.unwrap();
}

async fn closing_unsplit<C: Clock>() {
    for queued in [0, LARGE] {
        let (_peer, mut ws) = server::<C>(closing::<C>(), 256);
        ws.feed(vec![7; queued]).await.unwrap();
        is_close_timeout(&due::<C, _>(1, ws.close(None)).await);

        let (_peer, mut ws) = server::<C>(closing::<C>(), 256);
        ws.feed(vec![7; queued]).await.unwrap();
        if queued == 0 {
            // It waits for nothing but that the Close frame leaves.
            SinkExt::close(&mut ws).await.unwrap();
            is_close_timeout(&due::<C, _>(1, ws.read()).await);
        } else {
            is_over(&due::<C, _>(1, SinkExt::close(&mut ws)).await);
        }

        // The Close frame was sent in passing.
        let (peer, mut ws) = server::<C>(closing::<C>(), 256);
        peer.put(&frame(0x82, key(), b"x"));
        let queue =
            |sender: &mut sansocket::Sender| sender.send(vec![7; queued]).and_then(|()| sender.close(None));
        ws.read_with(|_, sender| queue(sender)).await.unwrap().unwrap().unwrap();
        is_close_timeout(&due::<C, _>(1, ws.read()).await);
    }
    // And then the queue is flushed.
    let (peer, mut ws) = server::<C>(closing::<C>(), 256);
    peer.put(&frame(0x82, key(), b"x"));
    let queue =
        |sender: &mut sansocket::Sender| sender.send(vec![7; LARGE]).and_then(|()| sender.close(None));
    ws.read_with(|_, sender| queue(sender)).await.unwrap().unwrap().unwrap();
    is_over(&due::<C, _>(1, ws.flush()).await);

    // No time at all.
    let (_peer, mut ws) = server::<C>(Config::new().close_timeout(Duration::ZERO), 256);
    is_close_timeout(&due::<C, _>(0, ws.close(None)).await);
    let (peer, mut ws) = server::<C>(Config::new().close_timeout(Duration::ZERO), 256);
    peer.put(&frame(0x82, key(), b"x"));
    ws.read_with(|_, sender| sender.close(None)).await.unwrap().unwrap().unwrap();
    is_close_timeout(&due::<C, _>(0, ws.read()).await);

    // The peer answers, and leaves the stream open.
    let (peer, mut ws) = server::<C>(closing::<C>(), 256);
    peer.put(&frame(0x88, key(), b""));
    assert!(due::<C, _>(1, ws.close(None)).await.unwrap().clean);
}

async fn closing_halves<C: Clock>() {
    for queued in [0, LARGE] {
        let halves = async || {
            let (peer, ws) = server::<C>(closing::<C>(), 256);
            let (reader, mut writer) = ws.split();
            writer.feed(vec![7; queued]).await.unwrap();
            (peer, reader, writer)
        };
        // The reader reads.
        let (_peer, mut reader, mut writer) = halves().await;
        let (read, closed) = due::<C, _>(1, join(reader.read(), writer.close(None))).await;
        is_close_timeout(&read);
        assert!(!closed.unwrap().clean);
        // It does something else.
        let (_peer, _reader, mut writer) = halves().await;
        assert!(!due::<C, _>(1, writer.close(None)).await.unwrap().clean);
        // It is gone; it goes while the writer waits.
        let (_peer, reader, mut writer) = halves().await;
        drop(reader);
        is_close_timeout(&due::<C, _>(1, writer.close(None)).await);
        let (_peer, mut reader, mut writer) = halves().await;
        let reading = C::timeout(C::UNIT / 2, async move { reader.read().await });
        let (read, closed) = due::<C, _>(1, join(reading, writer.close(None))).await;
        assert!(read.is_none());
        is_close_timeout(&closed);
        // Two close.
        let (_peer, _reader, mut writer) = halves().await;
        let mut other = writer.clone();
        let (a, b) = due::<C, _>(1, join(writer.close(None), other.close(None))).await;
        assert!(!a.unwrap().clean && !b.unwrap().clean);
    }
}

macro_rules! with_each_timer {
    ($($name:ident),* $(,)?) => {
        mod with_tokio {
            use super::*;
            $(#[test] fn $name() { OnTokio::run(super::$name::<OnTokio>()) })*
        }
        mod with_smol {
            use super::*;
            $(#[test] fn $name() { OnSmol::run(super::$name::<OnSmol>()) })*
        }
    };
}

with_each_timer! {
    handshakes, reading, writing, writing_to_a_peer_that_reads_no_more, closing_unsplit, closing_halves,
    writing_with_an_event_ahead, writing_with_half_a_message_ahead, a_peer_that_takes_it_slowly_is_alive,
}

/// Without a timer, whoever calls `handle_timeout` when it says so finds the dead peer too.
#[test]
fn without_a_timer() {
    const UNIT: Duration = OnSmol::UNIT;
    smol::block_on(async {
        for close in [false, true] {
            let (_peer, stream) = pipe(256);
            let config = keepalive::<OnSmol>().close_timeout(UNIT);
            let mut ws: WebSocket<Futures<Pipe>> =
                WebSocket::from_connection(stream, Connection::new(Role::Server, config));
            let begun = Instant::now();
            let mut deadlines = 0;
            let error = loop {
                let call = async { if close { ws.close(None).await.map(|_| None) } else { ws.read().await } };
                if let Some(result) = smol::future::poll_once(pin!(call)).await {
                    break result.unwrap_err();
                }
                let deadline = ws.handle_timeout().expect("a deadline");
                assert!(deadline > Instant::now() - UNIT / 2, "it names what has passed");
                smol::Timer::at(deadline).await;
                deadlines += 1;
            };
            let (expected, units) =
                if close { (ProtocolError::CloseTimeout, 1) } else { (ProtocolError::PongTimeout, 2) };
            assert!(matches!(error, Error::Protocol(error) if error == expected), "{error:?}");
            assert!(begun.elapsed() >= units * UNIT);
            assert!(deadlines <= units + 1, "{deadlines} wake-ups");
        }
    });
}
