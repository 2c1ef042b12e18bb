//! A server's part of the handshake as pure functions from [`http::Request`] to [`http::Response`]: no
//! bytes, no I/O. [`server::Handshake`](crate::handshake::server::Handshake) is built on it, and so can
//! be a route of any HTTP/1.1 server.
//!
//! ```
//! use sansocket::handshake::negotiate::{Answer, Offer};
//! use sansocket::handshake::{OriginPolicy, Rejection};
//! # let request = http::Request::builder().uri("/chat").header("host", "a").header("upgrade", "websocket")
//! #     .header("connection", "upgrade").header("sec-websocket-version", "13")
//! #     .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==").header("sec-websocket-protocol", "chat, v2")
//! #     .body(()).unwrap();
//!
//! // request: http::Request<B>; a Rejection becomes the response with `to_response()`
//! let offer = Offer::from_request(&request)?;
//! OriginPolicy::same_origin().check(&offer, false)?;
//! let answer = Answer::new().protocol(offer.choose_protocol(&["v2", "v1"]));
//! let (response, agreement) = offer.accept(answer).unwrap();
//! assert_eq!(response.status(), 101);
//! assert_eq!(agreement.protocol(), Some("v2"));
//! # Ok::<(), Rejection>(())
//! ```

use crate::connection::{Agreement, Config};
use crate::deflate::{Deflate, Params};
use crate::handshake::authority::Authority;
use crate::handshake::fields::{self, single};
use crate::handshake::tokens::{self, Extensions};
use crate::handshake::{Extension, FieldError, HandshakeError, Rejection, accept_key};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::Scheme;
use http::{Method, Request, Response, StatusCode, Version};
use std::borrow::Cow;
use std::collections::HashSet;

/// What a client asks for: a request that is an opening handshake ([RFC 6455 §4.2.1]).
///
/// [RFC 6455 §4.2.1]: https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    key: Box<str>,
    host: Box<str>,
    origin: Option<Box<str>>,
    /// The subprotocols, separated by single commas: thousands of them cost no more than their text.
    protocols: Box<str>,
    /// The field's lines, joined.
    extensions: Box<str>,
}

/// What a server adds to its 101 response.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    protocol: Option<Box<str>>,
    deflate: Option<Deflate>,
    headers: HeaderMap,
}

impl Offer {
    /// Checks everything that §4.2.1 demands of a request.
    ///
    /// # Errors
    /// The refusal to answer with: 405 if the method is not GET, 426 if the version is not 13, and 400
    /// for everything else.
    pub fn from_request<B>(request: &Request<B>) -> Result<Self, Rejection> {
        let headers = request.headers();

        // §4.2.1: "1. An HTTP/1.1 or higher GET request". HTTP/2 opens WebSockets in another way (RFC 8441).
        if request.method() != Method::GET {
            return Err(Rejection::method());
        }
        if request.version() != Version::HTTP_11 {
            return Err(Rejection::bad_request("a WebSocket is opened with HTTP/1.1"));
        }
        check_form(headers)?;

        // "2. A |Host| header field containing the server's authority."
        let host_text = single(headers, &header::HOST).unwrap_or_default();
        let host = Authority::parse(host_text)
            .ok_or_else(|| Rejection::bad_request("the Host field is missing or malformed"))?;

        // RFC 9112 §3.2: the Host field's value is to be "identical to that authority component" if the target
        // has one.
        if let Some(authority) = request.uri().authority() {
            let default_port = if request.uri().scheme() == Some(&Scheme::HTTPS) { 443 } else { 80 };
            let named = Authority::parse(authority.as_str());
            if !named.is_some_and(|named| named.equals(host, default_port)) {
                return Err(Rejection::bad_request("the target and the Host field differ"));
            }
        }

        // "3. An |Upgrade| header field containing the value "websocket", treated as an ASCII case-insensitive
        // value."
        if !tokens::contains(headers, &header::UPGRADE, "websocket") {
            return Err(Rejection::bad_request("only WebSocket is spoken here: Upgrade is not websocket"));
        }

        // "4. A |Connection| header field that includes the token "Upgrade", treated as an ASCII
        // case-insensitive value."
        if !tokens::contains(headers, &header::CONNECTION, "upgrade") {
            return Err(Rejection::bad_request("the Connection field does not include Upgrade"));
        }

        // "6. A |Sec-WebSocket-Version| header field, with a value of 13." It comes before the key: another
        // version might have another one.
        if single(headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
            return Err(Rejection::version());
        }

        // "5. A |Sec-WebSocket-Key| header field with a base64-encoded ... value that, when decoded, is 16
        // bytes in length."
        let key = single(headers, &header::SEC_WEBSOCKET_KEY)
            .filter(|key| is_key(key))
            .ok_or_else(|| Rejection::bad_request("the Sec-WebSocket-Key is missing or malformed"))?;

        // A request with a body might be seen as two requests by what stands between client and server.
        let has_length = headers.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0");
        if has_length || headers.contains_key(header::TRANSFER_ENCODING) {
            return Err(Rejection::bad_request("the request has a body"));
        }

        Ok(Self {
            key: key.into(),
            host: host_text.into(),
            origin: single(headers, &header::ORIGIN).map(Box::from),
            protocols: protocols(headers)?.into(),
            extensions: extensions(headers)?.into(),
        })
    }

    /// The subprotocols, in the client's order of preference.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.protocols.split(',').filter(|protocol| !protocol.is_empty())
    }

    /// The extensions, in the client's order of preference.
    pub fn extensions(&self) -> impl Iterator<Item = Extension<'_>> {
        Extensions::new(&self.extensions).filter_map(Result::ok)
    }

    /// The origin of the page that connects, as the browser wrote it.
    pub fn origin(&self) -> Option<&str> {
        self.origin.as_deref()
    }

    /// The `Host` field: the host that the client connected to, and its port if that is not the default.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The `Sec-WebSocket-Key` field.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The first subprotocol in the client's order that is among the supported ones.
    pub fn choose_protocol(&self, supported: &[impl AsRef<str>]) -> Option<&str> {
        // §4.1: the list is "ordered by preference"; §4.2.2: the server selects "one of the values".
        self.protocols().find(|offered| supported.iter().any(|supported| supported.as_ref() == *offered))
    }

    /// The 101 response that accepts this offer, and what both sides have agreed on with it.
    ///
    /// # Errors
    /// [`FieldError::ProtocolNotOffered`] if the answer's subprotocol is not one of the client's.
    pub fn accept(&self, answer: Answer) -> Result<(Response<()>, Agreement), HandshakeError> {
        let (agreement, custom) = self.agree(answer)?;
        let mut response = Response::new(());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        for (name, value) in self.fields(&agreement) {
            headers.insert(name, HeaderValue::from_str(&value).map_err(|_| FieldError::Value)?);
        }
        for (name, value) in &custom {
            headers.try_append(name, value.clone()).map_err(|_| FieldError::Value)?;
        }
        Ok((response, agreement))
    }

    /// The same response as bytes.
    pub(super) fn accept_in_bytes(&self, answer: Answer) -> Result<(Vec<u8>, Agreement), HandshakeError> {
        let (agreement, custom) = self.agree(answer)?;
        let mut head = Vec::with_capacity(256);
        head.extend_from_slice(b"HTTP/1.1 101 Switching Protocols\r\n");
        for (name, value) in self.fields(&agreement) {
            fields::write_one(&mut head, fields::spelling(&name), value.as_bytes());
        }
        fields::write(&mut head, &custom);
        Ok((head, agreement))
    }

    /// What the response says of the handshake itself.
    fn fields<'a>(&self, agreement: &'a Agreement) -> impl Iterator<Item = (HeaderName, Cow<'a, str>)> {
        // §4.2.2: "If the server chooses to accept the incoming connection, it MUST reply with a valid HTTP
        // response indicating the following": Upgrade, Connection, Sec-WebSocket-Accept.
        let demanded = [
            (header::UPGRADE, "websocket".into()),
            (header::CONNECTION, "Upgrade".into()),
            (header::SEC_WEBSOCKET_ACCEPT, accept_key(self.key.as_bytes()).into()),
        ];
        let agreed = [
            (header::SEC_WEBSOCKET_PROTOCOL, agreement.protocol().unwrap_or_default().into()),
            (header::SEC_WEBSOCKET_EXTENSIONS, (&*agreement.extensions).into()),
        ];
        demanded.into_iter().chain(agreed).filter(|(_, value): &(_, Cow<'_, str>)| !value.is_empty())
    }

    /// What is agreed on with an answer, and the fields that it adds.
    fn agree(&self, answer: Answer) -> Result<(Agreement, HeaderMap), HandshakeError> {
        let Answer { protocol, deflate, headers } = answer;
        // §4.2.2: "The value chosen MUST be derived from the client's handshake"; "if the server does not
        // wish to agree to one of the suggested subprotocols, it MUST NOT send back a
        // |Sec-WebSocket-Protocol| header field in its response".
        if let Some(protocol) = &protocol
            && !self.protocols().any(|offered| offered == &**protocol)
        {
            return Err(FieldError::ProtocolNotOffered.into());
        }

        // §4.2.2: "Extensions not listed by the client MUST NOT be listed." RFC 7692 §5: "An element
        // preceding another element has higher preference." "A server declining all offered PMCEs MUST NOT
        // include any element with PMCE names."
        let deflate = deflate.and_then(|deflate| self.choose_deflate(&deflate));
        let extensions = deflate.map(|params| params.to_string()).unwrap_or_default().into();
        Ok((Agreement { protocol, extensions, deflate }, headers))
    }

    fn choose_deflate(&self, own: &Deflate) -> Option<Params> {
        let mut offers = self.extensions().filter(|extension| extension.name == Params::NAME);
        offers.find_map(|offer| own.answer(offer.params()))
    }
}

impl Answer {
    /// Adds nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The subprotocol to speak, or none.
    ///
    /// Whether the client offered it is checked by [`Offer::accept`]; a name that is no token was not
    /// offered.
    #[must_use]
    pub fn protocol<'a>(mut self, protocol: impl Into<Option<&'a str>>) -> Self {
        self.protocol = protocol.into().map(Box::from);
        self
    }

    /// Accepts an offer to compress messages in one of the ways that this allows, or none. Without an offer that
    /// can be accepted messages are not compressed.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<Deflate>>) -> Self {
        self.deflate = deflate.into();
        self
    }

    /// What a configuration says of extensions.
    pub(super) fn configured(mut self, config: &Config) -> Self {
        self.deflate = config.deflate.clone();
        self
    }

    /// Adds a field; a name may be added several times.
    ///
    /// # Errors
    /// [`FieldError`] for what is no name, no value, or a field that the handshake writes itself: `Upgrade`,
    /// `Connection`, `Host`, `Content-Length`, `Transfer-Encoding` and every `Sec-WebSocket-` field.
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName>,
        value: impl TryInto<HeaderValue>,
    ) -> Result<Self, HandshakeError> {
        let (name, value) = fields::custom(name, value)?;
        self.headers.try_append(name, value).map_err(|_| FieldError::Value)?;
        Ok(self)
    }
}

/// Checks that the fields which are read here are ASCII, and those that are no lists stand there once.
fn check_form(headers: &HeaderMap) -> Result<(), Rejection> {
    for name in headers.keys() {
        let is_list = match name.as_str() {
            "upgrade" | "connection" | "sec-websocket-protocol" | "sec-websocket-extensions" => true,
            "host" | "origin" | "content-length" => false,
            _ if fields::is_websocket(name) => false,
            _ => continue,
        };
        let values = headers.get_all(name);
        // RFC 9110 §5.5: "A recipient SHOULD treat other allowed octets in field content (i.e., obs-text) as
        // opaque data." Here they can only be wrong.
        if !values.iter().all(|value| value.as_bytes().is_ascii()) {
            return Err(Rejection::bad_request("a field is not ASCII"));
        }
        // §11.3.1: "The |Sec-WebSocket-Key| header field MUST NOT appear more than once in an HTTP request",
        // and so for the others.
        if !is_list && values.iter().nth(1).is_some() {
            return Err(Rejection::bad_request("a field appears twice"));
        }
    }
    Ok(())
}

/// 24 characters of base64 that hold 16 bytes. The four bits that are left over may have any value: the
/// key is never decoded.
fn is_key(key: &str) -> bool {
    let Some(digits) = key.strip_suffix("==") else { return false };
    digits.len() == 22
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/'))
}

/// §4.3: "Sec-WebSocket-Protocol-Client = 1#token", joined to one list.
fn protocols(headers: &HeaderMap) -> Result<String, Rejection> {
    let malformed = || Rejection::bad_request("the Sec-WebSocket-Protocol is malformed");
    let mut seen = HashSet::new();
    let mut list = String::new();
    for element in tokens::elements(headers, &header::SEC_WEBSOCKET_PROTOCOL) {
        // §4.1: the elements "MUST be non-empty strings with characters in the range U+0021 to U+007E not
        // including separator characters ... and MUST all be unique strings."
        if !tokens::is_token(element) || !seen.insert(element) {
            return Err(malformed());
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(str::from_utf8(element).map_err(|_| malformed())?);
    }
    if list.is_empty() && headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL) {
        return Err(malformed());
    }
    Ok(list)
}

/// §9.1: "extension-list = 1#extension", its lines joined.
fn extensions(headers: &HeaderMap) -> Result<String, Rejection> {
    let malformed = || Rejection::bad_request("the Sec-WebSocket-Extensions is malformed");
    let (mut list, mut is_empty) = (String::new(), true);
    for line in headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS) {
        let line = str::from_utf8(line.as_bytes()).map_err(|_| malformed())?;
        // §9.1: "If a value is received ... that does not conform to the ABNF below, the recipient of such
        // malformed data MUST immediately _Fail the WebSocket Connection_." This is so even though
        // none of the extensions may be known.
        for extension in Extensions::new(line) {
            extension.map_err(|_| malformed())?;
            is_empty = false;
        }
        if !list.is_empty() {
            list.push(',');
        }
        list.push_str(line);
    }
    if is_empty && headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        return Err(malformed());
    }
    Ok(list)
}

#[cfg(test)]
pub(super) mod tests;
