use super::HeadError;
use crate::handshake::{MAX_TARGET, tokens};
use http::{Method, StatusCode, Version};

/// The first line of a head.
pub(crate) trait StartLine: Sized {
    /// Whether an empty line may come before it.
    const MAY_FOLLOW_EMPTY_LINE: bool;
    /// What to say when the first bytes are those of something else.
    const NOT_HTTP: &'static str;

    /// Whether a line that begins like this can still become one.
    fn may_begin(line: &[u8]) -> bool;

    /// Reads the whole line, without its end.
    fn parse(line: &[u8]) -> Result<Self, HeadError>;
}

/// `GET /chat HTTP/1.1`
#[derive(Debug)]
pub(in crate::handshake) struct RequestLine {
    pub(in crate::handshake) method: Method,
    /// The target, byte for byte.
    pub(in crate::handshake) target: String,
    pub(in crate::handshake) version: Version,
}

/// `HTTP/1.1 101 Switching Protocols`
#[derive(Debug)]
pub(crate) struct StatusLine {
    pub(in crate::handshake) version: Version,
    pub(crate) status: StatusCode,
}

impl StartLine for RequestLine {
    const MAY_FOLLOW_EMPTY_LINE: bool = true;
    const NOT_HTTP: &'static str = "this is no HTTP request";

    fn may_begin(line: &[u8]) -> bool {
        line.first().is_none_or(|&byte| byte == b'\r' || tokens::is_token_char(byte))
    }

    fn parse(line: &[u8]) -> Result<Self, HeadError> {
        // RFC 9112 §3: "request-line = method SP request-target SP HTTP-version", with single spaces.
        let mut parts = line.split(|&byte| byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(HeadError::Malformed("the request line is malformed"));
        };
        if !tokens::is_token(method) {
            return Err(HeadError::Malformed("the method is not a token"));
        }
        let method =
            Method::from_bytes(method).map_err(|_| HeadError::Malformed("the method is malformed"))?;
        let version = http_1(version).ok_or(HeadError::Malformed("the version is not HTTP/1.1"))?;
        if target.len() > MAX_TARGET {
            return Err(HeadError::TargetTooLong);
        }
        match str::from_utf8(target) {
            Ok("") => Err(HeadError::Malformed("the request target is empty")),
            Ok(target) if target.bytes().all(is_target_byte) => {
                Ok(Self { method, target: target.into(), version })
            }
            _ => Err(HeadError::Malformed("the request target contains a forbidden character")),
        }
    }
}

impl StartLine for StatusLine {
    const MAY_FOLLOW_EMPTY_LINE: bool = false;
    const NOT_HTTP: &'static str = "this is no HTTP response";

    fn may_begin(line: &[u8]) -> bool {
        // v: 0 or 1, d: a digit, e: a space or the end of the line.
        line.iter().zip(b"HTTP/1.v ddde").all(|(byte, expected)| match expected {
            b'v' => matches!(byte, b'0' | b'1'),
            b'd' => byte.is_ascii_digit(),
            b'e' => matches!(byte, b' ' | b'\r'),
            literal => byte == literal,
        })
    }

    fn parse(line: &[u8]) -> Result<Self, HeadError> {
        // RFC 9112 §4: "status-line = HTTP-version SP status-code SP [ reason-phrase ]". Servers exist
        // that leave out the second space together with the reason.
        let mut parts = line.splitn(3, |&byte| byte == b' ');
        let (Some(version), Some(status)) = (parts.next(), parts.next()) else {
            return Err(HeadError::Malformed("the status line is malformed"));
        };
        let version = http_1(version).ok_or(HeadError::Malformed("the version is not HTTP/1.1"))?;
        let status = StatusCode::from_bytes(status)
            .map_err(|_| HeadError::Malformed("the status code is not three digits"))?;
        // RFC 9112 §4: "reason-phrase = 1*( HTAB / SP / VCHAR / obs-text )". What it says is ignored.
        if parts.next().unwrap_or_default().iter().any(|&byte| byte != b'\t' && byte.is_ascii_control()) {
            return Err(HeadError::Malformed("the reason phrase contains a control character"));
        }
        Ok(Self { version, status })
    }
}

/// The two versions that have this form of head. The handshake needs 1.1; 1.0 can still say why not.
fn http_1(version: &[u8]) -> Option<Version> {
    match version {
        b"HTTP/1.1" => Some(Version::HTTP_11),
        b"HTTP/1.0" => Some(Version::HTTP_10),
        _ => None,
    }
}

/// Whether a request's target may contain this byte. RFC 3986 allows less, but browsers send
/// `{ } | ^ ` and more in queries as they are. A fragment (`#`) is never sent.
pub(in crate::handshake) fn is_target_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'#' | b'<' | b'>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hs_45_a_request_line_has_three_parts_and_two_spaces() {
        let line = RequestLine::parse(b"GET /chat?a=b HTTP/1.1").unwrap();
        assert_eq!((line.method, &*line.target, line.version), (Method::GET, "/chat?a=b", Version::HTTP_11));
        for line in [
            "",
            "GET",
            "GET /",
            "GET / ",
            "GET  / HTTP/1.1",
            "GET /  HTTP/1.1",
            "GET / HTTP/1.1 ",
            " GET / HTTP/1.1",
            "GET\t/ HTTP/1.1",
            "GET / a HTTP/1.1",
            "GET /\tHTTP/1.1",
            "GET  HTTP/1.1",
            "G@T / HTTP/1.1",
            "GET / http/1.1",
            "GET / HTTP/1.2",
            "GET / HTTP/2.0",
            "GET / HTTP/11",
            "GET / HTTP/1.1\r",
            "GET / FTP/1.1",
        ] {
            assert!(matches!(RequestLine::parse(line.as_bytes()), Err(HeadError::Malformed(_))), "{line:?}");
        }
    }

    #[test]
    fn a_target_is_ascii_without_controls() {
        for byte in 0..=u8::MAX {
            let line = [b"GET /", &[byte][..], b" HTTP/1.1"].concat();
            assert_eq!(RequestLine::parse(&line).is_ok(), is_target_byte(byte), "{byte:#x}");
        }
    }

    #[test]
    fn hc_12_a_status_has_three_digits_and_perhaps_a_reason() {
        for line in
            ["HTTP/1.1 101", "HTTP/1.1 101 ", "HTTP/1.1 101 Switching Protocols", "HTTP/1.0 101 \t\u{e9}"]
        {
            assert!(StatusLine::may_begin(line.as_bytes()), "{line}");
            assert_eq!(
                StatusLine::parse(line.as_bytes()).unwrap().status,
                StatusCode::SWITCHING_PROTOCOLS,
                "{line}"
            );
        }
        for line in [
            "",
            "HTTP/1.1",
            "HTTP/1.1 ",
            "HTTP/1.1 0101 a",
            "HTTP/1.1 101x",
            "HTTP/1.1 1010",
            "HTTP/1.1 +101",
            "HTTP/1.1 1 01",
            "HTTP/1.1  101",
            "HTTP/1.1 xyz",
            "HTTP/1.1\t101",
            "HTTP/2 101",
            "HTTP/2.0 101",
            "http/1.1 101",
            "HTTP/1.1 101 a\0",
            "HTTP/1.1 101\r",
            "HTTP/1.1 000",
        ] {
            assert!(matches!(StatusLine::parse(line.as_bytes()), Err(HeadError::Malformed(_))), "{line:?}");
        }
    }

    #[test]
    fn hc_10_another_protocol_is_known_by_its_first_wrong_byte() {
        for (line, good) in [
            ("SSH-2.0-x", 0),
            ("220 mail", 0),
            ("<html>", 0),
            ("HTTX/1.1", 3),
            ("HTTP/2.0", 5),
            ("HTTP/1.1 xyz", 9),
            ("HTTP/1.1 1010", 12),
            ("HTTP/1.1 1 01", 10),
        ] {
            assert!(StatusLine::may_begin(&line.as_bytes()[..good]), "{line}");
            assert!(!StatusLine::may_begin(&line.as_bytes()[..=good]), "{line}");
        }
    }
}
