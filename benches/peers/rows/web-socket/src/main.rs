//! web-socket. It brings no opening handshake, no buffer and no validation of text: those are ours and std's.

use harness::{Codec, Echo, Endless, Failure, Options, Role, Sample};
use std::net::TcpListener;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use web_socket::{DataType, Event, Frame, MessageType, WebSocket};

struct Row;

impl Echo for Row {
    const NAME: &'static str = "web-socket";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        harness::tasks(listener, echo)
    }
}

async fn echo(mut stream: TcpStream) -> Result<(), Failure> {
    harness::upgrade(&mut stream, None).await?;
    let mut ws = WebSocket::server(BufReader::new(stream));
    ws.max_payload_len = 64 << 20;
    loop {
        match ws.recv().await? {
            Event::Data { ty: DataType::Complete(MessageType::Text), data } => {
                ws.send(Frame::from(str::from_utf8(&data)?)).await?;
            }
            Event::Data { data, .. } => ws.send(Frame::from(&data[..])).await?,
            Event::Close { .. } => return Ok(ws.close(()).await?),
            Event::Error(error) => return Err(error.into()),
            _ => {}
        }
    }
}

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let mut ws = WebSocket::server(BufReader::new(stream));
            let mut bytes = 0;
            for _ in 0..count {
                let Event::Data { ty, data } = ws.recv().await? else { return Err("no message".into()) };
                if let DataType::Complete(MessageType::Text) = ty {
                    str::from_utf8(&data)?;
                }
                bytes += data.len();
            }
            Ok(bytes)
        })
    }

    fn encode(stream: Endless, role: Role, sample: &Sample, count: usize) -> Result<(), Failure> {
        harness::block_on(async {
            let mut ws = match role {
                Role::Server => WebSocket::server(stream),
                Role::Client => WebSocket::client(stream),
            };
            for _ in 0..count {
                match sample {
                    Sample::Text(text) => ws.send(text.as_str()).await?,
                    _ => ws.send(sample.bytes()).await?,
                }
            }
            Ok(())
        })
    }
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
