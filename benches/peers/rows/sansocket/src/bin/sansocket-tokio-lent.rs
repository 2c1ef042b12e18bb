//! The front end for tokio: `read_with` lends each message, which is queued without being owned.

use harness::{Codec, Echo, Endless, Failure, Options, Role, Sample};
use row_sansocket::{DEFLATE, open};
use sansocket::handshake::server;
use sansocket::tokio::{WebSocket, accept_with};
use sansocket::{Error, Event};
use std::net::TcpListener;
use std::sync::Arc;
use tokio::net::TcpStream;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "sansocket-tokio-lent";
    const DEFLATE: &'static [&'static str] = DEFLATE;

    fn serve(listener: TcpListener, how: Options) -> Result<(), Failure> {
        row_sansocket::serve(listener, &how, echo)
    }
}

async fn echo(stream: TcpStream, options: Arc<server::Options>) -> Result<(), Error> {
    let mut ws = accept_with(stream, options).await?;
    loop {
        let sent = ws.read_with(|event, sender| match event {
            Event::Text(text) => sender.send(text),
            Event::Binary(payload) => sender.send(payload),
            _ => Ok(()),
        });
        match sent.await? {
            Some(sent) => sent?,
            None => return Ok(()),
        }
        // A peer that sends and does not read is not to fill the queue.
        if ws.buffered_amount() >= HIGH {
            ws.flush().await?;
        }
    }
}

/// Bytes: half of what the queue takes by default.
const HIGH: usize = 512 << 10;

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let mut ws = WebSocket::from_connection(stream, open(Role::Server));
            let mut bytes = 0;
            for _ in 0..count {
                let length = ws.read_with(|event, _| match event {
                    Event::Text(text) => text.len(),
                    Event::Binary(payload) => payload.len(),
                    _ => 0,
                });
                bytes += length.await?.ok_or("the stream has ended")?;
            }
            Ok(bytes)
        })
    }

    fn encode(stream: Endless, role: Role, message: &Sample, count: usize) -> Result<(), Failure> {
        row_sansocket::encode(stream, role, message, count)
    }
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
