//! tungstenite: a thread for each connection.

use harness::{Codec, Echo, Endless, Failure, Options, Sample};
use std::net::{TcpListener, TcpStream};
use tungstenite::protocol::Role;
use tungstenite::{Message, WebSocket};

struct Row;

impl Echo for Row {
    const NAME: &'static str = "tungstenite";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        harness::threads(listener, |stream| drop(echo(stream)))
    }
}

fn echo(stream: TcpStream) -> Result<(), Failure> {
    let mut ws = tungstenite::accept(stream).map_err(|error| error.to_string())?;
    loop {
        let message = ws.read()?;
        if message.is_binary() || message.is_text() {
            ws.send(message)?;
        }
    }
}

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        let mut ws = WebSocket::from_raw_socket(stream, Role::Server, None);
        (0..count).map(|_| Ok(ws.read()?.len())).sum()
    }

    fn encode(stream: Endless, role: harness::Role, sample: &Sample, count: usize) -> Result<(), Failure> {
        let role = match role {
            harness::Role::Server => Role::Server,
            harness::Role::Client => Role::Client,
        };
        let mut ws = WebSocket::from_raw_socket(stream, role, None);
        let message = match sample {
            Sample::Text(text) => Message::text(text),
            _ => Message::binary(sample.bytes().to_vec()),
        };
        for _ in 0..count {
            ws.send(message.clone())?;
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
