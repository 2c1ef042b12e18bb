//! The front end for tokio: [`connect`], [`accept`] and a [`WebSocket`] over any of its streams.
//!
//! The deadlines of [`Config`](crate::Config) hold by themselves, so the runtime needs its timers on
//! (`enable_time`, or `enable_all`).

use super::asynchronous;
use super::transport::Tokio;
use crate::error::Error;
use crate::handshake::server;
use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::net::TcpStream;
use std::any::Any;
use std::sync::Arc;

/// A WebSocket connection over a stream of tokio's.
pub type WebSocket<S = TcpStream> = asynchronous::WebSocket<Tokio<S>>;
/// A server's opening handshake over a stream of tokio's.
pub type Handshake<S = TcpStream> = asynchronous::Handshake<Tokio<S>>;
/// The reading half of a [`WebSocket`].
pub type Reader<S = TcpStream> = asynchronous::Reader<Tokio<S>>;
/// The writing half of a [`WebSocket`].
pub type Writer<S = TcpStream> = asynchronous::Writer<Tokio<S>>;
/// A [`WebSocket`] as a stream of bytes.
pub type ByteStream<S = TcpStream> = asynchronous::ByteStream<Tokio<S>>;
/// A writer for one message of a [`WebSocket`].
pub type MessageWriter<'a, S = TcpStream> = asynchronous::MessageWriter<'a, Tokio<S>>;

/// Accepts a client on a stream, with the default [`Options`](server::Options). On TCP it sets
/// `TCP_NODELAY`; on TCP within another stream, set it before.
///
/// ```no_run
/// # async fn example() -> Result<(), sansocket::Error> {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:9001").await?;
/// loop {
///     let (stream, _) = listener.accept().await?;
///     tokio::spawn(async move {
///         let mut ws = sansocket::tokio::accept(stream).await?;
///         while let Some(message) = ws.read().await? {
///             ws.feed(message).await?;
///         }
///         Ok::<(), sansocket::Error>(())
///     });
/// }
/// # }
/// ```
///
/// Dropped before it is ready, the stream is closed.
///
/// # Errors
/// The client sent no valid opening handshake, and was told so; or it took too long.
pub async fn accept<S>(stream: S) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    accept_with(stream, server::Options::new()).await
}

/// Accepts a client on a stream with these options: subprotocols, origins, a
/// [`Config`](crate::Config).
///
/// Dropped before it is ready, the stream is closed.
///
/// # Errors
/// As for [`accept`].
pub async fn accept_with<S>(
    stream: S,
    options: impl Into<Arc<server::Options>>,
) -> Result<WebSocket<S>, Error>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    if let Some(tcp) = (&stream as &dyn Any).downcast_ref::<TcpStream>() {
        tcp.set_nodelay(true)?;
    }
    WebSocket::accept(stream, options.into()).await
}
