//! tokio-websockets. It has no batch: `poll_next` flushes each time, so a burst is not answered at once.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use harness::{Codec, Echo, Endless, Failure, Options, Role, Sample};
use std::net::TcpListener;
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Limits, Message, ServerBuilder, WebSocketStream};

struct Row;

impl Echo for Row {
    const NAME: &'static str = "tokio-websockets";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        harness::tasks(listener, echo)
    }
}

async fn echo(stream: TcpStream) -> Result<(), Failure> {
    let (_, mut ws) = ServerBuilder::new().limits(Limits::unlimited()).accept(stream).await?;
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_binary() || message.is_text() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let mut ws = ServerBuilder::new().limits(Limits::unlimited()).serve(stream);
            let mut bytes = 0;
            for _ in 0..count {
                bytes += ws.next().await.ok_or("closed")??.as_payload().len();
            }
            Ok(bytes)
        })
    }

    fn encode(stream: Endless, role: Role, sample: &Sample, count: usize) -> Result<(), Failure> {
        let message = match sample {
            Sample::Text(text) => Message::text(text.clone()),
            _ => Message::binary(Bytes::copy_from_slice(sample.bytes())),
        };
        harness::block_on(async {
            match role {
                Role::Server => send(ServerBuilder::new().serve(stream), message, count).await,
                Role::Client => send(ClientBuilder::new().take_over(stream), message, count).await,
            }
        })
    }
}

async fn send(mut ws: WebSocketStream<Endless>, message: Message, count: usize) -> Result<(), Failure> {
    for _ in 0..count {
        ws.send(message.clone()).await?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
