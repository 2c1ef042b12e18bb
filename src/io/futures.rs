//! The front end for any runtime whose streams have the traits of futures-io (smol, async-std, and tokio by
//! way of `tokio_util::compat`): [`accept`], [`connect()`] over a stream that was made elsewhere, and a
//! [`WebSocket`].
//!
//! # Time
//!
//! These traits know no timer. Give the stream one with [`with_timer`], and the deadlines of
//! [`Config`](crate::Config) hold by themselves. Without it a deadline is looked at whenever the connection is
//! polled; then call [`handle_timeout`](WebSocket::handle_timeout) to learn when to poll it next.

use super::asynchronous::{self, complete};
use super::connect::Connect;
use super::opening::Opening;
use super::proxy::Proxy;
use super::transport::{Futures, Transport};
use crate::connection::later;
use crate::error::{Error, HandshakeError};
use crate::handshake::{Url, server};
use futures_io::{AsyncRead, AsyncWrite};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A WebSocket connection over any stream.
pub type WebSocket<S> = asynchronous::WebSocket<Futures<S>>;
/// A server's opening handshake over any stream.
pub type Handshake<S> = asynchronous::Handshake<Futures<S>>;
/// The reading half of a [`WebSocket`].
pub type Reader<S> = asynchronous::Reader<Futures<S>>;
/// The writing half of a [`WebSocket`].
pub type Writer<S> = asynchronous::Writer<Futures<S>>;
/// A [`WebSocket`] as a stream of bytes.
pub type ByteStream<S> = asynchronous::ByteStream<Futures<S>>;
/// A writer for one message of a [`WebSocket`].
pub type MessageWriter<'a, S> = asynchronous::MessageWriter<'a, Futures<S>>;

/// Runs the opening handshake over a stream to the server; for `wss://` bring one with TLS. What a
/// [`Connect`] says of addresses, proxies and TLS is for whoever makes the stream: see [`tunnel`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use sansocket::futures;
///
/// let stream = smol::net::TcpStream::connect("127.0.0.1:9001").await?;
/// stream.set_nodelay(true)?;
/// let stream = futures::with_timer(stream, smol::Timer::at);
/// let mut ws = futures::connect(stream, "ws://127.0.0.1:9001/chat").await?;
/// ws.send("hello").await?;
/// # Ok(()) }
/// ```
///
/// Dropped before it is ready, the stream is closed.
///
/// # Errors
/// The URL or a header is wrong, the server refuses, or
/// [`handshake_timeout`](crate::Config::handshake_timeout) is over.
pub async fn connect<S, C>(stream: impl Into<Futures<S>>, to: C) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
    C: TryInto<Connect>,
    HandshakeError: From<C::Error>,
{
    let connect = to.try_into().map_err(HandshakeError::from)?;
    let transport = stream.into();
    let deadline = later(transport.now(), connect.timeout());
    WebSocket::open(transport, connect.into_handshake()?, deadline).await
}

/// Asks a proxy for a tunnel to a URL's server, over a stream to the proxy. Through what it returns goes TLS for
/// `wss://`, and then [`connect()`].
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use sansocket::{Proxy, futures, handshake::Url};
/// use std::time::Duration;
///
/// let (url, proxy) = (Url::parse("ws://a.example/chat")?, Proxy::parse("socks5://127.0.0.1:1080")?);
/// let stream = smol::net::TcpStream::connect((proxy.host(), proxy.port())).await?;
/// let stream = futures::with_timer(stream, smol::Timer::at);
/// let stream = futures::tunnel(stream, &proxy, &url, Duration::from_secs(10)).await?;
/// let ws = futures::connect(stream, url).await?;
/// # Ok(()) }
/// ```
///
/// Dropped before it is ready, the stream is closed.
///
/// # Errors
/// The proxy refuses, or the time is up.
pub async fn tunnel<S>(
    stream: impl Into<Futures<S>>,
    proxy: &Proxy,
    to: &Url,
    timeout: Duration,
) -> Result<S, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let transport = stream.into();
    let deadline = later(transport.now(), timeout);
    let handshake = proxy.handshake(to.host(), to.port())?;
    let (transport, _) = complete(Opening::new(transport, handshake, deadline)).await?;
    Ok(transport.into_inner())
}

/// Accepts a client on a stream, with the default [`Options`](server::Options). For TCP, set
/// `TCP_NODELAY` before.
///
/// ```no_run
/// # async fn example(stream: impl futures_io::AsyncRead + futures_io::AsyncWrite + Unpin) -> Result<(), sansocket::Error> {
/// let mut ws = sansocket::futures::accept(stream).await?;
/// while let Some(message) = ws.read().await? {
///     ws.feed(message).await?;
/// }
/// # Ok(()) }
/// ```
///
/// Dropped before it is ready, the stream is closed.
///
/// # Errors
/// The client sent no valid opening handshake, and was told so; or it took too long.
pub fn accept<S>(stream: impl Into<Futures<S>>) -> impl Future<Output = Result<WebSocket<S>, Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    accept_with(stream, server::Options::new())
}

/// Accepts a client on a stream with these options: subprotocols, origins, a
/// [`Config`](crate::Config).
///
/// Dropped before it is ready, the stream is closed.
///
/// # Errors
/// As for [`accept`].
pub fn accept_with<S>(
    stream: impl Into<Futures<S>>,
    options: impl Into<Arc<server::Options>>,
) -> impl Future<Output = Result<WebSocket<S>, Error>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (stream, options) = (stream.into(), options.into());
    // Boxed, so that a task's future keeps no room for it.
    Box::pin(async move { WebSocket::accept(stream, options).await })
}

/// Gives a stream a timer: a function that makes a future which ends at an instant.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use sansocket::futures;
///
/// let stream = smol::net::TcpStream::connect("127.0.0.1:9001").await?;
/// let stream = futures::with_timer(stream, smol::Timer::at);
/// let ws = futures::accept(stream).await?;
/// # Ok(()) }
/// ```
pub fn with_timer<S, F>(stream: S, sleep_until: impl Fn(Instant) -> F + Send + Sync + 'static) -> Futures<S>
where
    F: Future + Send + 'static,
{
    Futures::with_timer(stream, sleep_until)
}
