//! Proxies: a [`Proxy`] says how to reach one, and a [`Handshake`] asks it for a tunnel to the server.
//!
//! ```text
//!   client                      proxy                      server
//!     | -- CONNECT host:port --> |                           |
//!     |                          | -------- connects ------> |
//!     | <---- it has worked ---- |                           |
//!     | <==== from here on bytes, unread by the proxy =====> |     TLS, or the opening handshake
//! ```
//!
//! Nothing here does I/O: an [`Opening`](super::opening::Opening) drives the handshake over any transport.
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

use super::opening;
use crate::error::Error;
use crate::handshake::authority::Authority;
use crate::handshake::head::HeadError;
use crate::handshake::url::{self, Credentials};
use crate::handshake::{Url, UrlError};
use ::http::{HeaderValue, StatusCode};
use bytes::{Buf, Bytes};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

mod environment;
mod http;
mod socks;

use http::Connect;
use socks::Socks;

/// A proxy through which a client reaches its server.
///
/// ```
/// use sansocket::Proxy;
///
/// let proxy = Proxy::parse("socks5://user:secret@[::1]:1081")?;
/// assert_eq!((proxy.host(), proxy.port()), ("::1", 1081)); // to connect to
/// assert_eq!(proxy.to_string(), "socks5://[::1]:1081"); // the credentials stay secret
/// # Ok::<(), sansocket::ProxyError>(())
/// ```
///
/// | URL | protocol | default port |
/// |---|---|---|
/// | `http://[user:password@]host[:port]` | `CONNECT` of HTTP/1.1 ([RFC 9110 §9.3.6]), Basic authentication | 80 |
/// | `socks5://`, `socks5h://`, the same | SOCKS 5 ([RFC 1928]), user name and password ([RFC 1929]) | 1080 |
///
/// The port of curl is 1080 without a scheme too; write it where it matters. The name of the server is
/// always the proxy's to resolve, so that `socks5` means here what curl and others call `socks5h`.
/// User name and password may be percent-encoded, and go to the proxy in clear text: TLS to the proxy
/// itself (`https://`) is not supported. A `wss://` connection is one inside the tunnel.
///
/// [RFC 9110 §9.3.6]: https://www.rfc-editor.org/rfc/rfc9110#section-9.3.6
/// [RFC 1928]: https://www.rfc-editor.org/rfc/rfc1928
/// [RFC 1929]: https://www.rfc-editor.org/rfc/rfc1929
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    protocol: Protocol,
    host: String,
    port: u16,
}

/// How to speak to a proxy, and as whom.
#[derive(Clone, PartialEq, Eq)]
enum Protocol {
    Http { authorization: Option<HeaderValue> },
    Socks5 { credentials: Option<Credentials> },
}

/// What is wrong with a proxy, or what it did wrong.
///
/// The first five are this side's own; everything else the proxy said, or did not say in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The scheme is none of `http`, `socks5` and `socks5h`.
    #[error("a proxy's URL begins with http://, socks5:// or socks5h://")]
    Scheme,
    /// `https://`: TLS to the proxy itself.
    #[error("TLS to the proxy (https://) is not supported")]
    Tls,
    /// The URL has more than a host, a port and credentials.
    #[error("a proxy's URL has no path, query or fragment")]
    Path,
    /// The host, the port or the credentials are wrong. For SOCKS, user name and password have 1 to 255
    /// bytes each.
    #[error("not a proxy: {0}")]
    Url(#[from] UrlError),
    /// RFC 1928 §5: the length of a server's name is a single octet.
    #[error("the server's name is too long for SOCKS")]
    HostTooLong,

    /// An HTTP proxy answered with another status than 2xx; 407 asks for credentials, or for others.
    #[error("the proxy refused: {0}")]
    Http(StatusCode),
    /// A SOCKS proxy answered with this reply, one of RFC 1928 §6.
    #[error("the proxy refused: {text} ({code:#04x})", text = socks::reply_text(*.0), code = .0)]
    Socks(u8),
    /// RFC 1928 §3: "none of the methods listed by the client are acceptable": it wants credentials where
    /// there are none, or another kind of them.
    #[error("the proxy accepts none of our ways to authenticate")]
    NoAcceptableMethod,
    /// RFC 1929 §2: a SOCKS proxy does not know the user name and password.
    #[error("the proxy refused the user name and password")]
    Unauthorized,
    /// The answer is not one of the protocol; the text says where it goes wrong.
    #[error("the proxy's answer is malformed: {0}")]
    Malformed(&'static str),
    /// The answer's head exceeds [`MAX_HEAD`](crate::handshake::MAX_HEAD).
    #[error("the head of the proxy's answer is larger than the limit")]
    HeadTooLarge,
    /// The answer's head exceeds [`MAX_HEADERS`](crate::handshake::MAX_HEADERS).
    #[error("the proxy's answer has more header fields than the limit")]
    TooManyHeaders,
    /// More than [`MAX_INTERIM`](crate::handshake::MAX_INTERIM) responses of the kind of 100 came before
    /// the one that counts.
    #[error("the proxy sent more interim responses than the limit")]
    TooManyInterim,
    /// Bytes came that we had not asked for: neither the proxy nor a TLS or WebSocket server speaks first.
    #[error("the proxy sent more than its answer")]
    Unsolicited,
    /// The stream ended before the answer was complete.
    #[error("the proxy ended the stream before its answer was complete")]
    UnexpectedEof,
    /// The answer was not complete in time.
    #[error("the proxy did not answer in time")]
    Timeout,
}

impl Proxy {
    /// Checks a proxy's URL and takes it apart. A single `/` may stand at its end.
    ///
    /// # Errors
    /// [`ProxyError`] for what is no such URL. Nothing is corrected; in particular, no scheme is assumed.
    pub fn parse(url: &str) -> Result<Self, ProxyError> {
        let (scheme, rest) = url.split_once("://").ok_or(ProxyError::Scheme)?;
        let is_http = match scheme.to_ascii_lowercase().as_str() {
            "http" => true,
            "socks5" | "socks5h" => false,
            "https" => return Err(ProxyError::Tls),
            _ => return Err(ProxyError::Scheme),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#']) {
            return Err(ProxyError::Path);
        }
        let (credentials, authority) = match rest.rsplit_once('@') {
            Some(("", authority)) => (None, authority),
            Some((text, authority)) => (Some(Credentials::parse(text)?), authority),
            None => (None, rest),
        };
        let protocol = if is_http {
            Protocol::Http { authorization: credentials.as_ref().map(url::basic).transpose()? }
        } else {
            Protocol::Socks5 { credentials: credentials.map(socks::check).transpose()? }
        };
        let authority = url::to_ascii(authority)?;
        let Authority { host, port } = url::parse_authority(&authority)?;
        Ok(Self {
            protocol,
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.unwrap_or(if is_http { 80 } else { 1080 }),
        })
    }

    /// The proxy that the environment names for this URL, by the variables that curl looks at: the first
    /// that is set decides, and none or an empty one means no proxy.
    ///
    /// - for `ws://`: `ws_proxy`, `WS_PROXY`, `http_proxy`, `all_proxy`, `ALL_PROXY`;
    /// - for `wss://`: `wss_proxy`, `WSS_PROXY`, `https_proxy`, `HTTPS_PROXY`, `all_proxy`, `ALL_PROXY`.
    ///
    /// `http_proxy` counts in lower case only: where a web server runs the program for a request (CGI),
    /// that request's `Proxy` field is the variable `HTTP_PROXY`, so whoever sends it would choose the
    /// proxy. (On Windows, names of variables have no case, and so there this protects nothing.) A value
    /// without a scheme means `http://`.
    ///
    /// `no_proxy`, or else `NO_PROXY`, lists what is reached without a proxy, separated by commas or white
    /// space; what is none of these is passed over:
    ///
    /// - `*`: everything;
    /// - a name, perhaps after a dot: `example.com` or `.example.com`, the host itself and all below it;
    /// - an IP address, `[` `]` around one of version 6 or not: that address;
    /// - a block of them, `10.0.0.0/8`;
    /// - one of these but for the last with a port, `example.com:8080` or `[::1]:8080`: that port only.
    ///
    /// No name is resolved for it: a name in the URL is compared with names, an address with addresses.
    ///
    /// # Errors
    /// As for [`parse`](Self::parse), if the variable that decides is set to no proxy's URL.
    pub fn from_env(url: &Url) -> Result<Option<Self>, ProxyError> {
        // What is not Unicode is no valid URL, and must not pass for a variable that is not set.
        environment::proxy(url, |name| Some(std::env::var_os(name)?.to_string_lossy().into_owned()))
    }

    /// The host to connect to: a name in ASCII, or an address; one of IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to: 80 for `http` and 1080 for `socks5`, if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Asks for a tunnel to this host, an address of IPv6 without brackets, and port.
    pub(super) fn handshake(&self, host: &str, port: u16) -> Result<Handshake, ProxyError> {
        let (state, output) = match &self.protocol {
            Protocol::Http { authorization } => {
                (State::Http(Connect::new()), http::request(host, port, authorization.as_ref()))
            }
            Protocol::Socks5 { credentials } => {
                let (socks, greeting) = Socks::new(host, port, credentials.clone())?;
                (State::Socks(socks), greeting)
            }
        };
        Ok(Handshake { state, output })
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(url: &str) -> Result<Self, ProxyError> {
        Self::parse(url)
    }
}

impl TryFrom<&str> for Proxy {
    type Error = ProxyError;

    fn try_from(url: &str) -> Result<Self, ProxyError> {
        Self::parse(url)
    }
}

/// The URL without its user name and password.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protocol {
            Protocol::Http { .. } => "http",
            Protocol::Socks5 { .. } => "socks5",
        };
        write!(f, "{scheme}://{}", authority(&self.host, self.port))
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

/// One handshake with a proxy, from the first request to the tunnel.
///
/// ```text
///  Http --(2xx)---------------------------------------> Established
///  Socks --(method, perhaps a status, reply)----------> Established
/// ```
pub(super) struct Handshake {
    state: State,
    output: Bytes,
}

enum State {
    Http(Connect),
    Socks(Socks),
    /// What is written from here on, the server reads.
    Established,
}

/// What follows from a part of the proxy's answer.
enum Step {
    /// More has to come.
    More,
    /// It is our turn.
    Send(Bytes),
    /// The answer is complete, and the tunnel there.
    Established,
}

impl Handshake {
    fn take(&mut self, mut bytes: &[u8]) -> Result<(), ProxyError> {
        while !bytes.is_empty() {
            // An answer to what has not left yet is none, and behind the last there is a server that waits.
            if self.output.has_remaining() {
                return Err(ProxyError::Unsolicited);
            }
            let (step, rest) = match &mut self.state {
                State::Http(connect) => connect.receive(bytes)?,
                State::Socks(socks) => socks.receive(bytes)?,
                State::Established => return Err(ProxyError::Unsolicited),
            };
            match step {
                Step::More => {}
                Step::Send(output) => self.output = output,
                Step::Established => self.state = State::Established,
            }
            bytes = rest;
        }
        Ok(())
    }
}

impl opening::Handshake for Handshake {
    fn is_complete(&self) -> bool {
        matches!(self.state, State::Established)
    }

    fn output(&mut self) -> &mut Bytes {
        &mut self.output
    }

    fn receive(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.take(bytes).map_err(|error| {
            // Neither protocol has a refusal, and credentials are not for a proxy that breaks its own.
            self.output.clear();
            error.into()
        })
    }

    fn receive_eof(&mut self) -> Result<(), Error> {
        Err(ProxyError::UnexpectedEof.into())
    }

    fn handle_timeout(&mut self) -> Error {
        ProxyError::Timeout.into()
    }
}

/// Without what is written, which may be secret.
impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Http(_) => "Http",
            State::Socks(_) => "Socks",
            State::Established => "Established",
        };
        f.debug_struct("Handshake").field("state", &state).finish_non_exhaustive()
    }
}

impl From<HeadError> for ProxyError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(why) => Self::Malformed(why),
            HeadError::TooLarge | HeadError::TargetTooLong => Self::HeadTooLarge,
            HeadError::TooManyFields => Self::TooManyHeaders,
        }
    }
}

/// `host:port`, with an address of IPv6 in brackets.
fn authority(host: &str, port: u16) -> String {
    match host.parse() {
        Ok(IpAddr::V6(_)) => format!("[{host}]:{port}"),
        _ => format!("{host}:{port}"),
    }
}

#[cfg(test)]
mod tests;
