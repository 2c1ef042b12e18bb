//! Header fields as both sides write and read them.

use crate::handshake::FieldError;
use crate::handshake::tokens;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// A field that the application adds to a request or to a 101 response.
///
/// # Errors
/// What is no name, no value, or a field that the handshake writes itself.
pub(super) fn custom(
    name: impl TryInto<HeaderName>,
    value: impl TryInto<HeaderValue>,
) -> Result<(HeaderName, HeaderValue), FieldError> {
    let (name, value) = field(name, value)?;
    let framing = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING];
    let upgrade = [header::HOST, header::UPGRADE, header::CONNECTION];
    if framing.contains(&name) || upgrade.contains(&name) || is_websocket(&name) {
        return Err(FieldError::Reserved(name.as_str().into()));
    }
    Ok((name, value))
}

/// A name and a value that can be written as they are.
pub(super) fn field(
    name: impl TryInto<HeaderName>,
    value: impl TryInto<HeaderValue>,
) -> Result<(HeaderName, HeaderValue), FieldError> {
    // Neither type can hold CR, LF or NUL, so that no value becomes a second field.
    let name = name.try_into().map_err(|_| FieldError::Name)?;
    let mut value = value.try_into().map_err(|_| FieldError::Value)?;
    let secrets = [header::AUTHORIZATION, header::PROXY_AUTHORIZATION, header::COOKIE, header::SET_COOKIE];
    value.set_sensitive(secrets.contains(&name));
    Ok((name, value))
}

/// Whether this field is one of RFC 6455 §11.3, or of a later kin.
pub(super) fn is_websocket(name: &HeaderName) -> bool {
    name.as_str().starts_with("sec-websocket-")
}

/// The text of a field that stands there once, without the white space around it; `None` if it is
/// missing, stands there twice, or is not ASCII.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    str::from_utf8(tokens::trim(value.as_bytes())).ok().filter(|text| text.is_ascii())
}

/// Writes the fields and the empty line that ends a head.
pub(super) fn write(out: &mut Vec<u8>, headers: &HeaderMap) {
    for (name, value) in headers {
        write_one(out, spelling(name), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes one field.
pub(super) fn write_one(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// The first bytes of what a peer sent, fit to be quoted: at most 128 printable characters.
pub(super) fn excerpt(bytes: &[u8]) -> Box<str> {
    let printable = bytes.iter().flat_map(|byte| byte.escape_ascii());
    printable.take(128).map(char::from).collect::<String>().into()
}

/// Names are case-insensitive, and `http` holds them in lower case; but for people and for the peers
/// that do not know it, our own fields are written as the RFC writes them.
pub(super) fn spelling(name: &HeaderName) -> &str {
    match name.as_str() {
        "allow" => "Allow",
        "connection" => "Connection",
        "content-length" => "Content-Length",
        "content-type" => "Content-Type",
        "sec-websocket-accept" => "Sec-WebSocket-Accept",
        "sec-websocket-extensions" => "Sec-WebSocket-Extensions",
        "sec-websocket-protocol" => "Sec-WebSocket-Protocol",
        "sec-websocket-version" => "Sec-WebSocket-Version",
        "upgrade" => "Upgrade",
        other => other,
    }
}
