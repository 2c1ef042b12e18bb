use crate::handshake::head::HeadError;
use crate::handshake::{FieldError, HandshakeError, fields};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use std::fmt;

/// A server's refusal: the response that is sent instead of 101.
///
/// ```
/// use http::StatusCode;
/// use sansocket::handshake::Rejection;
///
/// let rejection = Rejection::new(StatusCode::UNAUTHORIZED)?
///     .header("www-authenticate", "Basic realm=\"chat\"")?
///     .body("who are you?\n");
/// # Ok::<(), sansocket::HandshakeError>(())
/// ```
///
/// The handshake's own refusals have a fixed text as their body, and nothing in them comes from the
/// request.
#[derive(Clone)]
pub struct Rejection(Box<Response<Bytes>>);

impl Rejection {
    /// A refusal with this status, and no body.
    ///
    /// # Errors
    /// [`FieldError::Status`] for 100 to 199: those do not refuse.
    pub fn new(status: StatusCode) -> Result<Self, HandshakeError> {
        if status.is_informational() {
            return Err(FieldError::Status.into());
        }
        Ok(Self::with_status(status))
    }

    /// Adds a field; a name may be added several times.
    ///
    /// # Errors
    /// [`FieldError`] for what is no name, no value, or how the response is framed: `Connection`,
    /// `Content-Length` and `Transfer-Encoding` are written by the handshake.
    pub fn header(
        mut self,
        name: impl TryInto<HeaderName>,
        value: impl TryInto<HeaderValue>,
    ) -> Result<Self, HandshakeError> {
        let (name, value) = fields::field(name, value)?;
        if [header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING].contains(&name) {
            return Err(FieldError::Reserved(name.as_str().into()).into());
        }
        self.0.headers_mut().try_append(name, value).map_err(|_| FieldError::Value)?;
        Ok(self)
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.0.body_mut() = body.into();
        self
    }

    /// The status.
    pub fn status(&self) -> StatusCode {
        self.0.status()
    }

    /// The fields, without those that say how the response is framed.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The refusal as a response, for an HTTP server that frames it: `Connection` and `Content-Length` are
    /// that server's.
    pub fn to_response(&self) -> Response<Bytes> {
        (*self.0).clone()
    }

    /// The refusal as the bytes of an HTTP/1.1 response, after which the connection is closed.
    pub(super) fn to_bytes(&self, omit_body: bool) -> Vec<u8> {
        let status = self.0.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let mut out = format!("HTTP/1.1 {} {reason}\r\n", status.as_str()).into_bytes();
        // RFC 9110 §7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
        let upgrades = self.0.headers().contains_key(header::UPGRADE);
        let options: &[u8] = if upgrades { b"close, Upgrade" } else { b"close" };
        fields::write_one(&mut out, "Connection", options);
        // RFC 9110 §6.4.1: "All 1xx (Informational), 204 (No Content), and 304 (Not Modified) responses do not
        // include content."
        let has_body = !matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if has_body {
            fields::write_one(&mut out, "Content-Length", self.0.body().len().to_string().as_bytes());
        }
        fields::write(&mut out, self.0.headers());
        if has_body && !omit_body {
            out.extend_from_slice(self.0.body());
        }
        out
    }

    /// A request that is no opening handshake; the text says why.
    pub(super) fn bad_request(text: &'static str) -> Self {
        Self::with_text(StatusCode::BAD_REQUEST, text)
    }

    /// §4.2.1: "An HTTP/1.1 or higher GET request".
    pub(super) fn method() -> Self {
        // RFC 9110 §15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
        Self::with_text(StatusCode::METHOD_NOT_ALLOWED, "a WebSocket is opened with GET")
            .with(header::ALLOW, "GET")
    }

    /// §4.4: "If the server doesn't support the requested version, it MUST respond with a
    /// |Sec-WebSocket-Version| header field ... containing all versions it is willing to use."
    pub(super) fn version() -> Self {
        // RFC 9110 §15.5.22: "The server MUST send an Upgrade header field in a 426 response".
        Self::with_text(StatusCode::UPGRADE_REQUIRED, "the version of WebSocket spoken here is 13")
            .with(header::UPGRADE, "websocket")
            .with(header::SEC_WEBSOCKET_VERSION, "13")
    }

    /// §10.2: "If the origin indicated is unacceptable to the server, then it SHOULD respond to the
    /// WebSocket handshake with a reply containing HTTP 403 Forbidden status code."
    pub(super) fn origin() -> Self {
        Self::with_text(StatusCode::FORBIDDEN, "this origin may not connect")
    }

    fn with_text(status: StatusCode, text: &'static str) -> Self {
        Self::with_status(status)
            .with(header::CONTENT_TYPE, "text/plain; charset=utf-8")
            .body(format!("{text}\n"))
    }

    fn with_status(status: StatusCode) -> Self {
        let mut response = Box::new(Response::new(Bytes::new()));
        *response.status_mut() = status;
        Self(response)
    }

    fn with(mut self, name: HeaderName, value: &'static str) -> Self {
        self.0.headers_mut().insert(name, HeaderValue::from_static(value));
        self
    }
}

/// A server's answer to a head that cannot be read.
impl From<HeadError> for Rejection {
    fn from(error: HeadError) -> Self {
        let too_large = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        match error {
            HeadError::Malformed(why) => Self::bad_request(why),
            HeadError::TooLarge => Self::with_text(too_large, "the head of the request is too large"),
            HeadError::TooManyFields => Self::with_text(too_large, "the request has too many header fields"),
            HeadError::TargetTooLong => Self::with_text(StatusCode::URI_TOO_LONG, "the target is too long"),
        }
    }
}

/// The status and, if it is a short text, the body: `403 Forbidden (this origin may not connect)`.
impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.status())?;
        match str::from_utf8(self.0.body()) {
            Ok(text) if !text.is_empty() && text.len() <= 128 => write!(f, " ({})", text.trim_end()),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("status", &self.0.status())
            .field("headers", self.0.headers())
            .field("body", self.0.body())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_how_long_it_is_and_that_it_is_the_end() {
        let rejection =
            Rejection::new(StatusCode::NOT_FOUND).unwrap().header("x-a", "b").unwrap().body("nothing\n");
        let head = "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 8\r\nx-a: b\r\n\r\n";
        assert_eq!(rejection.to_bytes(false), [head, "nothing\n"].concat().into_bytes());
        assert_eq!(rejection.to_bytes(true), head.as_bytes());
        assert_eq!(rejection.to_string(), "404 Not Found (nothing)");
    }

    #[test]
    fn some_statuses_have_no_body() {
        let rejection = Rejection::new(StatusCode::NO_CONTENT).unwrap().body("nothing");
        assert_eq!(rejection.to_bytes(false), b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    }

    #[test]
    fn hs_39_a_refusal_cannot_be_split() {
        let rejection = || Rejection::new(StatusCode::FOUND).unwrap();
        for value in ["/a\r\nset-cookie: a=b", "/a\n", "/a\0", "\r"] {
            assert!(matches!(
                rejection().header("location", value),
                Err(HandshakeError::Field(FieldError::Value))
            ));
        }
        for name in ["", "a b", "a:", "a\r\nb", "a,"] {
            assert!(matches!(rejection().header(name, "b"), Err(HandshakeError::Field(FieldError::Name))));
        }
        for name in ["Connection", "content-length", "Transfer-Encoding"] {
            assert!(matches!(
                rejection().header(name, "1"),
                Err(HandshakeError::Field(FieldError::Reserved(_)))
            ));
        }
        assert!(Rejection::new(StatusCode::SWITCHING_PROTOCOLS).is_err());
    }

    #[test]
    fn a_refusal_can_be_left_to_another_server() {
        let rejection =
            Rejection::new(StatusCode::NOT_FOUND).unwrap().header("x-a", "b").unwrap().body("nothing\n");
        let response = rejection.to_response();
        assert_eq!((response.status(), &response.body()[..]), (StatusCode::NOT_FOUND, &b"nothing\n"[..]));
        assert_eq!((&response.headers()["x-a"], response.headers().len()), (&"b".parse().unwrap(), 1));
    }

    #[test]
    fn a_short_text_is_shown_with_the_status() {
        let with = |body: &[u8]| Rejection::new(StatusCode::NOT_FOUND).unwrap().body(body.to_vec());
        assert_eq!(with(b"").to_string(), "404 Not Found");
        assert_eq!(with(b"\xFF").to_string(), "404 Not Found");
        assert_eq!(with(&[b'x'; 128]).to_string(), format!("404 Not Found ({})", "x".repeat(128)));
        assert_eq!(with(&[b'x'; 129]).to_string(), "404 Not Found");
        let shown = format!("{:?}", with(b"no"));
        assert_eq!(shown, r#"Rejection { status: 404, headers: {}, body: b"no" }"#);
    }
}
