//! Two ends of a real TCP connection on the loopback interface.

use sansocket::blocking::{self, Stream, WebSocket};
use sansocket::handshake::server::Options;
use sansocket::{Config, Connect, Error};
use std::io::ErrorKind;
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// Runs `server` in a thread with the next connection; the URL to reach it.
pub(crate) fn serve<R: Send + 'static>(
    server: impl FnOnce(TcpStream) -> R + Send + 'static,
) -> (String, JoinHandle<R>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    (url, thread::spawn(move || server(listener.accept().unwrap().0)))
}

/// A client and a server with the opening handshake behind them.
pub(crate) fn pair(client: Config, server: Config) -> (WebSocket<Stream>, WebSocket<TcpStream>) {
    let options = Options::new().config(server);
    let (url, server) = serve(move |stream| blocking::accept_with(stream, options).unwrap());
    let client = blocking::connect(Connect::new(&url).unwrap().config(client)).unwrap();
    (client, server.join().unwrap())
}

/// Whether the call would have blocked, and may be repeated.
pub(crate) fn is_blocked<T: std::fmt::Debug>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut))
}
