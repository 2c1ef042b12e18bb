//! From a URL to a stream over which the opening handshake can run.

use super::Stream;
use crate::connection::later;
use crate::error::Error;
use crate::io::asynchronous::complete;
use crate::io::connect::{self, Connect, Target};
use crate::io::opening::Opening;
use crate::io::proxy::Proxy;
#[cfg(feature = "rustls")]
use crate::io::tls;
#[cfg(feature = "native-tls")]
use crate::io::tls::TlsError;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use crate::io::tls::{Library, Tls};
use crate::io::transport::{Tokio, Transport};
use ::tokio::net::{self, TcpStream};
use ::tokio::time::{self, Instant};
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::{Poll, ready};

/// Connects, through a proxy if there is one, and encrypts if the URL wants that. It may take for ever: the
/// deadline is the caller's.
pub(super) async fn dial(connect: &Connect) -> Result<Stream, Error> {
    let url = connect.url();
    let (proxy, tls) = (connect.find_proxy()?, connect.find_tls()?);
    let (host, port) = match &proxy {
        Some(proxy) => (proxy.host(), proxy.port()),
        None => (url.host(), url.port()),
    };
    let mut stream = match connect.target() {
        Target::Resolved => tcp(connect, net::lookup_host((host, port)).await?.collect()).await?,
        Target::Addresses(addresses) => tcp(connect, addresses.clone()).await?,
        #[cfg(unix)]
        Target::Unix(path) => net::UnixStream::connect(path).await?.into(),
    };
    if let Some(proxy) = &proxy {
        stream = tunnel(connect, proxy, stream).await?;
    }
    match tls {
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        Some(tls) => encrypt(tls, url.host(), stream).await,
        #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
        Some(tls) => match tls.library {},
        None => Ok(stream),
    }
}

async fn tcp(connect: &Connect, addresses: Vec<SocketAddr>) -> io::Result<Stream> {
    let stream = match *addresses {
        [alone] => TcpStream::connect(alone).await?,
        _ => race(addresses).await?,
    };
    stream.set_nodelay(connect.has_nodelay())?;
    Ok(stream.into())
}

/// RFC 8305 §5: "one connection attempt to a single address is started first, followed by the others in the
/// list, one at a time": each when the one before has had its time, or any has failed. "Once one of the
/// connection attempts succeeds ... all other connections attempts that have not yet succeeded SHOULD be
/// canceled."
async fn race(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let in_order = connect::interleave(addresses).into_iter();
    let mut waiting = in_order.map(|address| Box::pin(TcpStream::connect(address)));
    let mut attempts: Vec<_> = waiting.next().into_iter().collect();
    let mut failed = connect::no_address();
    let mut delay = pin!(time::sleep(Connect::ATTEMPT_DELAY));
    let won = poll_fn(|cx| {
        loop {
            let (running, mut won) = (attempts.len(), None);
            attempts.retain_mut(|attempt| match attempt.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(stream)) => {
                    won.get_or_insert(stream);
                    false
                }
                Poll::Ready(Err(error)) => {
                    failed = error;
                    false
                }
            });
            if won.is_some() {
                return Poll::Ready(won);
            }
            let one_failed = attempts.len() < running;
            if !one_failed && !attempts.is_empty() {
                ready!(delay.as_mut().poll(cx));
            }
            match waiting.next() {
                Some(attempt) => {
                    attempts.push(attempt);
                    delay.as_mut().reset(Instant::now() + Connect::ATTEMPT_DELAY);
                }
                None if attempts.is_empty() => return Poll::Ready(None),
                None => return Poll::Pending,
            }
        }
    });
    won.await.ok_or(failed)
}

/// Asks the proxy for a way to the URL's host.
async fn tunnel(connect: &Connect, proxy: &Proxy, stream: Stream) -> Result<Stream, Error> {
    let handshake = proxy.handshake(connect.url().host(), connect.url().port())?;
    let deadline = later(Instant::now().into_std(), connect.timeout());
    let (transport, _) = complete(Opening::new(Tokio::from(stream), handshake, deadline)).await?;
    Ok(transport.into_inner())
}

/// Runs the TLS handshake over a stream.
#[cfg(any(feature = "rustls", feature = "native-tls"))]
async fn encrypt(tls: Tls, host: &str, stream: Stream) -> Result<Stream, Error> {
    match tls.library {
        #[cfg(feature = "rustls")]
        Library::Rustls(config) => {
            let connecting =
                tokio_rustls::TlsConnector::from(config).connect(tls::server_name(host)?, stream);
            Ok(connecting.await.map_err(tls::handshake_error)?.into())
        }
        #[cfg(feature = "native-tls")]
        Library::Native(connector) => {
            let connecting = tokio_native_tls::TlsConnector::from(connector);
            Ok(connecting.connect(host, stream).await.map_err(TlsError::from)?.into())
        }
    }
}
