//! fastwebsockets, on a bare TCP stream: the opening handshake is ours, not hyper's.

use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket};
use harness::{Codec, Echo, Endless, Failure, Mask, Options, Sample};
use std::net::TcpListener;
use tokio::net::TcpStream;

struct Row;

/// Bytes that a message may have.
const LIMIT: usize = 64 << 20;

impl Echo for Row {
    const NAME: &'static str = "fastwebsockets";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        harness::tasks(listener, echo)
    }
}

async fn echo(mut stream: TcpStream) -> Result<(), Failure> {
    harness::upgrade(&mut stream, None).await?;
    let mut ws = collector(WebSocket::after_handshake(stream, Role::Server));
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}

fn collector<S>(mut ws: WebSocket<S>) -> FragmentCollector<S>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    ws.set_max_message_size(LIMIT);
    FragmentCollector::new(ws)
}

impl Codec for Row {
    const MASK: Option<(&'static str, Mask)> = Some(("fastwebsockets::unmask", fastwebsockets::unmask));

    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let mut ws = collector(WebSocket::after_handshake(stream, Role::Server));
            let mut bytes = 0;
            for _ in 0..count {
                bytes += ws.read_frame().await?.payload.len();
            }
            Ok(bytes)
        })
    }

    fn encode(stream: Endless, role: harness::Role, sample: &Sample, count: usize) -> Result<(), Failure> {
        let role = match role {
            harness::Role::Server => Role::Server,
            harness::Role::Client => Role::Client,
        };
        harness::block_on(async {
            let mut ws = WebSocket::after_handshake(stream, role);
            for _ in 0..count {
                let payload = Payload::Borrowed(sample.bytes());
                let frame = if sample.is_text() { Frame::text(payload) } else { Frame::binary(payload) };
                ws.write_frame(frame).await?;
            }
            Ok(())
        })
    }
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
