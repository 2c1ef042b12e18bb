//! What a connection and a task that serves it weigh, in bytes, beside the buffers that they hold only while
//! data is under way.
#![cfg(feature = "tokio")]

use sansocket::handshake::client::Request;
use sansocket::{Config, Connect, Error, tokio};
use std::mem::size_of_val;

type Stream = ::tokio::io::DuplexStream;

/// As an application writes it.
async fn serve(stream: Stream) -> Result<(), Error> {
    let mut ws = tokio::accept(stream).await?;
    while let Some(message) = ws.read().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

#[test]
fn a_task_that_serves_a_connection_keeps_no_room_for_its_handshake() {
    let (stream, _) = ::tokio::io::duplex(1);
    let task = size_of_val(&serve(stream));
    let connection = size_of::<tokio::WebSocket<Stream>>();
    println!("a connection {connection}, a task that serves one {task}");
    assert!(connection <= 768, "{connection}");
    assert!(task <= connection + 384, "{task}");
}

#[test]
fn the_futures_of_connect_and_client_are_small() {
    let (stream, _) = ::tokio::io::duplex(1);
    let connect = size_of_val(&tokio::connect(Connect::new("ws://a/").unwrap()));
    let request = Request::new("ws://a/").unwrap();
    let client = size_of_val(&tokio::WebSocket::<Stream>::client(stream, request, Config::new()));
    println!("connect {connect}, client {client}");
    assert!(connect <= 2400, "{connect}");
    assert!(client <= 1792, "{client}");
}
