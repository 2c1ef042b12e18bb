use crate::handshake::fields;
use crate::handshake::head::HeadError;
use crate::handshake::{Rejection, UrlError};
use bytes::Bytes;
use std::convert::Infallible;

/// Why an opening handshake failed.
///
/// [`Url`](Self::Url), [`Field`](Self::Field), [`NoRandomness`](Self::NoRandomness) and
/// [`OutOfOrder`](Self::OutOfOrder) are this side's own; everything else the peer did, or did not do in
/// time. No more than 128 bytes of what the peer sent are quoted, except for the response of a
/// refusal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The URL is not one to open a WebSocket with.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// Something that was to stand in our request or response cannot stand there.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// §4.1: the nonce is "a randomly selected 16-byte value", and the operating system gave no
    /// randomness.
    #[error("the operating system provides no randomness")]
    NoRandomness,
    /// A method was called before the peer's head was complete, or after the handshake was over.
    #[error("the handshake has not come so far, or is over")]
    OutOfOrder,

    /// A server refused the request: with this response, which stands in the output.
    #[error("the request was refused: {0}")]
    Rejected(Rejection),

    /// The server answered with something else than 101: here is what. The body has its first
    /// [`MAX_BODY`](crate::handshake::MAX_BODY) bytes, or what of them came in time.
    #[error("the server refused the handshake: {}", .0.status())]
    Http(Box<http::Response<Bytes>>),
    /// The server answered with a redirect (301, 302, 303, 307 or 308) that names a `Location`. It is
    /// not followed: §4.1: "clients are not required to follow them".
    #[error("the server redirects the handshake: {}", .0.status())]
    Redirect(Box<http::Response<Bytes>>),
    /// The response is not one of HTTP/1.1; the text says where it goes wrong.
    #[error("the response is malformed: {0}")]
    Malformed(&'static str),
    /// The response's head exceeds [`MAX_HEAD`](crate::handshake::MAX_HEAD).
    #[error("the head of the response is larger than the limit")]
    HeadTooLarge,
    /// The response's head exceeds [`MAX_HEADERS`](crate::handshake::MAX_HEADERS).
    #[error("the response has more header fields than the limit")]
    TooManyHeaders,
    /// More than [`MAX_INTERIM`](crate::handshake::MAX_INTERIM) responses of the kind of 100 came before
    /// the one that counts.
    #[error("more interim responses than the limit")]
    TooManyInterim,
    /// §4.1: the `Upgrade` field is missing, or is not "an ASCII case-insensitive match for the value
    /// "websocket"".
    #[error("the server's Upgrade is not websocket")]
    Upgrade,
    /// §4.1: the `Connection` field is missing, or "doesn't contain a token that is an ASCII
    /// case-insensitive match for the value "Upgrade"".
    #[error("the server's Connection is not Upgrade")]
    Connection,
    /// §4.1: `Sec-WebSocket-Accept` is missing, or not the answer to our key.
    #[error("the server's Sec-WebSocket-Accept does not answer our key")]
    Accept,
    /// §4.1: "the server has indicated a subprotocol not requested by the client"; here is what it said.
    #[error("the server chose a subprotocol that was not requested: {0:?}")]
    Protocol(Box<str>),
    /// §4.1: "the server has indicated an extension not requested by the client", or the field is
    /// malformed; here is what it said.
    #[error("the server chose an extension that was not requested: {0:?}")]
    Extension(Box<str>),
    /// The stream ended before the handshake was complete.
    #[error("handshake incomplete: the stream ended")]
    UnexpectedEof,
    /// The handshake was not complete in time.
    #[error("handshake incomplete: the time is up")]
    Timeout,
}

/// What is infallible does not fail: so that a ready request is taken where a URL is.
impl From<Infallible> for HandshakeError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// What the caller asked to put into a request or response and cannot have there. Nothing was written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// RFC 9110 §5.1: a field's name is a token.
    #[error("not a header field name")]
    Name,
    /// RFC 9110 §5.5: a field's value has no CR, LF, NUL or other control character.
    #[error("not a header field value")]
    Value,
    /// The handshake writes this field itself.
    #[error("the handshake itself writes {0}")]
    Reserved(Box<str>),
    /// §4.1: subprotocols are "non-empty strings with characters in the range U+0021 to U+007E not
    /// including separator characters".
    #[error("not a subprotocol name")]
    Protocol,
    /// §4.1: the requested subprotocols "MUST all be unique strings".
    #[error("the subprotocol is requested twice")]
    DuplicateProtocol,
    /// §4.2.2: "The value chosen MUST be derived from the client's handshake".
    #[error("the client did not offer this subprotocol")]
    ProtocolNotOffered,
    /// §4.1: an `Origin` is the ASCII serialization of an origin.
    #[error("not an origin")]
    Origin,
    /// A refusal has a final status: not 100 to 199.
    #[error("not the status of a refusal")]
    Status,
}

impl HandshakeError {
    /// The server said this in a field that is wrong.
    pub(super) fn protocol(value: &[u8]) -> Self {
        Self::Protocol(fields::excerpt(value))
    }

    /// The server said this in a field that is wrong.
    pub(super) fn extension(value: &[u8]) -> Self {
        Self::Extension(fields::excerpt(value))
    }
}

/// A client's view of a head that cannot be read. A server's is a [`Rejection`].
impl From<HeadError> for HandshakeError {
    fn from(error: HeadError) -> Self {
        match error {
            HeadError::Malformed(why) => Self::Malformed(why),
            HeadError::TooLarge | HeadError::TargetTooLong => Self::HeadTooLarge,
            HeadError::TooManyFields => Self::TooManyHeaders,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_small() {
        assert!(size_of::<HandshakeError>() <= 32, "{}", size_of::<HandshakeError>());
    }
}
