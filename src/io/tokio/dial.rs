//! From a URL to a stream over which the opening handshake can run.

use super::Stream;
use crate::error::Error;
use crate::io::asynchronous::complete;
use crate::io::connect::{Connect, Target, interleave, no_address};
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
/// caller gives up at the deadline, and a proxy is blamed at it.
pub(super) async fn dial(connect: &Connect, deadline: std::time::Instant) -> Result<Stream, Error> {
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
    // RFC 6455 §4.1: "the client SHOULD connect to that proxy and ask it to open a TCP connection to the host
    // given by /host/ and the port given by /port/."
    if let Some(proxy) = &proxy {
        stream = tunnel(connect, proxy, stream, deadline).await?;
    }
    // RFC 6455 §4.1: "If /secure/ is true, the client MUST perform a TLS handshake over the connection after
    // opening the connection and before sending the handshake data".
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
        _ => race(addresses, TcpStream::connect).await?,
    };
    stream.set_nodelay(connect.has_nodelay())?;
    Ok(stream.into())
}

/// RFC 8305 §5: "one connection attempt to a single address is started first, followed by the others in the
/// list, one at a time": each when the one before has had its time, or any has failed. "Once one of the
/// connection attempts succeeds ... all other connections attempts that have not yet succeeded SHOULD be
/// canceled."
async fn race<F>(addresses: Vec<SocketAddr>, connect: impl Fn(SocketAddr) -> F) -> io::Result<TcpStream>
where
    F: Future<Output = io::Result<TcpStream>>,
{
    let mut waiting = interleave(addresses).into_iter().map(|address| Box::pin(connect(address)));
    let mut attempts: Vec<_> = waiting.next().into_iter().collect();
    let mut failed = no_address();
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
async fn tunnel(
    connect: &Connect,
    proxy: &Proxy,
    stream: Stream,
    deadline: std::time::Instant,
) -> Result<Stream, Error> {
    let handshake = proxy.handshake(connect.url().host(), connect.url().port())?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::connect::tests::{SILENT, closed, listener};
    use std::future::pending;
    use std::io::ErrorKind;
    use std::time::Duration;

    async fn connect_to(addresses: Vec<SocketAddr>) -> Result<Stream, Error> {
        let connect = Connect::new("ws://a.example").unwrap().addresses(addresses);
        dial(&connect, std::time::Instant::now()).await
    }

    #[::tokio::test]
    async fn an_address_that_fails_makes_room_for_the_next_at_once() {
        let (_listener, open) = listener();
        for addresses in [vec![open], vec![closed(), open], vec![closed(), closed(), open, closed()]] {
            let stream = connect_to(addresses).await.unwrap();
            assert_eq!(stream.tcp().unwrap().peer_addr().unwrap(), open);
            assert!(stream.tcp().unwrap().nodelay().unwrap());
        }
    }

    #[::tokio::test]
    async fn where_nobody_listens_the_last_error_is_told() {
        for (addresses, expected) in [
            (vec![], ErrorKind::NotFound),
            (vec![closed()], ErrorKind::ConnectionRefused),
            (vec![closed(), closed()], ErrorKind::ConnectionRefused),
        ] {
            let Err(Error::Io(error)) = connect_to(addresses).await else { panic!("{expected}") };
            assert_eq!(error.kind(), expected);
        }
    }

    /// As [`TcpStream::connect`], but nobody answers from [`SILENT`].
    async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
        if address.to_string() == SILENT {
            return pending().await;
        }
        TcpStream::connect(address).await
    }

    #[::tokio::test]
    async fn one_that_does_not_answer_leaves_the_next_its_turn() {
        let (_listener, open) = listener();
        let begun = Instant::now();
        let silent = SILENT.parse().unwrap();
        let stream = race(vec![silent, closed(), open], connect).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(begun.elapsed() >= Connect::ATTEMPT_DELAY);
    }

    #[::tokio::test(start_paused = true)]
    async fn each_address_has_its_time_and_the_last_one_all_there_is() {
        let begun = Instant::now();
        let silent = SILENT.parse().unwrap();
        let tried = std::cell::RefCell::new(Vec::new());
        let race = race(vec![silent; 3], |_| {
            tried.borrow_mut().push(begun.elapsed());
            pending()
        });
        assert!(time::timeout(Duration::from_secs(60), race).await.is_err());
        assert_eq!(*tried.borrow(), [0, 250, 500].map(Duration::from_millis));
    }
}
