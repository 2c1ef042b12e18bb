use crate::handshake::authority::Authority;
use crate::handshake::head::is_target_byte;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use std::fmt;
use std::str::FromStr;

/// A `ws:` or `wss:` URL ([RFC 6455 §3]), checked and taken apart.
///
/// ```
/// use sansocket::handshake::Url;
///
/// let url = Url::parse("wss://user:secret@[::1]:9001/chat?room=1")?;
/// assert!(url.is_secure());
/// assert_eq!((url.host(), url.port()), ("::1", 9001)); // to connect to
/// assert_eq!(url.authority(), "[::1]:9001"); // for the Host field
/// assert_eq!(url.target(), "/chat?room=1");
/// assert_eq!(url.to_string(), "wss://[::1]:9001/chat?room=1"); // the credentials stay secret
/// # Ok::<(), sansocket::handshake::UrlError>(())
/// ```
///
/// [RFC 6455 §3]: https://www.rfc-editor.org/rfc/rfc6455#section-3
#[derive(Clone, PartialEq, Eq)]
pub struct Url {
    secure: bool,
    host: String,
    port: u16,
    authority: String,
    target: String,
    authorization: Option<HeaderValue>,
}

/// What is wrong with a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Neither `ws://` nor `wss://`.
    #[error("a WebSocket URL begins with ws:// or wss://")]
    Scheme,
    /// §3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used".
    #[error("a WebSocket URL has no fragment")]
    Fragment,
    /// White space, a control character, or another that has to be percent-encoded.
    #[error("the URL contains a character that has to be percent-encoded")]
    Character,
    /// The host is missing, or none.
    #[error("the URL has no valid host")]
    Host,
    /// The host is an international name, and the feature `idn` is off.
    #[error("international domain names need the feature \"idn\"")]
    International,
    /// The port is none of 1 to 65535.
    #[error("the URL has no valid port")]
    Port,
    /// The user name or password cannot be sent with HTTP Basic authentication.
    #[error("the URL has no valid user name and password")]
    Credentials,
}

impl Url {
    /// Checks a URL and takes it apart.
    ///
    /// An international host name is turned into its ASCII form (feature `idn`).
    ///
    /// # Errors
    /// [`UrlError`] for what is no such URL. Nothing is corrected: in particular, no character is
    /// percent-encoded.
    pub fn parse(url: &str) -> Result<Self, UrlError> {
        // §3: "The URI is called "secure" ... if the scheme component matches "wss" case-insensitively."
        // §4.1: "The components of the WebSocket URI passed into this algorithm ... MUST be valid according
        // to the specification of WebSocket URIs specified in Section 3."
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        let secure = scheme.eq_ignore_ascii_case("wss");
        if !secure && !scheme.eq_ignore_ascii_case("ws") {
            return Err(UrlError::Scheme);
        }
        // §3: "Fragment identifiers ... MUST NOT be used on these URIs."
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let path = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(path).ok_or(UrlError::Host)?;
        let (credentials, authority) = match authority.rsplit_once('@') {
            Some((credentials, authority)) => (Some(credentials), authority),
            None => (None, authority),
        };

        let authority = to_ascii(authority)?;
        let Authority { host, port } = parse_authority(&authority)?;
        let default_port = if secure { 443 } else { 80 };
        let port = port.unwrap_or(default_port);
        // §11.1.1: "Characters in other components that are excluded by the syntax defined above MUST be
        // converted from Unicode to ASCII" by whoever makes the URL: here they are refused.
        // A backtick browsers write in a query, but not in a path, where servers refuse it: ours, too.
        let path = target.split('?').next().unwrap_or_default();
        if !target.bytes().all(is_target_byte) || path.contains('`') {
            return Err(UrlError::Character);
        }
        Ok(Self {
            secure,
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            // §4.1: "/host/ plus optionally ":" followed by /port/ (when not using the default port)".
            authority: if port == default_port { host.to_owned() } else { format!("{host}:{port}") },
            // §3: the resource name is "/" "if the path component is empty", and the rest as it is.
            target: if target.starts_with('/') { target.to_owned() } else { format!("/{target}") },
            authorization: match credentials {
                Some(text) if !text.is_empty() => Some(basic(&Credentials::parse(text)?)?),
                _ => None,
            },
        })
    }

    /// Whether the connection is to use TLS: `wss`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The host to connect to: a name in ASCII, or an address; one of IPv6 without brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to: 80 for `ws` and 443 for `wss`, if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The value of the `Host` field: the port is left out if it is the default one, and an IPv6
    /// address stands in brackets.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Path and query, as the request line has them.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The value of the `Authorization` field, if the URL has a user name. It is
    /// [sensitive](HeaderValue::is_sensitive).
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

impl FromStr for Url {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        Self::parse(url)
    }
}

/// The URL without its user name and password.
impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "wss" } else { "ws" };
        write!(f, "{scheme}://{}{}", self.authority, self.target)
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Url({self})")
    }
}

/// Why an authority is not one is worth more words here than in a `Host` field.
pub(crate) fn parse_authority(text: &str) -> Result<Authority<'_>, UrlError> {
    // An escaped host would be a name in some other encoding, of which nobody knows which.
    if !text.is_ascii() || text.bytes().any(|byte| byte.is_ascii_control() || matches!(byte, b' ' | b'%')) {
        return Err(UrlError::Host);
    }
    match Authority::parse(text) {
        Some(Authority { port: Some(0), .. }) => Err(UrlError::Port),
        Some(authority) => Ok(authority),
        None => {
            // Perhaps the host alone is right.
            let end = text.rfind(']').map(|end| end + 1).or_else(|| text.find(':'));
            let host = end.and_then(|end| text.get(..end)).and_then(Authority::parse);
            Err(if host.is_some() { UrlError::Port } else { UrlError::Host })
        }
    }
}

/// The host in lower case, with international labels as A-labels (`bücher` is `xn--bcher-kva`).
///
/// §11.1.1: "Characters in the host component that are excluded by the syntax defined above MUST be converted
/// from Unicode to ASCII".
pub(crate) fn to_ascii(authority: &str) -> Result<String, UrlError> {
    if authority.is_ascii() {
        return Ok(authority.to_ascii_lowercase());
    }
    #[cfg(feature = "idn")]
    {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let host = idna::domain_to_ascii_cow(host.as_bytes(), idna::AsciiDenyList::URL)
            .map_err(|_| UrlError::Host)?;
        Ok(port.map_or_else(|| host.to_string(), |port| format!("{host}:{port}")))
    }
    #[cfg(not(feature = "idn"))]
    Err(UrlError::International)
}

/// What stands before the `@` of a URL, percent-decoded.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) user: Vec<u8>,
    pub(crate) password: Vec<u8>,
}

impl Credentials {
    /// Reads `user:password`, or `user`, which has an empty password.
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        // RFC 3986 §3.2.1: "userinfo = *( unreserved / pct-encoded / sub-delims / ":" )".
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:".contains(&byte)) {
            return Err(UrlError::Credentials);
        }
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Ok(Self { user: percent_decode(user)?, password: percent_decode(password)? })
    }
}

/// `user:password` as RFC 7617 sends it: §2: "the user-id/password ... encoded using Base64".
pub(crate) fn basic(Credentials { user, password }: &Credentials) -> Result<HeaderValue, UrlError> {
    // RFC 7617 §2: "a user-id containing a colon character is invalid", and "The user-id and password MUST
    // NOT contain any control characters".
    if user.contains(&b':') || user.iter().chain(password).any(u8::is_ascii_control) {
        return Err(UrlError::Credentials);
    }
    let encoded = STANDARD.encode([user, &b":"[..], password].concat());
    let mut value = HeaderValue::try_from(format!("Basic {encoded}")).map_err(|_| UrlError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

fn percent_decode(text: &str) -> Result<Vec<u8>, UrlError> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(byte).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(UrlError::Credentials) };
                u8::try_from(high * 16 + low).map_err(|_| UrlError::Credentials)?
            }
            plain => plain,
        });
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (bool, String, u16, String, String) {
        let url = Url::parse(url).unwrap();
        (url.secure, url.host, url.port, url.authority, url.target)
    }

    #[test]
    fn hc_14_a_url_is_taken_apart() {
        for (url, secure, host, port, authority, target) in [
            ("ws://a.example", false, "a.example", 80, "a.example", "/"),
            ("WSS://A.Example:443/x", true, "a.example", 443, "a.example", "/x"),
            ("ws://a:443", false, "a", 443, "a:443", "/"),
            ("ws://a:/", false, "a", 80, "a", "/"),
            ("ws://a?x=1", false, "a", 80, "a", "/?x=1"),
            ("ws://a/b/../%7e?x=/?{}@:", false, "a", 80, "a", "/b/../%7e?x=/?{}@:"),
            ("wss://[::1]", true, "::1", 443, "[::1]", "/"),
            ("ws://[2001:DB8::1]:9001/", false, "2001:db8::1", 9001, "[2001:db8::1]:9001", "/"),
            ("ws://127.0.0.1:65535/", false, "127.0.0.1", 65535, "127.0.0.1:65535", "/"),
            ("ws://u:p@a:81/@", false, "a", 81, "a:81", "/@"),
        ] {
            assert_eq!(parts(url), (secure, host.into(), port, authority.into(), target.into()), "{url}");
        }
    }

    #[test]
    fn hc_14_what_is_no_websocket_url_is_refused() {
        for (url, error) in [
            ("", UrlError::Scheme),
            ("a.example", UrlError::Scheme),
            ("ws:", UrlError::Scheme),
            ("ws:/a", UrlError::Scheme),
            (" ws://a", UrlError::Scheme),
            ("http://a", UrlError::Scheme),
            ("https://a", UrlError::Scheme),
            ("wsss://a", UrlError::Scheme),
            ("/ws://a", UrlError::Scheme),
            ("ws://a/#", UrlError::Fragment),
            ("ws://a#b", UrlError::Fragment),
            ("ws://a/?b#c", UrlError::Fragment),
            ("ws://", UrlError::Host),
            ("ws:///a", UrlError::Host),
            ("ws://:80", UrlError::Host),
            ("ws://u@", UrlError::Host),
            ("ws://[::1", UrlError::Host),
            ("ws://::1/", UrlError::Host),
            ("ws://[::g]", UrlError::Host),
            ("ws://a\\b", UrlError::Host),
            ("ws://a%2eb", UrlError::Host),
            ("ws://a:0", UrlError::Port),
            ("ws://a:65536", UrlError::Port),
            ("ws://a:+80", UrlError::Port),
            ("ws://x:80:80", UrlError::Port),
            ("ws://[::1]x", UrlError::Port),
            ("ws://[::1]:0", UrlError::Port),
            ("ws://a/\"", UrlError::Character),
            ("ws://a/<b>", UrlError::Character),
            ("ws://a/`", UrlError::Character),
            ("ws://a/ä", UrlError::Character),
            ("ws://a/?ä", UrlError::Character),
        ] {
            assert_eq!(Url::parse(url), Err(error), "{url}");
        }
    }

    #[test]
    fn hc_13_no_control_character_or_space_gets_in() {
        for bad in ["\r", "\n", "\0", " ", "\t", "\x7f", "\u{85}", "\u{a0}", "\u{2028}", "\r\nX: y"] {
            for url in [
                format!("ws://a{bad}b/c"),
                format!("ws://ab/{bad}c"),
                format!("ws://ab/?{bad}"),
                format!("ws://ab{bad}"),
                format!("{bad}ws://ab"),
                format!("ws:{bad}//ab"),
                format!("ws://u{bad}:p@ab"),
                format!("ws://u:{bad}p@ab"),
                format!("ws://ab:8{bad}0/"),
                format!("ws://[::{bad}1]/"),
            ] {
                assert!(Url::parse(&url).is_err(), "{url:?}");
            }
        }
        for url in [
            "ws://u%0d%0a:p@a",
            "ws://u:p%00@a",
            "ws://u%3av:p@a",
            "ws://u:%@a",
            "ws://u:%g0@a",
            "ws://u@v@a",
        ] {
            assert_eq!(Url::parse(url), Err(UrlError::Credentials), "{url}");
        }
    }

    #[test]
    fn hc_14_credentials_become_an_authorization_and_stay_secret() {
        for (url, expected) in [
            ("ws://user:pass@a/", "user:pass"),
            ("ws://user@a/", "user:"),
            ("ws://:pass@a/", ":pass"),
            ("ws://a%40b:c%3Ad:e@a/", "a@b:c:d:e"),
            ("ws://%C3%A4:p@a/", "ä:p"),
        ] {
            let url = Url::parse(url).unwrap();
            let value = url.authorization().unwrap();
            assert_eq!(value.to_str().unwrap(), format!("Basic {}", STANDARD.encode(expected)));
            assert!(value.is_sensitive());
            assert_eq!(format!("{url} {url:?}"), "ws://a/ Url(ws://a/)");
        }
        assert_eq!(Url::parse("ws://@a/").unwrap().authorization(), None);
    }

    #[cfg(feature = "idn")]
    #[test]
    fn hc_14_an_international_host_becomes_ascii() {
        assert_eq!(Url::parse("ws://Bücher.example:81/").unwrap().authority(), "xn--bcher-kva.example:81");
        assert_eq!(Url::parse("ws://ｅｘ．example/").unwrap().host(), "ex.example");
        for url in [
            "ws://\u{ad}/",
            "ws://\u{2100}.example",
            "ws://ä[",
            "ws://ä%2f",
            "ws://\u{ff1a}80/",
            "ws://ä:x/",
            "ws://ä\u{ff0f}b",
        ] {
            assert!(Url::parse(url).is_err(), "{url}");
        }
    }

    #[cfg(not(feature = "idn"))]
    #[test]
    fn hc_14_an_international_host_needs_a_feature() {
        assert_eq!(Url::parse("ws://bücher.example/"), Err(UrlError::International));
    }

    #[test]
    fn its_parts_can_be_asked_for() {
        for (url, secure, port) in [("ws://a.example/b", false, 80), ("wss://a.example:8443/b", true, 8443)] {
            let url = Url::parse(url).unwrap();
            assert_eq!((url.is_secure(), url.host(), url.port()), (secure, "a.example", port));
        }
    }
}
