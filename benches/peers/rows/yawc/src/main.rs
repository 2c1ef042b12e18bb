//! yawc, on a bare TCP stream: the opening handshake is ours, not hyper's. Text is validated, which is off by
//! default there.

use bytes::Bytes;
use futures_util::{FutureExt, SinkExt, StreamExt};
use harness::{Codec, Echo, Endless, Failure, Options, Sample};
use std::net::TcpListener;
use tokio::net::TcpStream;
use yawc::{Frame, OpCode, Role, WebSocket};

struct Row;

impl Echo for Row {
    const NAME: &'static str = "yawc";
    const BATCH: bool = true;
    const DEFLATE: &'static [&'static str] = &["balanced"];

    fn serve(listener: TcpListener, options: Options) -> Result<(), Failure> {
        let deflate = options.deflate.is_some();
        harness::tasks(listener, move |stream| echo(stream, options.batch, deflate))
    }
}

fn settings(batch: bool, deflate: bool) -> yawc::Options {
    let mut options = yawc::Options::default().with_limits(64 << 20, 128 << 20).with_utf8();
    if batch {
        // As the crate's own comparison does, instead of 8 KiB.
        options = options.with_read_buffer_capacity(128 << 10).with_backpressure_boundary(64 << 10);
    }
    if deflate { options.with_balanced_compression() } else { options }
}

async fn echo(mut stream: TcpStream, batch: bool, deflate: bool) -> Result<(), Failure> {
    let extension = deflate.then_some("permessage-deflate");
    harness::upgrade(&mut stream, extension).await?;
    let settings = settings(batch, deflate);
    let mut ws = WebSocket::from_stream_with_extensions(stream, Role::Server, extension, settings)?;
    if batch {
        return echo_bursts(ws).await;
    }
    while let Some(frame) = ws.next().await {
        if matches!(frame.opcode(), OpCode::Binary | OpCode::Text) {
            ws.send(frame).await?;
        }
    }
    Ok(())
}

/// Feeds while there are messages, and flushes before it waits.
async fn echo_bursts(mut ws: WebSocket<TcpStream>) -> Result<(), Failure> {
    loop {
        let next = match ws.next().now_or_never() {
            Some(next) => next,
            None => {
                ws.flush().await?;
                ws.next().await
            }
        };
        let frame = next.ok_or("closed")?;
        if matches!(frame.opcode(), OpCode::Binary | OpCode::Text) {
            ws.feed(frame).await?;
        }
    }
}

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let mut ws = WebSocket::from_stream(stream, Role::Server, settings(false, false))?;
            let mut bytes = 0;
            for _ in 0..count {
                bytes += ws.next_frame().await?.payload().len();
            }
            Ok(bytes)
        })
    }

    fn encode(stream: Endless, role: harness::Role, sample: &Sample, count: usize) -> Result<(), Failure> {
        let role = match role {
            harness::Role::Server => Role::Server,
            harness::Role::Client => Role::Client,
        };
        let bytes = Bytes::copy_from_slice(sample.bytes());
        harness::block_on(async {
            let mut ws = WebSocket::from_stream(stream, role, settings(false, false))?;
            for _ in 0..count {
                let bytes = bytes.clone();
                ws.send(if sample.is_text() { Frame::text(bytes) } else { Frame::binary(bytes) }).await?;
            }
            Ok(())
        })
    }
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
