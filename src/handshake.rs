//! The opening handshake ([RFC 6455 §4]): an HTTP/1.1 request, an HTTP/1.1 response, and then both
//! ends speak WebSocket.
//!
//! ```text
//!  client::Handshake                                            server::Handshake
//!        |  GET /chat HTTP/1.1                                          |
//!        |  Upgrade: websocket                                          |
//!        |  Sec-WebSocket-Key: <nonce> ...                              |
//!        | -----------------------------------------------------------> |  receive() -> the request
//!        |                                                              |
//!        |                                HTTP/1.1 101 Switching Protocols
//!        |                          Sec-WebSocket-Accept: <accept_key> ...
//!  receive() -> the response  <---------------------------------------- |  accept() -> a Connection
//!  open() -> a Connection                                               |  or reject()
//! ```
//!
//! Neither side does any I/O, and both are driven alike:
//!
//! 1. write what `output` holds;
//! 2. hand what comes to `receive`, until it returns the peer's head; at the end of the stream call
//!    `receive_eof`, and when the time is up `handle_timeout`;
//! 3. `accept` or `open`: the [`Connection`](crate::Connection) has everything that came after the
//!    head, and a server's response to write.
//!
//! After an error, write what `output` still holds (a server's refusal), and close the transport.
//! Nothing further is parsed.
//!
//! [`negotiate`] is the server's part without bytes, for those who have a [`http::Request`] from an HTTP
//! server of their own.
//!
//! [RFC 6455 §4]: https://www.rfc-editor.org/rfc/rfc6455#section-4
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest, Sha1};

pub(crate) mod authority;
pub mod client;
pub(crate) mod error;
mod fields;
pub(crate) mod head;
pub mod negotiate;
mod origin;
mod rejection;
pub mod server;
mod tokens;
pub(crate) mod url;

pub use error::{FieldError, HandshakeError};
pub use origin::OriginPolicy;
pub use rejection::Rejection;
pub use tokens::Extension;
pub use url::{Url, UrlError};

/// The most bytes that the peer's head may have, from its first line to the empty line: 16 KiB.
pub const MAX_HEAD: usize = 16 << 10;
/// The most header fields that the peer's head may have: 100 lines.
pub const MAX_HEADERS: usize = 100;
/// The most bytes that a request's target may have: 8 KiB.
pub const MAX_TARGET: usize = 8 << 10;
/// The most bytes of a refusal's body that a client keeps: 64 KiB.
pub const MAX_BODY: usize = 64 << 10;
/// The most interim responses (100, 103, ...) that a client reads before the one that counts: 8.
pub const MAX_INTERIM: usize = 8;

/// §1.3: the "Globally Unique Identifier ... which is unlikely to be used by network endpoints that do
/// not understand the WebSocket Protocol".
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// The value of `Sec-WebSocket-Accept` that answers this `Sec-WebSocket-Key` (§4.2.2).
///
/// ```
/// use sansocket::handshake::accept_key;
///
/// assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
pub fn accept_key(key: &[u8]) -> String {
    // §4.2.2: "concatenating /key/ ... with the string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking the
    // SHA-1 hash of this concatenated value to obtain a 20-byte value and base64-encoding".
    STANDARD.encode(Sha1::new().chain_update(key).chain_update(GUID).finalize())
}

#[cfg(test)]
pub(crate) mod deliveries {
    /// Every way to deliver the same bytes: whole, byte by byte, and cut once at a few places.
    pub(crate) fn of(bytes: &[u8]) -> Vec<Vec<&[u8]>> {
        let mut all = vec![vec![bytes], bytes.chunks(1).collect()];
        for tenths in 1..10 {
            let (before, after) = bytes.split_at(bytes.len() * tenths / 10);
            all.push(vec![before, after]);
        }
        if let Some(last) = bytes.len().checked_sub(1) {
            let (before, after) = bytes.split_at(last);
            all.push(vec![before, after]);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_that_of_the_rfc() {
        assert_eq!(accept_key(b"dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }
}
