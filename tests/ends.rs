//! What closes and ends say is what has happened: no loss is taken for a success, and nobody innocent is blamed.
#![cfg(feature = "tokio")]

#[cfg(feature = "futures")]
#[path = "ends/by_hand.rs"]
mod by_hand;

use futures_util::{SinkExt, StreamExt, stream};
use sansocket::bytes::Buf;
use sansocket::tokio::WebSocket;
use sansocket::{CloseCode, Config, Connection, Error, Keepalive, Message, Role, SendError};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::{Instant, sleep};

const SECOND: Duration = Duration::from_secs(1);

/// A client's connection, and the raw other end of a pipe that holds so many bytes.
fn client(config: Config, held: usize) -> (WebSocket<DuplexStream>, DuplexStream) {
    let (stream, peer) = duplex(held);
    (WebSocket::from_connection(stream, Connection::new(Role::Client, config)), peer)
}

/// The peer reads nothing, so what was written never leaves.
#[tokio::test(start_paused = true)]
async fn a_close_that_loses_what_was_written_is_an_error() {
    let (ws, _deaf) = client(Config::new(), 1000);
    let mut stream = ws.into_byte_stream();
    stream.write_all(&[7; 500_000]).await.unwrap();
    assert_eq!(stream.shutdown().await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert_eq!(stream.close_info().unwrap().sent.code, CloseCode::ABNORMAL);

    let (ws, _deaf) = client(Config::new(), 1000);
    let (mut reader, mut writer) = ws.split();
    let reading = tokio::spawn(async move { reader.read().await });
    writer.feed(vec![7; 500_000]).await.unwrap();
    assert!(matches!(SinkExt::close(&mut writer).await, Err(Error::Closed)));
    assert!(reading.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_bytes_ends_where_the_peer_says_that_it_ends() {
    for (code, whole) in [(Some(1000), true), (Some(1001), true), (None, true), (Some(1011), false)] {
        let (ws, mut peer) = client(Config::new(), 1000);
        let code: Vec<u8> = code.map_or(vec![], |code: u16| code.to_be_bytes().to_vec());
        let close = [&[0x88, u8::try_from(code.len()).unwrap()][..], &code].concat();
        peer.write_all(&[b"\x82\x04half", &close[..]].concat()).await.unwrap();
        peer.shutdown().await.unwrap();
        let (mut stream, mut bytes) = (ws.into_byte_stream(), Vec::new());
        let read = stream.read_to_end(&mut bytes).await;
        assert_eq!(
            read.map_err(|error| error.kind()),
            if whole { Ok(4) } else { Err(ErrorKind::ConnectionAborted) }
        );
        assert_eq!(bytes, b"half");
    }
}

/// One task forwards requests, and closes after the last; the answers are the other's.
#[tokio::test(start_paused = true)]
async fn closing_the_sink_leaves_what_still_comes_to_the_stream() {
    let (ws, mut peer) = client(Config::new(), 1000);
    let (mut sink, stream) = StreamExt::split(ws);
    let answering = async {
        let mut request = [0; 13];
        peer.read_exact(&mut request).await.unwrap();
        for _ in 0..3 {
            sleep(SECOND).await;
            peer.write_all(b"\x81\x06answer").await.unwrap();
        }
        peer.write_all(b"\x88\x02\x03\xe8").await.unwrap();
        peer.shutdown().await.unwrap();
    };
    let requests = stream::iter([Ok(Message::text("request"))]);
    let (sent, answers, ()) =
        tokio::join!(requests.forward(&mut sink), stream.collect::<Vec<_>>(), answering);
    sent.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Message::Text(text)) if &**text == "answer")));
    assert_eq!(answers.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_parts_of_a_message_leave_as_they_are_written() {
    let (mut ws, mut peer) = client(Config::new(), 1000);
    let mut message = ws.text_writer();
    for part in ["token", "and another"] {
        message.write(part).await.unwrap();
        peer.read_exact(&mut vec![0; 6 + part.len()]).await.unwrap();
    }
    message.finish().await.unwrap();
}

#[tokio::test]
async fn a_finished_message_takes_no_more() {
    let (mut ws, mut peer) = client(Config::new(), 1000);
    let mut message = ws.binary_writer();
    message.write_all(b"a").await.unwrap();
    message.shutdown().await.unwrap();
    assert_eq!(message.write_all(b"b").await.unwrap_err().kind(), ErrorKind::BrokenPipe);
    assert!(matches!(message.write(&b"b"[..]).await, Err(Error::Closed)));
    message.finish().await.unwrap();
    ws.send("next").await.unwrap();
    let mut frames = [0; 7 + 6 + 10];
    peer.read_exact(&mut frames).await.unwrap();
    assert_eq!((frames[0], frames[7], frames[13]), (0x02, 0x80, 0x81));
}

/// The peer takes what is written, and answers pings; but the pong lies behind messages that are not read yet.
#[tokio::test(start_paused = true)]
async fn a_peer_that_takes_what_is_written_is_alive() {
    let config = Config::new().keepalive(Keepalive { interval: SECOND, timeout: 2 * SECOND });
    let (ws, mut peer) = client(config, 1000);
    let (mut reader, mut writer) = ws.split();
    peer.write_all(&b"\x81\x01x".repeat(70)).await.unwrap();
    let (mut from_us, mut to_us) = tokio::io::split(peer);
    tokio::spawn(async move {
        let mut server = Connection::new(Role::Server, Config::new());
        let mut bytes = [0; 1000];
        while let Ok(n @ 1..) = from_us.read(&mut bytes).await {
            server.receive(&bytes[..n]);
            while server.poll_event().unwrap().is_some() {}
            let waiting = server.buffered_amount();
            let pongs = server.output().copy_to_bytes(waiting);
            to_us.write_all(&pongs).await.unwrap();
            sleep(SECOND / 100).await;
        }
    });
    tokio::spawn(async move {
        while let Ok(Some(_)) = reader.read().await {
            sleep(10 * SECOND).await;
        }
    });
    let begun = Instant::now();
    while begun.elapsed() < 30 * SECOND {
        writer.send(vec![7; 20_000]).await.unwrap();
    }
}

/// What waits in the socket is looked at before the peer is blamed, also where the application asks for the time.
#[tokio::test(start_paused = true)]
async fn handle_timeout_blames_nobody() {
    let config = Config::new().keepalive(Keepalive { interval: SECOND, timeout: SECOND });
    let (mut ws, mut peer) = client(config, 1000);
    // The ping leaves while it waits.
    let reading = tokio::time::timeout(SECOND * 3 / 2, ws.read());
    assert!(reading.await.is_err());
    let mut ping = [0; 14];
    peer.read_exact(&mut ping).await.unwrap();
    let pong: Vec<u8> = (0..8).map(|i| ping[6 + i] ^ ping[2 + i % 4]).collect();
    peer.write_all(&[&[0x8A, 8], &pong[..], b"\x81\x01x"].concat()).await.unwrap();
    sleep(10 * SECOND).await; // the application is busy
    assert!(ws.handle_timeout().is_some_and(|deadline| deadline <= Instant::now().into_std()));
    assert_eq!(ws.read().await.unwrap(), Some(Message::text("x")));
    assert!(matches!(ws.send_fragment("a", false).await, Ok(())));
    assert!(matches!(ws.send("b").await, Err(Error::Send(SendError::FragmentedMessage))));
}
