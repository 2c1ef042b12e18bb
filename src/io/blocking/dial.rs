//! From a URL to a stream over which the opening handshake can run.

use super::{Stream, block};
use crate::error::{Error, HandshakeError};
use crate::io::connect::{Connect, Target, interleave, no_address};
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
    // RFC 6455 §4.1: "the client SHOULD connect to that proxy and ask it to open a TCP connection to the host
    // given by /host/ and the port given by /port/."
    if let Some(proxy) = &proxy {
        stream = tunnel(connect, proxy, stream, deadline)?;
    }
    // RFC 6455 §4.1: "If /secure/ is true, the client MUST perform a TLS handshake over the connection after
    // opening the connection and before sending the handshake data".
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
        _ => race(addresses, deadline, TcpStream::connect_timeout)?,
    };
    stream.set_nodelay(connect.has_nodelay())?;
    Ok(stream.into())
}

/// RFC 8305 §5: "one connection attempt to a single address is started first, followed by the others in the
/// list, one at a time": each when the one before has had its time, or any has failed. "Once one of the
/// connection attempts succeeds ... all other connections attempts that have not yet succeeded SHOULD be
/// canceled": their threads close what they get, at the deadline at the latest.
fn race(
    addresses: Vec<SocketAddr>,
    deadline: Instant,
    connect: fn(&SocketAddr, Duration) -> io::Result<TcpStream>,
) -> Result<TcpStream, Error> {
    let mut waiting = interleave(addresses).into_iter();
    let mut running = 0;
    let mut failed = no_address();
    let (done, results) = mpsc::channel();
    loop {
        let time = left(deadline)?;
        match waiting.next() {
            Some(address) => {
                let done = done.clone();
                let attempt = move || {
                    let _too_late = done.send(connect(&address, time));
                };
                if let Err(error) = thread::Builder::new().spawn(attempt) {
                    failed = error;
                    continue;
                }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::connect::tests::{SILENT, closed, listener};
    use std::io::ErrorKind;

    const LONG: Duration = Duration::from_secs(30);

    fn connect_to(addresses: Vec<SocketAddr>) -> Result<Stream, Error> {
        let connect = Connect::new("ws://a.example").unwrap().addresses(addresses);
        dial(&connect, Instant::now() + LONG)
    }

    #[test]
    fn an_address_that_fails_makes_room_for_the_next_at_once() {
        let (_listener, open) = listener();
        for addresses in [vec![open], vec![closed(), open], vec![closed(), closed(), open, closed()]] {
            let begun = Instant::now();
            let stream = connect_to(addresses).unwrap();
            assert_eq!(stream.tcp().unwrap().peer_addr().unwrap(), open);
            assert!(stream.tcp().unwrap().nodelay().unwrap());
            assert!(begun.elapsed() < LONG);
        }
    }

    #[test]
    fn where_nobody_listens_the_last_error_is_told() {
        for (addresses, expected) in [
            (vec![], ErrorKind::NotFound),
            (vec![closed()], ErrorKind::ConnectionRefused),
            (vec![closed(), closed()], ErrorKind::ConnectionRefused),
        ] {
            let Err(Error::Io(error)) = connect_to(addresses) else { panic!("{expected}") };
            assert_eq!(error.kind(), expected);
        }
    }

    /// As [`TcpStream::connect_timeout`], but nobody answers from [`SILENT`].
    fn connect(address: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        if address.to_string() == SILENT {
            thread::sleep(timeout);
            return Err(ErrorKind::TimedOut.into());
        }
        TcpStream::connect_timeout(address, timeout)
    }

    #[test]
    fn one_that_does_not_answer_leaves_the_next_its_turn() {
        let (_listener, open) = listener();
        let begun = Instant::now();
        let silent = SILENT.parse().unwrap();
        let stream = race(vec![silent, closed(), open], begun + LONG, connect).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert!(begun.elapsed() >= Connect::ATTEMPT_DELAY && begun.elapsed() < LONG);
    }

    #[test]
    fn where_nobody_answers_the_deadline_holds() {
        let silent = SILENT.parse().unwrap();
        let deadline = Instant::now() + Connect::ATTEMPT_DELAY * 2;
        for addresses in [vec![silent; 2], vec![silent, closed()]] {
            let error = race(addresses, deadline, connect).unwrap_err();
            assert!(matches!(error, Error::Handshake(HandshakeError::Timeout)), "{error:?}");
            assert!(Instant::now() >= deadline);
        }
    }

    #[test]
    fn what_nothing_interrupts_is_left_behind_at_the_deadline() {
        let (release, held) = mpsc::channel::<()>();
        let deadline = Instant::now() + Duration::from_millis(20);
        let error = apart(deadline, move || held.recv().map_err(io::Error::other)).unwrap_err();
        assert!(matches!(error, Error::Handshake(HandshakeError::Timeout)), "{error:?}");
        drop(release);
    }

    #[test]
    fn a_name_is_asked_for_and_an_address_is_not() {
        let addresses = resolve("localhost", 9001, Instant::now() + LONG).unwrap();
        assert!(!addresses.is_empty() && addresses.iter().all(|address| address.ip().is_loopback()));
        for (host, expected) in [("::1", "[::1]:9001"), ("127.0.0.1", "127.0.0.1:9001")] {
            // There is no time left to ask.
            assert_eq!(resolve(host, 9001, Instant::now()).unwrap(), [expected.parse().unwrap()]);
        }
    }
}
