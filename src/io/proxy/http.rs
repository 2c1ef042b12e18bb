//! `CONNECT`: RFC 9110 §9.3.6.

use super::{ProxyError, Step, authority};
use crate::handshake::MAX_INTERIM;
use crate::handshake::head::{Head, Reader, StatusLine};
use bytes::Bytes;
use http::{HeaderValue, StatusCode};

/// The request for a tunnel.
pub(super) fn request(host: &str, port: u16, authorization: Option<&HeaderValue>) -> Bytes {
    // "the client MUST send the port number even if the CONNECT request is based on a URI reference that
    // contains an authority component with an elided port".
    let authority = authority(host, port);
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n").into_bytes();
    if let Some(value) = authorization {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(value.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    request.into()
}

/// Reads the answer.
pub(super) struct Connect {
    reader: Reader<StatusLine>,
    /// How many interim responses have come.
    interim: usize,
}

impl Connect {
    pub(super) fn new() -> Self {
        Self { reader: Reader::new(), interim: 0 }
    }

    /// Takes bytes up to the end of the answer, and gives back what follows.
    pub(super) fn receive<'a>(&mut self, mut bytes: &'a [u8]) -> Result<(Step, &'a [u8]), ProxyError> {
        loop {
            let Some(head) = self.reader.read(bytes)? else { return Ok((Step::More, &[])) };
            let Head { start: StatusLine { status, .. }, rest, .. } = head;
            // "Any 2xx (Successful) response indicates that the sender ... will switch to tunnel mode
            // immediately after the response header section". And: "A client MUST ignore any Content-Length
            // or Transfer-Encoding header fields received in a successful response to CONNECT."
            if status.is_success() {
                return Ok((Step::Established, rest));
            }
            // "Any response other than a successful response indicates that the tunnel has not yet been
            // formed." After a 101 something else would be spoken, and we have not asked for it.
            if !status.is_informational() || status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(ProxyError::Http(status));
            }
            // §15.2: "A client MUST be able to parse one or more 1xx responses received prior to a final
            // response".
            self.interim += 1;
            if self.interim > MAX_INTERIM {
                return Err(ProxyError::TooManyInterim);
            }
            self.reader = Reader::new();
            bytes = rest;
        }
    }
}
