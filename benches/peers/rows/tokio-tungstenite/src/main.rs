//! tokio-tungstenite.

use futures_util::{FutureExt, SinkExt, StreamExt};
use harness::{Codec, Echo, Endless, Failure, Options, Sample};
use std::net::TcpListener;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::{WebSocketStream, accept_async};

struct Row;

impl Echo for Row {
    const NAME: &'static str = "tokio-tungstenite";
    const BATCH: bool = true;

    fn serve(listener: TcpListener, options: Options) -> Result<(), Failure> {
        harness::tasks(listener, move |stream| echo(stream, options.batch))
    }
}

async fn echo(stream: TcpStream, batch: bool) -> Result<(), Failure> {
    let mut ws = accept_async(stream).await?;
    if batch {
        return echo_bursts(ws).await;
    }
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_binary() || message.is_text() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

/// Feeds while there are messages, and flushes before it waits.
async fn echo_bursts(mut ws: WebSocketStream<TcpStream>) -> Result<(), Failure> {
    loop {
        let next = match ws.next().now_or_never() {
            Some(next) => next,
            None => {
                ws.flush().await?;
                ws.next().await
            }
        };
        let message = next.ok_or("closed")??;
        if message.is_binary() || message.is_text() {
            ws.feed(message).await?;
        }
    }
}

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let mut ws = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            let mut bytes = 0;
            for _ in 0..count {
                bytes += ws.next().await.ok_or("closed")??.len();
            }
            Ok(bytes)
        })
    }

    fn encode(stream: Endless, role: harness::Role, sample: &Sample, count: usize) -> Result<(), Failure> {
        let role = match role {
            harness::Role::Server => Role::Server,
            harness::Role::Client => Role::Client,
        };
        let message = match sample {
            Sample::Text(text) => Message::text(text),
            _ => Message::binary(sample.bytes().to_vec()),
        };
        harness::block_on(async {
            let mut ws = WebSocketStream::from_raw_socket(stream, role, None).await;
            for _ in 0..count {
                ws.send(message.clone()).await?;
            }
            Ok(())
        })
    }
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
