//! The core alone: a client and a server that exchange bytes through two vectors. No socket, no thread,
//! no clock.
//!
//! ```text
//! cargo run --example sans_io
//! ```
//!
//! Whatever moves bytes (an event loop, a test, a serial line) takes the place of the vectors.

use bytes::Buf;
use sansocket::handshake::{client, server};
use sansocket::{CloseCode, CloseFrame, Config, Connection, Role};
use std::error::Error;
use std::mem;
use std::time::Instant;

fn main() -> Result<(), Box<dyn Error>> {
    // The network: what is under way to each end.
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());

    // The opening handshake: write what `output` holds, hand to `receive` what comes.
    let request = client::Request::new("ws://example.com/chat")?.protocol("chat")?;
    let mut client = client::Handshake::new(request, Config::new())?;
    to_server.extend(mem::take(client.output()));
    println!("client -> server\n{}", String::from_utf8_lossy(&to_server));

    let mut server = server::Handshake::new(server::Options::new().protocols(["chat"]));
    let request = server.receive(&mem::take(&mut to_server))?.ok_or("the request is incomplete")?;
    println!("the server sees a request for {}, and accepts it", request.uri());
    let (mut server, _) = server.accept()?; // the response stands in the connection's output
    write(&mut server, &mut to_client);

    println!("\nserver -> client\n{}", String::from_utf8_lossy(&to_client));
    let response = client.receive(&mem::take(&mut to_client))?.ok_or("the response is incomplete")?;
    println!("the client sees {}", response.status());
    let (mut client, _) = client.open()?;
    println!("both ends are {:?}, and speak {:?}", client.state(), client.protocol().unwrap_or("anything"));

    println!("\na message");
    client.send("Hello, world!")?;
    exchange(&mut client, &mut server)?;

    println!("\na ping; its pong leaves by itself");
    client.ping(b"are you there?")?;
    exchange(&mut client, &mut server)?;

    println!("\nthe closing handshake");
    client.close(CloseFrame::new(CloseCode::NORMAL, "bye"))?;
    exchange(&mut client, &mut server)?;

    // The server closes the transport first (RFC 6455 §7.1.1); the client sees the end of the stream.
    assert!(server.wants_shutdown());
    client.receive_eof();
    assert!(client.wants_shutdown());
    println!("\nboth ends are {:?}: {:?}", client.state(), client.close_info());
    Ok(())
}

/// Moves bytes both ways until nothing is under way.
fn exchange(client: &mut Connection, server: &mut Connection) -> Result<(), Box<dyn Error>> {
    let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
    loop {
        write(client, &mut to_server);
        write(server, &mut to_client);
        if to_server.is_empty() && to_client.is_empty() {
            return Ok(());
        }
        read(server, &mut to_server)?;
        read(client, &mut to_client)?;
    }
}

/// Moves what a connection wants written to the network.
fn write(connection: &mut Connection, network: &mut Vec<u8>) {
    let output = connection.output();
    while output.has_remaining() {
        network.extend_from_slice(output.chunk());
        output.advance(output.chunk().len());
    }
}

/// Hands what the network brings to a connection, and shows the events that come of it.
fn read(connection: &mut Connection, network: &mut Vec<u8>) -> Result<(), Box<dyn Error>> {
    let (from, at) = match connection.role() {
        Role::Client => ("server", "client"),
        Role::Server => ("client", "server"),
    };
    let bytes = mem::take(network);
    if bytes.is_empty() {
        return Ok(());
    }
    println!("{from} -> {at}  {bytes:02x?}");
    connection.receive(&bytes);
    while let Some(event) = connection.poll_event()? {
        println!("the {at} sees  {event:?}");
    }
    // Keepalive and deadlines; the answer is when to call again at the latest.
    connection.handle_timeout(Instant::now());
    Ok(())
}
