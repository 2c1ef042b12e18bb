//! The client's side: a request goes out, the bytes of the response come in.
//!
//! ```
//! use sansocket::Config;
//! use sansocket::handshake::client::{Handshake, Request};
//! # use sansocket::handshake::server;
//!
//! let request = Request::new("ws://a.example/chat")?.protocol("chat")?.header("User-Agent", "example")?;
//! let mut handshake = Handshake::new(request, Config::new())?;
//!
//! let bytes = std::mem::take(handshake.output()); // write them
//! # let mut server = server::Handshake::new(server::Options::new().protocols(["chat"]));
//! # server.receive(&bytes)?;
//! # let key = server.offer().unwrap().key().as_bytes();
//! # let network = [format!("HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\
//! #     Sec-WebSocket-Protocol: chat\r\n\r\n", sansocket::handshake::accept_key(key)).into_bytes()];
//! for bytes in network {
//!     if let Some(response) = handshake.receive(&bytes)? {
//!         assert_eq!(response.status(), 101);
//!     }
//! }
//! let (connection, response) = handshake.open()?;
//! # Ok::<(), sansocket::HandshakeError>(())
//! ```

use crate::connection::{Agreement, Config, Connection, Role};
use crate::deflate::Deflate;
use crate::handshake::head::{Head, Reader, StatusLine};
use crate::handshake::{HandshakeError, MAX_INTERIM};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Response, StatusCode};
use rand::TryRng;
use rand::rngs::SysRng;
use std::fmt;
use std::mem;
use std::time::Duration;

mod check;
mod refusal;
mod request;

use refusal::Refusal;
pub use request::Request;

/// One opening handshake, from the request to the [`Connection`], or to the server's refusal.
///
/// ```text
///  Head --(receive: 101, and all is as it should be)--> Open --(open)--> a Connection
///   | |
///   | +--(receive: another final status)--> Refusal --(the end of its body)--> Over
///   +----(an error)----------------------------------------------------------> Over
/// ```
///
/// 1. write what [`output`](Self::output) holds;
/// 2. hand what comes to [`receive`](Self::receive) until it returns the response;
/// 3. [`open`](Self::open) the connection.
pub struct Handshake {
    config: Config,
    asked: Asked,
    state: State,
    /// The request.
    output: Bytes,
}

/// What the response is held against.
struct Asked {
    key: String,
    protocols: Vec<String>,
    deflate: Option<Deflate>,
}

enum State {
    /// The head of the response has not arrived, or not all of it; so many interim ones have.
    Head { reader: Reader<StatusLine>, interim: usize },
    /// Another status than 101: the body says why.
    Refusal(Box<Refusal>),
    /// The server has agreed.
    Open(Box<Opened>),
    /// The handshake has failed.
    Over,
}

struct Opened {
    response: Response<()>,
    agreement: Agreement,
    /// What came after the head: the server may send at once.
    rest: Vec<u8>,
}

impl Handshake {
    /// Makes the request ready to be written, with a fresh random key.
    ///
    /// # Errors
    /// [`NoRandomness`](HandshakeError::NoRandomness) if the operating system has none.
    pub fn new(request: Request, config: Config) -> Result<Self, HandshakeError> {
        // §4.1: "The nonce MUST be selected randomly for each connection."
        let mut nonce = [0; 16];
        SysRng.try_fill_bytes(&mut nonce).map_err(|_| HandshakeError::NoRandomness)?;
        Ok(Self::with_nonce(request, config, nonce))
    }

    /// The same with a given nonce, so that a simulation can be replayed. A nonce that can be guessed is
    /// not one.
    pub fn with_nonce(request: Request, config: Config, nonce: [u8; 16]) -> Self {
        let key = STANDARD.encode(nonce);
        Self {
            output: request.to_bytes(&key, config.deflate.as_ref()).into(),
            asked: Asked { key, protocols: request.into_protocols(), deflate: config.deflate.clone() },
            config,
            state: State::Head { reader: Reader::new(), interim: 0 },
        }
    }

    /// Takes bytes from the network; returns the response when it is complete and the connection may be
    /// opened.
    ///
    /// # Errors
    /// [`Http`](HandshakeError::Http) and [`Redirect`](HandshakeError::Redirect), as soon as the body is
    /// complete or long enough: the server refuses. Every other variant of the peer's: what it says is
    /// not what RFC 6455 demands. [`OutOfOrder`](HandshakeError::OutOfOrder): the handshake is over.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<&Response<()>>, HandshakeError> {
        match mem::replace(&mut self.state, State::Over) {
            State::Head { reader, interim } => self.state = self.asked.head(reader, interim, bytes)?,
            State::Refusal(refusal) => self.state = refused(refusal, bytes)?,
            State::Open(mut opened) => {
                opened.rest.extend_from_slice(bytes);
                self.state = State::Open(opened);
            }
            State::Over => return Err(HandshakeError::OutOfOrder),
        }
        Ok(self.response())
    }

    /// Says that the stream has ended. After the response this is not an error of the handshake; the
    /// connection has to be told then.
    ///
    /// # Errors
    /// [`UnexpectedEof`](HandshakeError::UnexpectedEof): the response is incomplete.
    /// [`Http`](HandshakeError::Http), [`Redirect`](HandshakeError::Redirect): it is a refusal.
    pub fn receive_eof(&mut self) -> Result<(), HandshakeError> {
        match mem::replace(&mut self.state, State::Over) {
            State::Head { .. } => Err(HandshakeError::UnexpectedEof),
            State::Refusal(refusal) => Err(refusal.into_error()),
            State::Open(opened) => {
                self.state = State::Open(opened);
                Ok(())
            }
            State::Over => Err(HandshakeError::OutOfOrder),
        }
    }

    /// Says that the handshake has taken too long, and ends it; returns the error to report: that of a
    /// refusal if its head has come, and [`Timeout`](HandshakeError::Timeout) otherwise.
    pub fn handle_timeout(&mut self) -> HandshakeError {
        match mem::replace(&mut self.state, State::Over) {
            State::Refusal(refusal) => refusal.into_error(),
            State::Head { .. } | State::Open(_) | State::Over => HandshakeError::Timeout,
        }
    }

    /// The response, once it is complete and accepts the request.
    pub fn response(&self) -> Option<&Response<()>> {
        match &self.state {
            State::Open(opened) => Some(&opened.response),
            State::Head { .. } | State::Refusal(_) | State::Over => None,
        }
    }

    /// Opens the connection, which reads on where the response ended.
    ///
    /// # Errors
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): the response has not come, or was no good.
    pub fn open(self) -> Result<(Connection, Response<()>), HandshakeError> {
        // §4.1: "Once the client's opening handshake has been sent, the client MUST wait for a response from
        // the server before sending any further data."
        let State::Open(opened) = self.state else { return Err(HandshakeError::OutOfOrder) };
        let Opened { response, agreement, rest } = *opened;
        let mut connection = Connection::with_agreement(Role::Client, self.config, agreement);
        connection.receive(&rest);
        Ok((connection, response))
    }

    /// How long the handshake may take, connecting included:
    /// [`Config::handshake_timeout`]. Whoever has a clock calls [`handle_timeout`](Self::handle_timeout) then.
    pub fn timeout(&self) -> Duration {
        self.config.handshake_timeout
    }

    /// The bytes to write: those of the request.
    pub fn output(&mut self) -> &mut Bytes {
        &mut self.output
    }
}

impl Asked {
    /// Reads heads up to the one that counts.
    fn head(
        &self,
        mut reader: Reader<StatusLine>,
        mut interim: usize,
        mut bytes: &[u8],
    ) -> Result<State, HandshakeError> {
        loop {
            let Some(head) = reader.read(bytes)? else { return Ok(State::Head { reader, interim }) };
            let Head { start: StatusLine { version, status }, headers, rest } = head;
            let mut response = Response::new(());
            *response.status_mut() = status;
            *response.version_mut() = version;
            *response.headers_mut() = headers;

            if status == StatusCode::SWITCHING_PROTOCOLS {
                let agreement = check::response(&response, self)?;
                return Ok(State::Open(Box::new(Opened { response, agreement, rest: rest.to_vec() })));
            }
            // §4.1: "If the status code received from the server is not 101, the client handles the response per
            // HTTP [RFC2616] procedures."
            if !status.is_informational() {
                return refused(Box::new(Refusal::new(response)), rest);
            }
            // RFC 9110 §15.2: "A client MUST be able to parse one or more 1xx responses received prior to a final
            // response".
            interim += 1;
            if interim > MAX_INTERIM {
                return Err(HandshakeError::TooManyInterim);
            }
            reader = Reader::new();
            bytes = rest;
        }
    }
}

fn refused(mut refusal: Box<Refusal>, bytes: &[u8]) -> Result<State, HandshakeError> {
    if refusal.receive(bytes) { Err(refusal.into_error()) } else { Ok(State::Refusal(refusal)) }
}

/// Without the request, whose fields may be secret.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Head { .. } => "Head",
            State::Refusal(_) => "Refusal",
            State::Open(_) => "Open",
            State::Over => "Over",
        };
        f.debug_struct("Handshake")
            .field("state", &state)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
