//! The front end for tokio: [`connect()`], [`accept`] and a [`WebSocket`] over any of its streams.
//!
//! The module is named as the runtime's crate: name it in full, as here, or `use sansocket::tokio as ws`.
//!
//! The deadlines of [`Config`](crate::Config) hold by themselves, so the runtime needs its timers on
//! (`enable_time`, or `enable_all`).

use super::asynchronous;
use super::connect::Connect;
use super::transport::Tokio;
use crate::connection::later;
use crate::error::{Error, HandshakeError};
use crate::handshake::server;
use ::tokio::io::{AsyncRead, AsyncWrite};
use ::tokio::net::TcpStream;
use ::tokio::time;
use std::any::Any;
use std::sync::Arc;

mod dial;
mod stream;

pub use stream::Stream;

/// A WebSocket connection over a stream of tokio's.
pub type WebSocket<S = Stream> = asynchronous::WebSocket<Tokio<S>>;
/// A server's opening handshake over a stream of tokio's.
pub type Handshake<S = Stream> = asynchronous::Handshake<Tokio<S>>;
/// The reading half of a [`WebSocket`].
pub type Reader<S = Stream> = asynchronous::Reader<Tokio<S>>;
/// The writing half of a [`WebSocket`].
pub type Writer<S = Stream> = asynchronous::Writer<Tokio<S>>;
/// A [`WebSocket`] as a stream of bytes.
pub type ByteStream<S = Stream> = asynchronous::ByteStream<Tokio<S>>;
/// A writer for one message of a [`WebSocket`].
pub type MessageWriter<'a, S = Stream> = asynchronous::MessageWriter<'a, Tokio<S>>;

/// Connects to a URL: `ws://`, or `wss://` with a feature for TLS.
///
/// ```no_run
/// # async fn example() -> Result<(), sansocket::Error> {
/// let mut ws = sansocket::tokio::connect("ws://127.0.0.1:9001/chat").await?;
/// ws.send("hello").await?;
/// while let Some(message) = ws.read().await? {
///     println!("{message:?}");
/// }
/// # Ok(()) }
/// ```
///
/// A [`client::Request`](crate::handshake::client::Request) adds subprotocols, headers and an origin; a
/// [`Connect`] has every option, such as a [`Config`](crate::Config).
///
/// Dropped before it is ready, nothing stays open.
///
/// # Errors
/// The URL or a header is wrong, the server cannot be reached or refuses, or
/// [`handshake_timeout`](crate::Config::handshake_timeout) is over. `wss://` is
/// [unsupported](std::io::ErrorKind::Unsupported) without the features `rustls` and `native-tls`.
pub async fn connect<C>(to: C) -> Result<WebSocket, Error>
where
    C: TryInto<Connect>,
    HandshakeError: From<C::Error>,
{
    let connect = to.try_into().map_err(HandshakeError::from)?;
    let deadline = later(time::Instant::now().into_std(), connect.timeout());
    // Boxed, because it is large, and over before the first message.
    let dialling = Box::pin(time::timeout_at(deadline.into(), dial::dial(&connect, deadline)));
    let stream = dialling.await.map_err(|_| HandshakeError::Timeout)??;
    WebSocket::open(stream.into(), connect.into_handshake()?, deadline).await
}

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
pub fn accept<S>(stream: S) -> impl Future<Output = Result<WebSocket<S>, Error>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
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
    stream: S,
    options: impl Into<Arc<server::Options>>,
) -> impl Future<Output = Result<WebSocket<S>, Error>>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let options = options.into();
    // Boxed, so that a task's future keeps no room for it.
    Box::pin(async move {
        if let Some(tcp) = (&stream as &dyn Any).downcast_ref::<TcpStream>() {
            tcp.set_nodelay(true)?;
        }
        WebSocket::accept(stream, options).await
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::driver::Driver;
    use tokio::net::TcpListener;

    /// What every connection costs for as long as it is open, and what its task has to keep room for.
    #[tokio::test]
    async fn a_connection_is_small_and_so_is_a_task_that_accepts_it() -> std::io::Result<()> {
        assert!(size_of::<Driver<Tokio<TcpStream>>>() <= 336, "{}", size_of::<Driver<Tokio<TcpStream>>>());
        assert!(size_of::<WebSocket<TcpStream>>() <= 16, "{}", size_of::<WebSocket<TcpStream>>());
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let stream = TcpStream::connect(listener.local_addr()?).await?;
        assert!(size_of_val(&accept(stream)) <= 8);
        Ok(())
    }
}
