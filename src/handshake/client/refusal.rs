use crate::handshake::fields::single;
use crate::handshake::{HandshakeError, MAX_BODY, tokens};
use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{Response, StatusCode};

/// A response that is not 101, while its body is read: the first 64 KiB of it.
#[derive(Debug)]
pub(super) struct Refusal {
    response: Response<()>,
    body: Vec<u8>,
    remaining: Remaining,
}

/// What of the body is still to come (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug)]
enum Remaining {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunks(Chunk),
    /// All that comes until the end of the stream.
    Everything,
}

/// Where in a chunked body we are (RFC 9112 §7.1): `5␍␊hello␍␊0␍␊␍␊`.
#[derive(Clone, Copy, Debug)]
enum Chunk {
    /// In the digits of a size.
    Size(u64),
    /// After them, up to the end of the line.
    Extension(u64),
    /// In the data, and the end of the line that follows it.
    Data(u64),
    /// After the last chunk, or after something that is none.
    End,
}

impl Refusal {
    pub(super) fn new(response: Response<()>) -> Self {
        let remaining = Remaining::of(response.status(), response.headers());
        Self { response, body: Vec::new(), remaining }
    }

    /// Takes bytes of the body; returns whether that is all that will be read of it.
    pub(super) fn receive(&mut self, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() && !self.is_complete() {
            let (data, rest) = self.remaining.take(bytes);
            let room = MAX_BODY - self.body.len().min(MAX_BODY);
            self.body.extend(data.iter().take(room));
            bytes = rest;
        }
        self.is_complete()
    }

    /// The refusal, with as much of the body as has come.
    pub(super) fn into_error(self) -> HandshakeError {
        let response = Box::new(self.response.map(|()| Bytes::from(self.body)));
        let redirects = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
        if redirects && response.headers().contains_key(header::LOCATION) {
            HandshakeError::Redirect(response)
        } else {
            HandshakeError::Http(response)
        }
    }

    fn is_complete(&self) -> bool {
        let at_end = matches!(self.remaining, Remaining::Length(0) | Remaining::Chunks(Chunk::End));
        at_end || self.body.len() >= MAX_BODY
    }
}

impl Remaining {
    /// RFC 9112 §6.3: how long a body is.
    fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Self::Length(0);
        }
        if headers.contains_key(header::TRANSFER_ENCODING) {
            let chunked = tokens::contains(headers, &header::TRANSFER_ENCODING, "chunked");
            return if chunked { Self::Chunks(Chunk::Size(0)) } else { Self::Everything };
        }
        single(headers, &header::CONTENT_LENGTH)
            .and_then(|length| length.parse().ok())
            .map_or(Self::Everything, Self::Length)
    }

    /// Takes some bytes off the front; returns what of them is data, and what is left.
    fn take<'a>(&mut self, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
        match self {
            Self::Everything => (bytes, &[]),
            Self::Length(length) => take(length, bytes),
            Self::Chunks(Chunk::Data(length)) if *length > 0 => take(length, bytes),
            Self::Chunks(chunk) => {
                if let Some((&byte, rest)) = bytes.split_first() {
                    *chunk = chunk.next(byte);
                    return (&[], rest);
                }
                (&[], &[])
            }
        }
    }
}

impl Chunk {
    /// What comes after a byte that is not data. A refusal is read for people: what is malformed ends it.
    fn next(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size(size), _) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Self::Size(size.saturating_mul(16).saturating_add(digit.into()))
            }
            (Self::Size(0) | Self::Extension(0), b'\n') => Self::End,
            (Self::Size(size) | Self::Extension(size), b'\n') => Self::Data(size),
            (Self::Size(size), b'\r' | b';' | b' ' | b'\t') | (Self::Extension(size), _) => {
                Self::Extension(size)
            }
            (Self::Data(0), b'\r') => Self::Data(0),
            (Self::Data(0), b'\n') => Self::Size(0),
            _ => Self::End,
        }
    }
}

/// Takes up to `length` bytes off the front, and as many off `length`.
fn take<'a>(length: &mut u64, bytes: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let taken = usize::try_from(*length).unwrap_or(usize::MAX).min(bytes.len());
    *length -= taken as u64;
    bytes.split_at_checked(taken).unwrap_or((bytes, &[]))
}
