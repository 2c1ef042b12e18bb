//! sockudo-ws.

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};
use harness::{Codec, Echo, Endless, Failure, Mask, Options, Sample};
use sockudo_ws::deflate::{DeflateConfig, negotiate_server_deflate};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request, server_handshake};
use sockudo_ws::{CompressedWebSocketStream, Config, Message, Role, WebSocketStream};
use std::error::Error;
use std::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "sockudo-ws";
    const BATCH: bool = true;
    const DEFLATE: &'static [&'static str] = &["default"];

    fn serve(listener: TcpListener, options: Options) -> Result<(), Failure> {
        let (batch, deflate) = (options.batch, options.deflate.is_some());
        harness::tasks(listener, move |stream| async move {
            if deflate {
                drop(compressed(stream).await);
            } else {
                drop(plain(stream, batch).await);
            }
        })
    }
}

async fn plain(mut stream: TcpStream, batch: bool) -> Result<(), Failure> {
    let handshake = server_handshake(&mut stream).await?;
    let config = Config::default();
    let ws = WebSocketStream::from_raw_with_leftover(stream, Role::Server, config, handshake.leftover);
    if batch { echo_bursts(ws).await } else { echo(ws).await }
}

/// There is no call that accepts a client with compression; the crate's server for Autobahn does the same.
async fn compressed(mut stream: TcpStream) -> Result<(), Failure> {
    let mut head = BytesMut::with_capacity(4096);
    let config = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("no request".into());
        }
        if let Some((request, _)) = parse_request(&head)? {
            let offer = request.extensions.ok_or("no offer")?;
            let agreed = negotiate_server_deflate(offer, &DeflateConfig::default()).ok_or("no agreement")?;
            let (key, extensions) = (generate_accept_key(request.key), agreed.to_response_header());
            stream.write_all(&build_response(&key, None, Some(&extensions))).await?;
            break agreed.config;
        }
    };
    echo(CompressedWebSocketStream::server(stream, Config::default(), config)).await
}

async fn echo<W, E>(mut ws: W) -> Result<(), Failure>
where
    W: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
    E: Error + Send + Sync + 'static,
{
    while let Some(message) = ws.next().await {
        let message = message?;
        if message.is_binary() || message.is_text() {
            ws.send(message).await?;
        }
    }
    Ok(())
}

/// Feeds while there are messages, and flushes before it waits.
async fn echo_bursts<W, E>(mut ws: W) -> Result<(), Failure>
where
    W: Stream<Item = Result<Message, E>> + Sink<Message, Error = E> + Unpin,
    E: Error + Send + Sync + 'static,
{
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
    const MASK: Option<(&'static str, Mask)> =
        Some(("sockudo_ws::simd::apply_mask", sockudo_ws::simd::apply_mask));

    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let mut ws = WebSocketStream::server(stream, Config::default());
            let mut bytes = 0;
            for _ in 0..count {
                bytes += ws.next().await.ok_or("closed")??.as_bytes().len();
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
        let message = if sample.is_text() { Message::Text(bytes) } else { Message::Binary(bytes) };
        harness::block_on(async {
            let mut ws = WebSocketStream::from_raw(stream, role, Config::default());
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
