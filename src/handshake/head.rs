//! The head of an HTTP/1.1 message, read as it arrives.
//!
//! A line is looked at when it is complete, once, where it lies; only an unfinished one is kept. What HTTP leaves
//! to the recipient's leniency (bare LF, folded lines, white space in odd places) is refused: two
//! readers that disagree about where a head ends are a vulnerability.

use crate::handshake::tokens;
use crate::handshake::{MAX_HEAD, MAX_HEADERS};
use http::{HeaderMap, HeaderName, HeaderValue};
use std::io::BufRead;
use std::mem;

mod start_line;

pub(super) use start_line::{RequestLine, is_target_byte};
pub(crate) use start_line::{StartLine, StatusLine};

/// Reads one head, from its first line to the empty line.
#[derive(Debug)]
pub(crate) struct Reader<S> {
    expected: Expected<S>,
    headers: HeaderMap,
    /// How many field lines `headers` was made of.
    fields: usize,
    /// How many bytes the head may still have.
    room: usize,
    /// The line that has begun to arrive; it grows with what comes.
    line: Vec<u8>,
    #[cfg(test)]
    visits: usize,
}

/// ```text
///  Anything --(empty line)--> StartLine
///      |                          |
///      +-------(start line)-------+--> Fields --(empty line)--> the head is complete
/// ```
#[derive(Debug)]
enum Expected<S> {
    /// The start line, or one empty line before it.
    Anything,
    /// The start line.
    StartLine,
    /// Field lines, up to an empty one.
    Fields(S),
}

/// A head that arrived, and the bytes that came with its end and are not part of it.
#[derive(Debug)]
pub(crate) struct Head<'a, S> {
    pub(crate) start: S,
    pub(crate) headers: HeaderMap,
    pub(crate) rest: &'a [u8],
}

/// Why something is not a head, or not one that we read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadError {
    /// It does not follow the grammar; the text says where.
    Malformed(&'static str),
    /// More than [`MAX_HEAD`] bytes.
    TooLarge,
    /// More than [`MAX_HEADERS`] field lines.
    TooManyFields,
    /// The target has more than [`MAX_TARGET`](crate::handshake::MAX_TARGET) bytes.
    TargetTooLong,
}

impl<S: StartLine> Reader<S> {
    pub(crate) fn new() -> Self {
        Self {
            expected: Expected::Anything,
            headers: HeaderMap::new(),
            fields: 0,
            room: MAX_HEAD,
            line: Vec::new(),
            #[cfg(test)]
            visits: 0,
        }
    }

    /// The start line, once it has come.
    pub(crate) fn start(&self) -> Option<&S> {
        match &self.expected {
            Expected::Fields(start) => Some(start),
            Expected::Anything | Expected::StartLine => None,
        }
    }

    /// Takes bytes up to the end of the head, and then returns it; until then, `None`. After an error, or
    /// the head, the reader is of no further use.
    pub(crate) fn read<'a>(&mut self, mut input: &'a [u8]) -> Result<Option<Head<'a, S>>, HeadError> {
        loop {
            let mut within = input.get(..=self.room).unwrap_or(input);
            // Reading from a slice does not fail.
            let len = within.skip_until(b'\n').unwrap_or_default();
            let (piece, rest) = input.split_at_checked(len).unwrap_or_default();
            self.visit(piece);
            let mut kept = mem::take(&mut self.line);
            let line = if kept.is_empty() && piece.ends_with(b"\n") {
                piece
            } else {
                self.visit(piece);
                kept.extend_from_slice(piece);
                &kept
            };
            self.admit(line, len)?;
            if !line.ends_with(b"\n") {
                self.line = kept;
                return Ok(None);
            }
            if let Some(start) = self.take_line(line)? {
                return Ok(Some(Head { start, headers: mem::take(&mut self.headers), rest }));
            }
            kept.clear();
            self.line = kept;
            input = rest;
        }
    }

    /// Looks at a line, or the beginning of one, of which the last `new` bytes have just come.
    fn admit(&mut self, line: &[u8], new: usize) -> Result<(), HeadError> {
        // What can no longer become a start line is refused at once: a peer that speaks another
        // protocol might never send a line.
        if self.start().is_none() && line.len() - new < START_LEN && !S::may_begin(line) {
            return Err(HeadError::Malformed(S::NOT_HTTP));
        }
        self.room = self.room.checked_sub(new).ok_or(HeadError::TooLarge)?;
        Ok(())
    }

    /// Takes a whole line with its end; the empty line that ends the head gives back the start line.
    fn take_line(&mut self, line: &[u8]) -> Result<Option<S>, HeadError> {
        self.visit(line);
        // RFC 9112 §2.2 lets a recipient "recognize a single LF as a line terminator". We do not.
        let Some(text) = line.strip_suffix(b"\r\n") else {
            return Err(HeadError::Malformed("a line ends without CR LF"));
        };
        let expected = mem::replace(&mut self.expected, Expected::StartLine);
        self.expected = match (expected, text) {
            // RFC 9112 §2.2: "a server that is expecting to receive and parse a request-line SHOULD ignore
            // at least one empty line (CRLF) received prior to the request-line."
            (Expected::Anything, b"") if S::MAY_FOLLOW_EMPTY_LINE => {
                self.room += line.len();
                Expected::StartLine
            }
            (Expected::Anything | Expected::StartLine, text) => {
                let start = S::parse(text)?;
                self.headers.reserve(USUAL_FIELDS);
                Expected::Fields(start)
            }
            (Expected::Fields(start), b"") => return Ok(Some(start)),
            (Expected::Fields(start), text) => {
                self.expected = Expected::Fields(start);
                return self.field(text).map(|()| None);
            }
        };
        Ok(None)
    }

    fn field(&mut self, line: &[u8]) -> Result<(), HeadError> {
        self.fields += 1;
        if self.fields > MAX_HEADERS {
            return Err(HeadError::TooManyFields);
        }
        // RFC 9112 §5: "field-line = field-name ":" OWS field-value OWS"; a line that begins with white
        // space would continue the one before (§5.2: obs-fold), and has no name.
        let mut halves = line.splitn(2, |&byte| byte == b':');
        let (Some(name), Some(value)) = (halves.next(), halves.next()) else {
            return Err(HeadError::Malformed("a field line has no colon"));
        };
        // RFC 9112 §5.1: "No whitespace is allowed between the field name and colon." A `HeaderName` is a token;
        // the limit that it has is beyond ours.
        let name =
            HeaderName::from_bytes(name).map_err(|_| HeadError::Malformed("a field name is not a token"))?;
        // RFC 9110 §5.5: "Field values containing CR, LF, or NUL characters are invalid and dangerous".
        let value = HeaderValue::from_bytes(tokens::trim(value))
            .map_err(|_| HeadError::Malformed("a field value contains a control character"))?;
        self.headers.try_append(name, value).map_err(|_| HeadError::TooManyFields)?;
        Ok(())
    }

    /// Counts how often bytes are looked at, so that a test can hold it to be linear.
    fn visit(&mut self, _bytes: &[u8]) {
        #[cfg(test)]
        {
            self.visits += _bytes.len();
        }
    }
}

/// For so many fields there is room at once: browsers send 12 to 15.
const USUAL_FIELDS: usize = 12;

/// How many bytes of a start line are looked at before it is complete.
const START_LEN: usize = 13;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::deliveries;

    /// The head and what follows it, which has to be the same however the bytes are delivered.
    fn read<S: StartLine + std::fmt::Debug>(bytes: &[u8]) -> Result<Option<Head<'_, S>>, HeadError> {
        let mut outcomes = deliveries::of(bytes).into_iter().map(|parts| {
            let mut reader = Reader::new();
            let mut behind = bytes.len();
            for part in parts {
                behind -= part.len();
                if let Some(head) = reader.read(part)? {
                    let (_, rest) = bytes.split_at(bytes.len() - behind - head.rest.len());
                    return Ok(Some(Head { rest, ..head }));
                }
            }
            Ok(None)
        });
        let first = outcomes.next().unwrap();
        for outcome in outcomes {
            assert_eq!(format!("{outcome:?}"), format!("{first:?}"));
        }
        first
    }

    fn request(bytes: &[u8]) -> Result<Option<Head<'_, RequestLine>>, HeadError> {
        read(bytes)
    }

    #[test]
    fn what_follows_the_head_is_left_to_the_caller() {
        let head =
            request(b"GET / HTTP/1.1\r\nHost:  a\t\r\nX:\r\nX: b c\r\n\r\n\x81\x80abcd\n").unwrap().unwrap();
        assert_eq!(head.start.target, "/");
        assert_eq!(head.headers.get("host").unwrap(), "a");
        assert_eq!(head.headers.get_all("x").iter().collect::<Vec<_>>(), ["", "b c"]);
        assert_eq!(head.rest, b"\x81\x80abcd\n");
    }

    #[test]
    fn a_head_without_its_empty_line_is_incomplete() {
        assert!(request(b"").unwrap().is_none());
        assert!(request(b"GET / HTTP/1.1\r\nHost: a\r\n\r").unwrap().is_none());
    }

    #[test]
    fn one_empty_line_may_precede_a_request_and_none_a_response() {
        assert!(request(b"\r\nGET / HTTP/1.1\r\n\r\n").unwrap().is_some());
        assert!(request(b"\r\n\r\nGET / HTTP/1.1\r\n\r\n").is_err());
        assert!(read::<StatusLine>(b"\r\nHTTP/1.1 101 \r\n\r\n").is_err());
    }

    #[test]
    fn lines_end_with_cr_lf() {
        for head in [
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\nA: b\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\n\r\n",
            "GET / HTTP/1.1\r\n\n",
        ] {
            assert_eq!(
                request(head.as_bytes()).unwrap_err(),
                HeadError::Malformed("a line ends without CR LF"),
                "{head:?}"
            );
        }
        for head in [
            "GET / HTTP/1.1\r\r\n\r\n",
            "GET / HTTP/1.1\r\nA: b\rC: d\r\n\r\n",
            "GET / HTTP/1.1\rA: b\r\n\r\n",
        ] {
            assert!(request(head.as_bytes()).is_err(), "{head:?}");
        }
    }

    #[test]
    fn a_field_name_is_a_token() {
        for byte in (0..=u8::MAX).filter(|byte| *byte != b':') {
            for name in [vec![byte], [b"x-long-".repeat(10), vec![byte]].concat()] {
                let head = [b"GET / HTTP/1.1\r\n", &*name, b": b\r\n\r\n"].concat();
                let expected = Err(HeadError::Malformed("a field name is not a token"));
                let read = Reader::<RequestLine>::new().read(&head).map(|head| head.is_some());
                match byte {
                    b'\n' => assert!(read.is_err()),
                    byte => {
                        assert_eq!(read, if tokens::is_token(&name) { Ok(true) } else { expected }, "{byte}")
                    }
                }
            }
        }
    }

    #[test]
    fn limits_are_exact() {
        let padded = |len: usize| {
            let (before, after) = ("GET / HTTP/1.1\r\nA: ", "\r\n\r\n");
            [before, &"x".repeat(len - before.len() - after.len()), after].concat()
        };
        assert!(request(padded(MAX_HEAD).as_bytes()).unwrap().is_some());
        assert_eq!(request(padded(MAX_HEAD + 1).as_bytes()).unwrap_err(), HeadError::TooLarge);
        assert_eq!(request("G".repeat(MAX_HEAD + 1).as_bytes()).unwrap_err(), HeadError::TooLarge);
        let fields = |count| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(count));
        assert!(request(fields(MAX_HEADERS).as_bytes()).unwrap().is_some());
        assert_eq!(request(fields(MAX_HEADERS + 1).as_bytes()).unwrap_err(), HeadError::TooManyFields);
    }

    #[test]
    fn hs_31_each_byte_is_visited_a_few_times_however_the_head_arrives() {
        let one_line = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "x".repeat(MAX_HEAD - 23));
        let many_lines =
            format!("GET / HTTP/1.1\r\n{}\r\n", format!("A: {}\r\n", "x".repeat(150)).repeat(MAX_HEADERS));
        for head in [one_line, many_lines] {
            for parts in deliveries::of(head.as_bytes()) {
                let mut reader = Reader::<RequestLine>::new();
                let mut complete = None;
                for part in parts {
                    complete = reader.read(part).unwrap();
                }
                assert!(complete.is_some());
                let visits = reader.visits;
                assert!((2 * head.len()..=3 * head.len()).contains(&visits), "{visits} of {}", head.len());
            }
        }
    }
}
