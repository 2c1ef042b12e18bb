//! The front end for tokio: `read`, then `feed`.

use harness::{Codec, Echo, Endless, Failure, Options, Role, Sample};
use row_sansocket::{DEFLATE, length, open};
use sansocket::Error;
use sansocket::handshake::server;
use sansocket::tokio::{WebSocket, accept_with};
use std::net::TcpListener;
use std::sync::Arc;
use tokio::net::TcpStream;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "sansocket-tokio";
    const DEFLATE: &'static [&'static str] = DEFLATE;

    fn serve(listener: TcpListener, how: Options) -> Result<(), Failure> {
        row_sansocket::serve(listener, &how, echo)
    }
}

async fn echo(stream: TcpStream, options: Arc<server::Options>) -> Result<(), Error> {
    let mut ws = accept_with(stream, options).await?;
    while let Some(message) = ws.read().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let mut ws = WebSocket::from_connection(stream, open(Role::Server));
            let mut bytes = 0;
            for _ in 0..count {
                bytes += length(ws.read().await?)?;
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
