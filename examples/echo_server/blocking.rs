//! A thread for each connection.

use crate::{PAUSE, log};
use sansocket::blocking::{self, Handshake, WebSocket};
use sansocket::handshake::server::Options;
use sansocket::rustls::{ServerConfig, ServerConnection, StreamOwned};
use sansocket::{Error, Event, Sender};
use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

/// Serves one connection until it is closed.
///
/// Each message is lent, and queued from where it lies. What is queued leaves before the next read waits:
/// a burst of messages is answered by one write.
fn echo<S: Read + Write>(ws: &mut WebSocket<S>) -> Result<(), Error> {
    let answer = |event: Event<'_>, sender: &mut Sender| match event {
        Event::Text(text) => sender.send(text),
        Event::Binary(payload) => sender.send(payload),
        _ => Ok(()), // pings and Close frames are answered already
    };
    while let Some(sent) = in_time(|| ws.read_with(answer))? {
        sent?;
    }
    Ok(())
}

fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, options: Arc<Options>) -> Result<(), Error> {
    match tls {
        None => echo(&mut blocking::accept_with(stream, options)?),
        Some(tls) => serve_tls(stream, tls, options),
    }
}

/// The same with TLS, whose own handshake happens within the first read.
fn serve_tls(stream: TcpStream, tls: Arc<ServerConfig>, options: Arc<Options>) -> Result<(), Error> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(TICK))?;
    let stream = StreamOwned::new(ServerConnection::new(tls).map_err(io::Error::other)?, stream);
    let mut handshake = Handshake::new(stream, options);
    in_time(|| handshake.read().map(drop))?;
    let mut ws = handshake.accept()?;
    let result = echo(&mut ws);
    let (mut stream, _) = ws.into_parts();
    stream.conn.send_close_notify();
    let flushed = stream.flush();
    linger(&mut stream.sock);
    result?;
    Ok(flushed?)
}

/// Reads on until the peer has ended too, or is silent: to close a socket with bytes unread resets the connection,
/// and the peer may lose our Close frame. Over TCP `blocking` does so by itself.
fn linger(stream: &mut TcpStream) {
    let until = Instant::now() + LINGER;
    let _gone_already = stream.shutdown(Shutdown::Write);
    while Instant::now() < until && stream.read(&mut [0; 4096]).is_ok_and(|length| length > 0) {}
}

const LINGER: Duration = Duration::from_secs(10);

/// Over TCP the deadlines of `Config` hold by themselves. Over any other stream they are looked at when it
/// returns, so with TLS a read ends now and then for nothing, and is tried again.
const TICK: Duration = Duration::from_secs(1);

fn in_time<T>(mut read: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    loop {
        match read() {
            Err(Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => {}
            result => return result,
        }
    }
}

pub(crate) fn listen(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    options: Arc<Options>,
) -> io::Result<Infallible> {
    loop {
        let taken = listener.accept().and_then(|(stream, peer)| {
            let (tls, options) = (tls.clone(), Arc::clone(&options));
            let serve = move || serve(stream, tls, options).unwrap_or_else(|error| log(peer, error));
            thread::Builder::new().spawn(serve)
        });
        if let Err(error) = taken {
            log("cannot take a connection", error);
            thread::sleep(PAUSE);
        }
    }
}
