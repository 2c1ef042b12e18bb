//! What a call does that waits to write to a peer that reads nothing: it reads ahead, and nothing of that is
//! lost; and it ends in time, as every other call does.
#![cfg(all(feature = "tokio", feature = "futures"))]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use futures_util::AsyncWriteExt;
use sansocket::asynchronous::{Handshake, Tokio, WebSocket};
use sansocket::handshake::server::Options;
use sansocket::{Agreement, Config, Connection, Error, Event, Keepalive, Role, SendError};
use std::io::ErrorKind;
use std::time::Duration;
use support::net::{Call, Fault, Line, Speed};
use support::wire::frame;
use tokio::time::timeout;

/// The network holds little of what a peer does not read.
const DEAF: Speed = Speed { call: 1000, step: 1000, capacity: 1000, stutters: false, writes_first: false };
/// Nothing here takes so long.
const HOUR: Duration = Duration::from_secs(3600);

fn server(line: &Line, config: Config) -> WebSocket<Tokio<Line>> {
    WebSocket::from_connection(
        line.clone(),
        Connection::with_seed(Role::Server, config, Agreement::new(), [3; 32]),
    )
}

/// The peer writes what it has, and reads nothing for ever.
fn deliver(line: &Line) {
    let mut net = line.net();
    while net.peer_writes() {}
    net.wake_reader();
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_in_time_after_the_peers_close() {
    let line = Line::new(Role::Server, DEAF);
    let mut ws = server(&line, Config::new());
    ws.feed(vec![7; 100_000]).await.unwrap();
    line.net().peer.connection.close(None).unwrap();
    deliver(&line);
    let flushed = timeout(HOUR, ws.flush()).await;
    assert!(flushed.is_ok(), "waits for ever");
}

#[tokio::test(start_paused = true)]
async fn a_flush_ends_in_time_after_our_close() {
    let line = Line::new(Role::Server, DEAF);
    let mut ws = server(&line, Config::new());
    ws.feed(vec![7; 100_000]).await.unwrap();
    line.net().peer.connection.send("x").unwrap();
    deliver(&line);
    ws.read_with(|_, sender| sender.close(None)).await.unwrap().unwrap().unwrap();
    let flushed = timeout(HOUR, ws.flush()).await;
    assert!(flushed.is_ok(), "waits for ever");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_room_is_freed_by_the_peers_close() {
    let line = Line::new(Role::Server, DEAF);
    let mut ws = server(&line, Config::new().high_water_mark(10));
    ws.feed(vec![7; 100_000]).await.unwrap();
    line.net().peer.connection.close(None).unwrap();
    deliver(&line);
    let fed = timeout(HOUR, ws.feed("more")).await;
    assert!(matches!(fed, Ok(Err(Error::Send(SendError::Closed) | Error::Closed))), "{fed:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_read_ahead_is_among_the_parts() {
    let line = Line::new(Role::Server, DEAF);
    let mut ws = server(&line, Config::new());
    line.net().peer.connection.send("one").unwrap();
    line.net().peer.connection.send("two").unwrap();
    deliver(&line);
    assert!(line.poll(1, ws.send(vec![7; 100_000])).is_none());
    let (_, mut connection) = ws.into_parts();
    let event = connection.poll_event().unwrap().unwrap();
    assert!(matches!(&event, Event::Text(text) if &**text == "one"), "{event:?}");
}

#[tokio::test(start_paused = true)]
async fn keepalive_frees_a_send_although_a_message_waits() {
    for coming in [false, true] {
        let line = Line::new(Role::Server, DEAF);
        let keepalive = Keepalive { interval: Duration::from_secs(1), timeout: Duration::from_secs(1) };
        let mut ws = server(&line, Config::new().keepalive(keepalive));
        if coming {
            line.net().peer.connection.send("one").unwrap();
            deliver(&line);
        }
        let sent = timeout(HOUR, ws.send(vec![7; 100_000])).await;
        assert!(sent.is_ok(), "waits for ever {coming}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_arises_while_sending_holds() {
    let line = Line::new(Role::Server, DEAF);
    let mut ws = server(&line, Config::new().message_timeout(Duration::from_secs(1)));
    line.net().peer.connection.send(vec![0; 500]).unwrap();
    line.net().speed.step = 100;
    line.net().peer_writes(); // not the rest
    let sent = timeout(HOUR, ws.send(vec![7; 100_000])).await;
    assert!(sent.is_ok(), "waits for ever");
}

#[tokio::test(start_paused = true)]
async fn a_request_may_be_looked_at_again_after_the_deadline() {
    let line = Line::unopened(Role::Server, DEAF);
    deliver(&line);
    let mut handshake: Handshake<Tokio<Line>> = Handshake::new(line.clone(), Options::new());
    handshake.read().await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let again = handshake.read().await.map(|_| ());
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_writer_finishes_once() {
    let line = Line::new(Role::Server, DEAF);
    let mut ws = server(&line, Config::new());
    let mut writer = ws.binary_writer();
    AsyncWriteExt::write_all(&mut writer, b"abc").await.unwrap();
    AsyncWriteExt::close(&mut writer).await.unwrap();
    writer.finish().await.unwrap();
    while line.net().step() {}
    let seen = line.net().peer.seen.clone();
    assert_eq!(seen.len(), 1, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn reading_ends_in_time_after_writing_broke() {
    let line = Line::new(Role::Server, DEAF);
    line.net().fault = Some((Call::Write, 0, Fault::Fails(ErrorKind::BrokenPipe)));
    let keepalive = Keepalive { interval: Duration::from_secs(1), timeout: Duration::from_secs(1) };
    let mut ws = server(&line, Config::new().keepalive(keepalive));
    assert!(ws.send("x").await.is_err());
    let read = timeout(HOUR, ws.read()).await;
    assert!(read.is_ok(), "waits for ever");
}

/// A frame of a client, masked by zeros.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, Some([0; 4]), payload)
}

#[tokio::test(start_paused = true)]
async fn nothing_comes_after_an_invalid_text() {
    let line = Line::new(Role::Server, DEAF);
    let mut ws = server(&line, Config::new());
    line.net().first = [raw(0x81, b"\xFF"), raw(0x81, b"two"), raw(0x89, b"?")].concat().into();
    deliver(&line);
    assert!(line.poll(1, ws.send(vec![7; 100_000])).is_none());
    let reads = [line.poll(9, ws.read()), line.poll(9, ws.read())];
    assert!(matches!(reads[0], None | Some(Err(_))), "{reads:?}");
}

#[tokio::test(start_paused = true)]
async fn a_part_that_ends_inside_a_character_is_cut_before_it() {
    let line = Line::new(Role::Server, DEAF);
    let mut ws = server(&line, Config::new().streaming(true));
    line.net().first = raw(0x01, &"aé".as_bytes()[..2]).into();
    deliver(&line);
    assert!(line.poll(1, ws.send(vec![7; 100_000])).is_none());
    let part = line.finish(ws.read_with(|event, _| format!("{event:?}")));
    assert!(matches!(&part, Ok(Some(_))), "{part:?}");
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_close_can_be_answered() {
    let line = Line::new(Role::Server, DEAF);
    let mut ws = server(&line, Config::new());
    line.net().peer.connection.send("one").unwrap();
    line.net().peer.connection.send("two").unwrap();
    line.net().peer.connection.close(None).unwrap();
    deliver(&line);
    assert!(line.poll(1, ws.send(vec![7; 100_000])).is_none());
    for _ in 0..2 {
        let message = line.finish(ws.read()).unwrap().unwrap();
        line.finish(ws.feed(message)).unwrap();
    }
}
