use super::Asked;
use crate::connection::Agreement;
use crate::deflate::{Deflate, Params};
use crate::handshake::fields::single;
use crate::handshake::tokens::Extensions;
use crate::handshake::{HandshakeError, accept_key, tokens};
use http::header::{self, HeaderMap};
use http::{Response, Version};

/// Holds a 101 response against what was asked for: the six points of §4.1, and what has been agreed on.
///
/// "If the server's response does not conform to the requirements for the server's handshake as defined in
/// this section and in Section 4.2.2, the client MUST _Fail the WebSocket Connection_."
pub(super) fn response<B>(response: &Response<B>, asked: &Asked) -> Result<Agreement, HandshakeError> {
    let headers = response.headers();
    // RFC 9110 §7.8: an upgrade is one of HTTP/1.1; "A server MUST ignore an Upgrade header field that is
    // received in an HTTP/1.0 request."
    if response.version() != Version::HTTP_11 {
        return Err(HandshakeError::Malformed("the version is not HTTP/1.1"));
    }

    // "2. If the response lacks an |Upgrade| header field or the |Upgrade| header field contains a value that
    // is not an ASCII case-insensitive match for the value "websocket", the client MUST _Fail the WebSocket
    // Connection_."
    if !single(headers, &header::UPGRADE).is_some_and(|value| value.eq_ignore_ascii_case("websocket")) {
        return Err(HandshakeError::Upgrade);
    }

    // "3. If the response lacks a |Connection| header field or the |Connection| header field doesn't contain a
    // token that is an ASCII case-insensitive match for the value "Upgrade" ..."
    if !tokens::contains(headers, &header::CONNECTION, "upgrade") {
        return Err(HandshakeError::Connection);
    }

    // "4. If the response lacks a |Sec-WebSocket-Accept| header field or the |Sec-WebSocket-Accept| contains a
    // value other than the base64-encoded SHA-1 ... but ignoring any leading and trailing whitespace ..."
    // §11.3.3: "The |Sec-WebSocket-Accept| header MUST NOT appear more than once in an HTTP response."
    if single(headers, &header::SEC_WEBSOCKET_ACCEPT) != Some(&accept_key(asked.key.as_bytes())) {
        return Err(HandshakeError::Accept);
    }

    let deflate = extensions(headers, asked.deflate.as_ref())?;
    let extensions = deflate.map(|params| params.to_string()).unwrap_or_default().into();
    Ok(Agreement { extensions, deflate, protocol: protocol(headers, &asked.protocols)? })
}

/// "5. If the response includes a |Sec-WebSocket-Extensions| header field and this header field indicates the
/// use of an extension that was not present in the client's handshake ..."
///
/// RFC 7692 §7: "A client MUST _Fail the WebSocket Connection_ if the peer server accepted an extension
/// negotiation offer for this extension with an extension negotiation response" that is not one of those it
/// asked for. §5: "If a server gives an invalid response, such as accepting a PMCE that the client did not
/// offer, the client MUST _Fail the WebSocket Connection_."
fn extensions(headers: &HeaderMap, offered: Option<&Deflate>) -> Result<Option<Params>, HandshakeError> {
    let mut agreed = None;
    for line in headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS) {
        let wrong = || HandshakeError::extension(line.as_bytes());
        let text = str::from_utf8(line.as_bytes()).map_err(|_| wrong())?;
        let mut count = 0;
        for extension in Extensions::new(text) {
            let extension = extension.map_err(|_| wrong())?;
            // §11.3.2: "the |Sec-WebSocket-Extensions| header field MUST NOT appear more than once in an HTTP
            // response." A second line can only name the one extension again, or none.
            let deflate = offered.filter(|_| extension.name == Params::NAME && agreed.is_none());
            agreed = Some(deflate.and_then(|deflate| deflate.check(extension.params())).ok_or_else(wrong)?);
            count += 1;
        }
        // §9.1: "extension-list = 1#extension".
        if count == 0 {
            return Err(wrong());
        }
    }
    Ok(agreed)
}

/// "6. If the response includes a |Sec-WebSocket-Protocol| header field and this header field indicates the
/// use of a subprotocol that was not present in the client's handshake ..."
fn protocol(headers: &HeaderMap, requested: &[String]) -> Result<Option<Box<str>>, HandshakeError> {
    let Some(value) = headers.get(header::SEC_WEBSOCKET_PROTOCOL) else { return Ok(None) };
    // §11.3.4: "the |Sec-WebSocket-Protocol| header field MUST NOT appear more than once in an HTTP response."
    match single(headers, &header::SEC_WEBSOCKET_PROTOCOL) {
        Some(chosen) if requested.iter().any(|requested| requested == chosen) => Ok(Some(chosen.into())),
        _ => Err(HandshakeError::protocol(value.as_bytes())),
    }
}
