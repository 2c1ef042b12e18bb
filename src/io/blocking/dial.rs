//! From a URL to a stream over which the opening handshake can run.

use super::{Stream, block};
use crate::error::{Error, HandshakeError};
use crate::io::connect::{self, Connect, Target};
use crate::io::opening::Opening;
use crate::io::proxy::Proxy;
use crate::io::transport::{Std, Transport};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
#[cfg(unix)]
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// Connects, through a proxy if there is one, and encrypts if the URL wants that; all before the deadline.
pub(super) fn dial(connect: &Connect, deadline: Instant) -> Result<Stream, Error> {
    let url = connect.url();
    let (proxy, tls) = (connect.find_proxy()?, connect.find_tls()?);
    let (host, port) = match &proxy {
        Some(proxy) => (proxy.host(), proxy.port()),
        None => (url.host(), url.port()),
    };
    let mut stream = match connect.target() {
        Target::Resolved => tcp(connect, resolve(host, port, deadline)?, deadline)?,
        Target::Addresses(addresses) => tcp(connect, addresses.clone(), deadline)?,
        #[cfg(unix)]
        Target::Unix(path) => {
            let path = path.clone();
            apart(deadline, move || UnixStream::connect(path))?.into()
        }
    };
    if let Some(proxy) = &proxy {
        stream = tunnel(connect, proxy, stream, deadline)?;
    }
    match tls {
        #[cfg(any(feature = "rustls", feature = "native-tls"))]
        Some(tls) => super::tls::encrypt(tls, url.host(), stream, deadline),
        #[cfg(not(any(feature = "rustls", feature = "native-tls")))]
        Some(tls) => match tls.library {},
        None => Ok(stream),
    }
}

fn resolve(host: &str, port: u16, deadline: Instant) -> Result<Vec<SocketAddr>, Error> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let host = host.to_owned();
    apart(deadline, move || Ok((host.as_str(), port).to_socket_addrs()?.collect()))
}

/// Runs what nothing interrupts in a thread of its own, which the deadline leaves behind.
fn apart<T: Send + 'static>(
    deadline: Instant,
    wait: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let (done, result) = mpsc::sync_channel(1);
    thread::Builder::new().spawn(move || {
        let _too_late = done.send(wait());
    })?;
    match result.recv_timeout(left(deadline)?) {
        Ok(result) => Ok(result?),
        Err(RecvTimeoutError::Timeout) => Err(HandshakeError::Timeout.into()),
        Err(RecvTimeoutError::Disconnected) => Err(io::Error::other("a thread has panicked").into()),
    }
}

fn tcp(connect: &Connect, addresses: Vec<SocketAddr>, deadline: Instant) -> Result<Stream, Error> {
    let stream = match *addresses {
        [alone] => {
            let connected = TcpStream::connect_timeout(&alone, left(deadline)?);
            connected.or_else(|error| left(deadline).and(Err(error.into())))?
        }
        _ => race(addresses, deadline)?,
    };
    stream.set_nodelay(connect.has_nodelay())?;
    Ok(stream.into())
}

/// RFC 8305 §5: "one connection attempt to a single address is started first, followed by the others in the
/// list, one at a time": each when the one before has had its time, or any has failed. "Once one of the
/// connection attempts succeeds ... all other connections attempts that have not yet succeeded SHOULD be
/// canceled": their threads close what they get, at the deadline at the latest.
fn race(addresses: Vec<SocketAddr>, deadline: Instant) -> Result<TcpStream, Error> {
    let mut waiting = connect::interleave(addresses).into_iter();
    let mut running = 0;
    let mut failed = connect::no_address();
    let (done, results) = mpsc::channel();
    loop {
        let time = left(deadline)?;
        match waiting.next() {
            Some(address) => {
                let done = done.clone();
                thread::Builder::new().spawn(move || {
                    let _too_late = done.send(TcpStream::connect_timeout(&address, time));
                })?;
                running += 1;
            }
            None if running == 0 => return Err(failed.into()),
            None => {}
        }
        let time = if waiting.len() == 0 { time } else { time.min(Connect::ATTEMPT_DELAY) };
        match results.recv_timeout(time) {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => {
                failed = error;
                running -= 1;
            }
            Err(_not_yet) => {}
        }
    }
}

/// Asks the proxy for a way to the URL's host.
fn tunnel(connect: &Connect, proxy: &Proxy, stream: Stream, deadline: Instant) -> Result<Stream, Error> {
    let handshake = proxy.handshake(connect.url().host(), connect.url().port())?;
    let mut opening = Opening::new(Std::socket(stream), handshake, deadline);
    block(|cx| opening.poll(cx))?;
    Ok(opening.transport.into_inner())
}

/// How much time there is, if any.
fn left(deadline: Instant) -> Result<Duration, Error> {
    match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(HandshakeError::Timeout.into()),
        left => Ok(left),
    }
}
