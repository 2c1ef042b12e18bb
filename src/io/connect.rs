//! What a client connection is made of, and in which order addresses are tried.

use super::proxy::Proxy;
use super::tls::Tls;
use crate::Config;
use crate::error::{Error, HandshakeError};
use crate::handshake::{Url, client};
use std::io;
use std::net::SocketAddr;
#[cfg(unix)]
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A client connection to make: the [`Request`](client::Request), and the way to the server.
///
/// Each `connect` takes one, and whatever becomes one: a URL, or a request.
///
/// ```no_run
/// use sansocket::{Config, Connect, blocking};
/// use std::time::Duration;
///
/// let config = Config::new().handshake_timeout(Duration::from_secs(3));
/// let ws = blocking::connect(Connect::new("ws://a.example/chat")?.config(config).proxy_from_env())?;
/// # Ok::<(), sansocket::Error>(())
/// ```
///
/// RFC 6455 §4.1 wants no more than one connection to an address to be in the state CONNECTING: whoever opens
/// several waits for one before the next. Nothing here makes them wait.
#[derive(Clone, Debug)]
pub struct Connect {
    request: client::Request,
    config: Config,
    nodelay: bool,
    target: Target,
    via: Via,
    tls: Option<Tls>,
}

/// Where the stream begins to be made.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// What the resolver says about the host.
    Resolved,
    Addresses(Vec<SocketAddr>),
    #[cfg(unix)]
    Unix(PathBuf),
}

#[derive(Clone, Debug)]
enum Via {
    Nothing,
    Environment,
    Proxy(Box<Proxy>),
}

impl Connect {
    /// RFC 8305 §5, "Connection Attempt Delay": how long one address has before the next is tried too.
    pub(super) const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

    /// A connection to this URL, or for this request, with the default options.
    ///
    /// # Errors
    /// [`HandshakeError::Url`]
    pub fn new<R>(request: R) -> Result<Self, HandshakeError>
    where
        R: TryInto<client::Request>,
        HandshakeError: From<R::Error>,
    {
        Ok(Self::from(request.try_into()?))
    }

    /// Limits and timings. [`handshake_timeout`](Config::handshake_timeout) bounds everything from the
    /// resolver to the server's response.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Whether `TCP_NODELAY` is set (it is), so that a short message does not wait for the acknowledgement
    /// of the one before.
    #[must_use]
    pub fn nodelay(mut self, on: bool) -> Self {
        self.nodelay = on;
        self
    }

    /// Connects to one of these addresses; the resolver is not asked. Their order says which are preferred,
    /// as far as [RFC 8305 §4] goes, which has both families take turns.
    ///
    /// They are the proxy's, if there is a [`proxy`](Self::proxy); the environment is not asked for one.
    ///
    /// [RFC 8305 §4]: https://www.rfc-editor.org/rfc/rfc8305#section-4
    #[must_use]
    pub fn addresses(mut self, addresses: impl IntoIterator<Item = SocketAddr>) -> Self {
        self.target = Target::Addresses(addresses.into_iter().collect());
        self
    }

    /// Connects to this Unix socket. The URL says what to ask for there, and whether with TLS.
    ///
    /// It is the proxy's, if there is a [`proxy`](Self::proxy); the environment is not asked for one.
    #[cfg(unix)]
    #[must_use]
    pub fn unix(mut self, path: impl AsRef<Path>) -> Self {
        self.target = Target::Unix(path.as_ref().to_owned());
        self
    }

    /// Goes through this proxy.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.via = Via::Proxy(Box::new(proxy));
        self
    }

    /// Goes through the proxy that the environment names for the URL, if any: see [`Proxy::from_env`].
    /// What it names wrongly is an error of `connect`.
    #[must_use]
    pub fn proxy_from_env(mut self) -> Self {
        self.via = Via::Environment;
        self
    }

    /// How a `wss://` URL is connected to with TLS. A `ws://` URL is connected to without it.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[must_use]
    pub fn tls(mut self, tls: impl Into<Tls>) -> Self {
        self.tls = Some(tls.into());
        self
    }

    /// What is asked for.
    pub fn request(&self) -> &client::Request {
        &self.request
    }

    pub(super) fn url(&self) -> &Url {
        self.request.url()
    }

    pub(super) fn timeout(&self) -> Duration {
        self.config.handshake_timeout
    }

    pub(super) fn has_nodelay(&self) -> bool {
        self.nodelay
    }

    pub(super) fn target(&self) -> &Target {
        &self.target
    }

    /// The proxy to go through.
    pub(super) fn find_proxy(&self) -> Result<Option<Proxy>, Error> {
        match (&self.via, &self.target) {
            (Via::Proxy(proxy), _) => Ok(Some(Proxy::clone(proxy))),
            (Via::Environment, Target::Resolved) => Ok(Proxy::from_env(self.url())?),
            (Via::Environment | Via::Nothing, _) => Ok(None),
        }
    }

    /// How to encrypt, if the URL wants that.
    pub(super) fn find_tls(&self) -> Result<Option<Tls>, Error> {
        match &self.tls {
            _ if !self.url().is_secure() => Ok(None),
            None => Tls::usual().map(Some),
            tls => Ok(tls.clone()),
        }
    }

    /// The handshake to run over the stream.
    pub(super) fn into_handshake(self) -> Result<client::Handshake, HandshakeError> {
        client::Handshake::new(self.request, self.config)
    }
}

impl From<client::Request> for Connect {
    fn from(request: client::Request) -> Self {
        Self {
            request,
            config: Config::new(),
            nodelay: true,
            target: Target::Resolved,
            via: Via::Nothing,
            tls: None,
        }
    }
}

impl From<Url> for Connect {
    fn from(url: Url) -> Self {
        client::Request::to(url).into()
    }
}

impl TryFrom<&str> for Connect {
    type Error = HandshakeError;

    fn try_from(url: &str) -> Result<Self, HandshakeError> {
        Self::new(url)
    }
}

impl TryFrom<&String> for Connect {
    type Error = HandshakeError;

    fn try_from(url: &String) -> Result<Self, HandshakeError> {
        Self::new(url)
    }
}

impl TryFrom<String> for Connect {
    type Error = HandshakeError;

    fn try_from(url: String) -> Result<Self, HandshakeError> {
        Self::new(url)
    }
}

/// RFC 8305 §4: "Whichever address family is first in the list should be followed by an address of the other
/// address family".
pub(super) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let begins_with_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == begins_with_v6);
    let (mut ordered, mut second) = (Vec::with_capacity(first.len() + second.len()), second.into_iter());
    for address in first {
        ordered.push(address);
        ordered.extend(second.next());
    }
    ordered.extend(second);
    ordered
}

/// Why no address could be connected to, before one was tried.
pub(super) fn no_address() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "the host has no address")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::net::TcpListener;

    /// RFC 5737 §3: it "SHOULD NOT appear on the public Internet".
    pub(in crate::io) const SILENT: &str = "192.0.2.1:80";

    /// One that listens, and where.
    pub(in crate::io) fn listener() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// Where nobody listens any more.
    pub(in crate::io) fn closed() -> SocketAddr {
        listener().1
    }

    #[test]
    fn the_families_take_turns_and_the_order_within_each_stays() {
        for (addresses, expected) in [
            ("", ""),
            ("a", "a"),
            ("A", "A"),
            ("abc", "abc"),
            ("ABab", "AaBb"),
            ("abAB", "aAbB"),
            ("abcA", "aAbc"),
            ("aABC", "aABC"),
            ("AaBCb", "AaBbC"),
        ] {
            let list = |text: &str| -> Vec<_> { text.chars().map(address).collect() };
            assert_eq!(interleave(list(addresses)), list(expected), "{addresses}");
        }
    }

    /// A capital letter is an IPv6 address.
    fn address(letter: char) -> SocketAddr {
        let host = if letter.is_ascii_uppercase() { "[2001:db8::1]" } else { "192.0.2.1" };
        format!("{host}:{}", u32::from(letter)).parse().unwrap()
    }

    #[test]
    fn whatever_names_a_server_becomes_a_connect() {
        fn target<C>(to: C) -> Result<String, HandshakeError>
        where
            C: TryInto<Connect>,
            HandshakeError: From<C::Error>,
        {
            Ok(to.try_into()?.request().url().to_string())
        }
        let url = "ws://a.example/b";
        assert_eq!(target(url).unwrap(), url);
        let owned = String::from(url);
        assert_eq!(target(&owned).unwrap(), url);
        assert_eq!(target(owned).unwrap(), url);
        assert_eq!(target(Url::parse(url).unwrap()).unwrap(), url);
        assert_eq!(target(client::Request::new(url).unwrap()).unwrap(), url);
        assert_eq!(target(Connect::new(url).unwrap()).unwrap(), url);
        assert!(matches!(target("http://a.example"), Err(HandshakeError::Url(_))));
    }

    #[test]
    fn a_url_without_tls_needs_none() {
        assert!(Connect::new("ws://a.example").unwrap().find_tls().unwrap().is_none());
    }
}
