//! The server's side: a request's bytes come in, a 101 response or a refusal goes out.
//!
//! ```
//! use sansocket::handshake::server::{Handshake, Options};
//!
//! let mut handshake = Handshake::new(Options::new().protocols(["chat"]));
//! # let network: [&[u8]; 2] = [b"GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
//! #     b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"];
//! for bytes in network {
//!     // Err: write what `output` holds, then close
//!     if let Some(request) = handshake.receive(bytes)? {
//!         assert_eq!(request.uri().path(), "/chat");
//!     }
//! }
//! let (connection, request) = handshake.accept()?; // the response stands in the connection's output
//! # Ok::<(), sansocket::HandshakeError>(())
//! ```

use crate::connection::{Config, Connection, Role};
use crate::handshake::head::{Head, Reader, RequestLine};
use crate::handshake::negotiate::{Answer, Offer};
use crate::handshake::{HandshakeError, OriginPolicy, Rejection};
use bytes::Bytes;
use http::uri::{PathAndQuery, Scheme};
use http::{Method, Request, Uri};
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// What a server accepts, and how it then speaks.
#[derive(Clone, Debug, Default)]
pub struct Options {
    protocols: Vec<String>,
    origin: OriginPolicy,
    secure: bool,
    config: Config,
}

/// One opening handshake, from the first byte of the request to the [`Connection`], or to a refusal.
///
/// ```text
///  Head --(receive: the request is complete)--> Request --(accept)--> Over
///    |                                             |
///    +---(an error, reject, receive_eof: see output)---------------> Over
/// ```
///
/// 1. hand what comes to [`receive`](Self::receive) until it returns the request;
/// 2. [`accept`](Self::accept) or [`reject`](Self::reject) it, and meanwhile do not read on: all that is
///    received is kept for the connection;
/// 3. after an error, write what [`output`](Self::output) holds and close.
pub struct Handshake {
    options: Arc<Options>,
    state: State,
    /// A refusal; a 101 response goes into the connection's output instead.
    output: Bytes,
}

enum State {
    /// The request's head has not arrived, or not all of it.
    Head(Reader<RequestLine>),
    /// The request is there, and the application decides.
    Request(Box<Pending>),
    /// The request was accepted or refused.
    Over,
}

struct Pending {
    request: Request<()>,
    offer: Offer,
    /// What came after the head. RFC 6455 §4.1 forbids the client to send it so early; the connection
    /// reads it.
    rest: Vec<u8>,
}

impl Options {
    /// No subprotocol, any origin, no TLS, the default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// The subprotocols that the server speaks. Of those, a client gets the one that it likes best.
    #[must_use]
    pub fn protocols(mut self, protocols: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.protocols = protocols.into_iter().map(Into::into).collect();
        self
    }

    /// Which origins may connect (any). Others are answered with 403.
    #[must_use]
    pub fn origin(mut self, policy: OriginPolicy) -> Self {
        self.origin = policy;
        self
    }

    /// Whether the client speaks TLS, with this server or with a proxy in front of it (no). The
    /// server's own origin is then an `https` one.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        self.secure = secure;
        self
    }

    /// The configuration of the connections.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }
}

impl Handshake {
    /// Waits for a request. Many handshakes can share their options.
    pub fn new(options: impl Into<Arc<Options>>) -> Self {
        Self { options: options.into(), state: State::Head(Reader::new()), output: Bytes::new() }
    }

    /// Takes bytes from the network; returns the request when it is complete and may be accepted.
    ///
    /// # Errors
    /// [`Rejected`](HandshakeError::Rejected): the request is no opening handshake, exceeds a limit, or
    /// comes from a foreign origin. The response that says so stands in the [`output`](Self::output).
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): the handshake is over.
    pub fn receive(&mut self, bytes: &[u8]) -> Result<Option<&Request<()>>, HandshakeError> {
        match &mut self.state {
            State::Head(reader) => {
                let judged = match reader.read(bytes) {
                    Ok(None) => return Ok(None),
                    Ok(Some(head)) => {
                        let is_head_request = head.start.method == Method::HEAD;
                        self.options.judge(head).map_err(|rejection| (rejection, is_head_request))
                    }
                    Err(error) => {
                        let is_head_request =
                            reader.start().is_some_and(|start| start.method == Method::HEAD);
                        Err((error.into(), is_head_request))
                    }
                };
                match judged {
                    Ok(pending) => self.state = State::Request(Box::new(pending)),
                    Err((rejection, is_head_request)) => return Err(self.refuse(rejection, is_head_request)),
                }
            }
            State::Request(pending) => pending.rest.extend_from_slice(bytes),
            State::Over => return Err(HandshakeError::OutOfOrder),
        }
        Ok(self.request())
    }

    /// Says that the stream has ended. Once the request is complete this is not an error: the client
    /// can still read the answer.
    ///
    /// # Errors
    /// [`UnexpectedEof`](HandshakeError::UnexpectedEof): the request is incomplete.
    pub fn receive_eof(&mut self) -> Result<(), HandshakeError> {
        match self.state {
            State::Head(_) => {
                self.state = State::Over;
                Err(HandshakeError::UnexpectedEof)
            }
            State::Request(_) => Ok(()),
            State::Over => Err(HandshakeError::OutOfOrder),
        }
    }

    /// Says that the handshake has taken too long, and ends it without an answer; returns the error to
    /// report.
    pub fn handle_timeout(&mut self) -> HandshakeError {
        // §7.2.2: "the server MUST simply _Close the WebSocket Connection_".
        self.state = State::Over;
        HandshakeError::Timeout
    }

    /// The request, once it is complete.
    ///
    /// Its [`uri`](Request::uri) is the target byte for byte; nothing is normalised or decoded.
    pub fn request(&self) -> Option<&Request<()>> {
        self.pending().map(|pending| &pending.request)
    }

    /// What the request asks for, once it is complete.
    pub fn offer(&self) -> Option<&Offer> {
        self.pending().map(|pending| &pending.offer)
    }

    /// The answer that [`accept`](Self::accept) gives: the client's preferred subprotocol of those in the
    /// options, and compression if their configuration has it. Fields can be added to it.
    pub fn answer(&self) -> Answer {
        let protocol = self.offer().and_then(|offer| offer.choose_protocol(&self.options.protocols));
        Answer::new().protocol(protocol).configured(&self.options.config)
    }

    /// Accepts the request. The connection's output begins with the 101 response.
    ///
    /// # Errors
    /// [`OutOfOrder`](HandshakeError::OutOfOrder): there is no request yet, or it was answered.
    pub fn accept(&mut self) -> Result<(Connection, Request<()>), HandshakeError> {
        self.accept_with(self.answer())
    }

    /// Accepts the request with this answer. The connection's output begins with the 101 response.
    ///
    /// # Errors
    /// [`FieldError::ProtocolNotOffered`](crate::handshake::FieldError::ProtocolNotOffered): the request then
    /// still waits for an answer. [`OutOfOrder`](HandshakeError::OutOfOrder): there is no request yet, or
    /// it was answered.
    pub fn accept_with(&mut self, answer: Answer) -> Result<(Connection, Request<()>), HandshakeError> {
        let pending = self.pending().ok_or(HandshakeError::OutOfOrder)?;
        let (head, agreement) = pending.offer.accept_in_bytes(answer)?;
        let mut connection = Connection::with_agreement(Role::Server, self.options.config.clone(), agreement);
        connection.queue_head(head);
        connection.receive(&pending.rest);
        match mem::replace(&mut self.state, State::Over) {
            State::Request(pending) => Ok((connection, pending.request)),
            State::Head(_) | State::Over => Err(HandshakeError::OutOfOrder),
        }
    }

    /// Refuses the request, even if it is not complete. The response stands in the
    /// [`output`](Self::output); returns the error to report.
    pub fn reject(&mut self, rejection: Rejection) -> HandshakeError {
        match self.state {
            State::Head(_) | State::Request(_) => self.refuse(rejection, false),
            State::Over => HandshakeError::OutOfOrder,
        }
    }

    /// How long the handshake may take:
    /// [`Config::handshake_timeout`]. Whoever has a clock calls [`handle_timeout`](Self::handle_timeout) then.
    pub fn timeout(&self) -> Duration {
        self.options.config.handshake_timeout
    }

    /// The bytes to write: those of a refusal.
    pub fn output(&mut self) -> &mut Bytes {
        &mut self.output
    }

    fn pending(&self) -> Option<&Pending> {
        match &self.state {
            State::Request(pending) => Some(pending),
            State::Head(_) | State::Over => None,
        }
    }

    /// §4.2.1: "the server MUST stop processing the client's handshake and return an HTTP response with an
    /// appropriate error code (such as 400 Bad Request)."
    fn refuse(&mut self, rejection: Rejection, is_head_request: bool) -> HandshakeError {
        self.state = State::Over;
        self.output = rejection.to_bytes(is_head_request).into();
        HandshakeError::Rejected(rejection)
    }
}

impl Options {
    /// Decides whether the application gets to see a request.
    fn judge(&self, head: Head<'_, RequestLine>) -> Result<Pending, Rejection> {
        let Head { start: RequestLine { method, target, version }, headers, rest } = head;
        // The target of another method can have another form (RFC 9112 §3.2.3, §3.2.4).
        if method != Method::GET {
            return Err(Rejection::method());
        }
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.version_mut() = version;
        *request.uri_mut() = self
            .uri(target)
            .ok_or_else(|| Rejection::bad_request("the target is neither a path nor a URL of this server"))?;
        *request.headers_mut() = headers;

        let offer = Offer::from_request(&request)?;
        self.origin.check(&offer, self.secure)?;
        Ok(Pending { request, offer, rest: rest.to_vec() })
    }

    /// §4.2.1: a target "that should be interpreted as a /resource name/ ... (or an absolute HTTP/HTTPS URI
    /// containing the /resource name/)".
    fn uri(&self, target: String) -> Option<Uri> {
        // `Uri` alone would take "//a" for a host.
        if target.starts_with('/') {
            return PathAndQuery::try_from(target).ok().map(Uri::from);
        }
        let scheme = if self.secure { Scheme::HTTPS } else { Scheme::HTTP };
        Uri::try_from(target).ok().filter(|uri| uri.scheme() == Some(&scheme))
    }
}

/// Without what the client sent, which may be secret.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Head(_) => "Head",
            State::Request(_) => "Request",
            State::Over => "Over",
        };
        f.debug_struct("Handshake")
            .field("state", &state)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
