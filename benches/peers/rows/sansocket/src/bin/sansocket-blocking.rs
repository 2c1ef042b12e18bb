//! The blocking front end, with a thread for each connection: `read`, then `feed`.

use harness::{Codec, Echo, Endless, Failure, Options, Role, Sample};
use row_sansocket::{DEFLATE, length, open, options, outgoing};
use sansocket::Error;
use sansocket::blocking::{WebSocket, accept_with};
use sansocket::handshake::server;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "sansocket-blocking";
    const DEFLATE: &'static [&'static str] = DEFLATE;

    fn serve(listener: TcpListener, how: Options) -> Result<(), Failure> {
        let options = options(&how)?;
        // How a connection ends is for the generator to judge.
        harness::threads(listener, move |stream| drop(echo(stream, Arc::clone(&options))))
    }
}

fn echo(stream: TcpStream, options: Arc<server::Options>) -> Result<(), Error> {
    let mut ws = accept_with(stream, options)?;
    while let Some(message) = ws.read()? {
        ws.feed(message)?;
    }
    Ok(())
}

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        let mut ws = WebSocket::from_connection(stream, open(Role::Server));
        (0..count).map(|_| length(ws.read()?)).sum()
    }

    fn encode(stream: Endless, role: Role, message: &Sample, count: usize) -> Result<(), Failure> {
        let mut ws = WebSocket::from_connection(stream, open(role));
        for _ in 0..count {
            ws.send(outgoing(message))?;
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
