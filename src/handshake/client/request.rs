use crate::deflate::Deflate;
use crate::handshake::fields;
use crate::handshake::tokens;
use crate::handshake::{FieldError, HandshakeError, Url};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// What to connect to, and what to ask for there.
///
/// The fields that an opening handshake needs are written by it; here stands what an application adds.
///
/// ```
/// use sansocket::handshake::client::Request;
///
/// let request = Request::new("wss://a.example/chat")?
///     .protocol("chat.v2")?
///     .protocol("chat.v1")?
///     .header("Cookie", "session=1234")?;
/// assert_eq!(request.url().port(), 443);
/// # Ok::<(), sansocket::HandshakeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    url: Url,
    protocols: Vec<String>,
    headers: HeaderMap,
}

impl Request {
    /// A request for this `ws:` or `wss:` URL.
    ///
    /// # Errors
    /// [`HandshakeError::Url`]
    pub fn new(url: &str) -> Result<Self, HandshakeError> {
        Ok(Self::to(Url::parse(url)?))
    }

    /// A request for this URL. A user name and password in it are sent as `Authorization`.
    pub fn to(url: Url) -> Self {
        let mut headers = HeaderMap::new();
        if let Some(value) = url.authorization() {
            headers.insert(header::AUTHORIZATION, value.clone());
        }
        Self { url, protocols: Vec::new(), headers }
    }

    /// Asks for a subprotocol; those that are asked for first are preferred.
    ///
    /// # Errors
    /// [`FieldError::Protocol`], [`FieldError::DuplicateProtocol`]
    pub fn protocol(mut self, protocol: impl Into<String>) -> Result<Self, HandshakeError> {
        let protocol = protocol.into();
        // §4.1: "non-empty strings with characters in the range U+0021 to U+007E not including separator
        // characters ... and MUST all be unique strings."
        if !tokens::is_token(protocol.as_bytes()) {
            return Err(FieldError::Protocol.into());
        }
        if self.protocols.contains(&protocol) {
            return Err(FieldError::DuplicateProtocol.into());
        }
        self.protocols.push(protocol);
        Ok(self)
    }

    /// Sets the origin of the page on whose behalf the client connects, such as `https://a.example`. A
    /// client that is no browser needs none.
    ///
    /// # Errors
    /// [`FieldError::Origin`]
    pub fn origin(mut self, origin: &str) -> Result<Self, HandshakeError> {
        // §4.1: "the ASCII serialization of origin of the context in which the code establishing the
        // connection is running".
        let value = HeaderValue::from_str(origin).map_err(|_| FieldError::Origin)?;
        if origin.is_empty() || !origin.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',') {
            return Err(FieldError::Origin.into());
        }
        self.headers.insert(header::ORIGIN, value);
        Ok(self)
    }

    /// Adds a field; a name may be added several times, but `Authorization` and `Origin` are replaced.
    ///
    /// # Errors
    /// [`FieldError`] for what is no name, no value, or a field that the handshake writes itself: `Host`,
    /// `Upgrade`, `Connection`, `Content-Length`, `Transfer-Encoding` and every `Sec-WebSocket-` field.
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName>,
        value: impl TryInto<HeaderValue>,
    ) -> Result<Self, HandshakeError> {
        let (name, value) = fields::custom(name, value)?;
        if name == header::ORIGIN {
            return self.origin(value.to_str().map_err(|_| FieldError::Origin)?);
        }
        if name == header::AUTHORIZATION {
            self.headers.remove(&name);
        }
        self.headers.try_append(name, value).map_err(|_| FieldError::Value)?;
        Ok(self)
    }

    /// What to connect to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The fields that were added.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The subprotocols that are asked for, in their order.
    pub fn protocols(&self) -> impl Iterator<Item = &str> {
        self.protocols.iter().map(String::as_str)
    }

    pub(super) fn into_protocols(self) -> Vec<String> {
        self.protocols
    }

    /// §4.1: the opening handshake, with everything that it "MUST contain".
    pub(super) fn to_bytes(&self, key: &str, deflate: Option<&Deflate>) -> Vec<u8> {
        // "2. The method of the request MUST be GET, and the HTTP version MUST be at least 1.1." "3. The
        // "Request-URI" part of the request MUST match the /resource name/ defined in Section 3".
        let mut out = format!("GET {} HTTP/1.1\r\n", self.url.target()).into_bytes();
        // "4. The request MUST contain a |Host| header field whose value contains /host/ plus optionally ":"
        // followed by /port/ (when not using the default port)."
        fields::write_one(&mut out, "Host", self.url.authority().as_bytes());
        // "5. The request MUST contain an |Upgrade| header field whose value MUST include the "websocket"
        // keyword." "6. The request MUST contain a |Connection| header field whose value MUST include the
        // "Upgrade" token."
        fields::write_one(&mut out, "Upgrade", b"websocket");
        fields::write_one(&mut out, "Connection", b"Upgrade");
        // "7. The request MUST include a header field with the name |Sec-WebSocket-Key|." "9. The request
        // MUST include a header field with the name |Sec-WebSocket-Version|. The value of this header field
        // MUST be 13."
        fields::write_one(&mut out, "Sec-WebSocket-Key", key.as_bytes());
        fields::write_one(&mut out, "Sec-WebSocket-Version", b"13");
        if !self.protocols.is_empty() {
            fields::write_one(&mut out, "Sec-WebSocket-Protocol", self.protocols.join(", ").as_bytes());
        }
        if let Some(deflate) = deflate {
            fields::write_one(&mut out, "Sec-WebSocket-Extensions", deflate.offer().as_bytes());
        }
        fields::write(&mut out, &self.headers);
        out
    }
}

impl TryFrom<&str> for Request {
    type Error = HandshakeError;

    fn try_from(url: &str) -> Result<Self, HandshakeError> {
        Self::new(url)
    }
}

impl TryFrom<&String> for Request {
    type Error = HandshakeError;

    fn try_from(url: &String) -> Result<Self, HandshakeError> {
        Self::new(url)
    }
}

impl TryFrom<String> for Request {
    type Error = HandshakeError;

    fn try_from(url: String) -> Result<Self, HandshakeError> {
        Self::new(&url)
    }
}

impl From<Url> for Request {
    fn from(url: Url) -> Self {
        Self::to(url)
    }
}
