//! Heads that differ from a good one in one place.

use std::collections::HashMap;

/// A good head, of a request or of a response.
///
/// Heads are written as Latin-1: each character is one byte, so that `\u{80}` is the byte 0x80.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head(pub(crate) &'static str);

impl Head {
    /// With another value in one of its fields; a head for each value.
    pub(crate) fn field<S: AsRef<str>>(self, name: &str, values: impl IntoIterator<Item = S>) -> Vec<String> {
        let line = self.line(name);
        let with = |value: S| self.0.replace(line, &format!("\r\n{name}: {}\r\n", value.as_ref()));
        values.into_iter().map(with).collect()
    }

    /// Without these fields.
    pub(crate) fn without(self, names: &[&str]) -> Vec<String> {
        vec![names.iter().fold(self.0.to_owned(), |head, name| head.replace(self.line(name), "\r\n"))]
    }

    /// With another start line; a head for each.
    pub(crate) fn start<S: AsRef<str>>(self, lines: impl IntoIterator<Item = S>) -> Vec<String> {
        let (_, rest) = self.0.split_once("\r\n").unwrap();
        lines.into_iter().map(|line| format!("{}\r\n{rest}", line.as_ref())).collect()
    }

    /// With more lines at the end; a head for each.
    pub(crate) fn and<S: AsRef<str>>(self, lines: impl IntoIterator<Item = S>) -> Vec<String> {
        let head = self.0.strip_suffix("\r\n").unwrap();
        lines.into_iter().map(|lines| format!("{head}{}\r\n\r\n", lines.as_ref())).collect()
    }

    /// With one more field, of each of these values.
    pub(crate) fn and_field<S: AsRef<str>>(
        self,
        name: &str,
        values: impl IntoIterator<Item = S>,
    ) -> Vec<String> {
        self.and(values.into_iter().map(|value| format!("{name}: {}", value.as_ref())))
    }

    /// With a field that makes it so many bytes long.
    pub(crate) fn padded_to(self, len: usize) -> Vec<String> {
        self.and_field("X", ["y".repeat(len - self.0.len() - "X: \r\n".len())])
    }

    /// A whole line, between the ends of the lines.
    fn line(self, name: &str) -> &'static str {
        let start = self.0.find(&format!("\r\n{name}: ")).unwrap();
        let end = start + 4 + self.0[start + 2..].find("\r\n").unwrap();
        &self.0[start..end]
    }
}

/// The bytes of a Latin-1 text.
pub(crate) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|character| u8::try_from(character).expect("one byte for each character")).collect()
}

/// A response, taken apart.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// The values by lower-case name; no name may appear twice.
    pub(crate) fields: HashMap<String, String>,
    pub(crate) body: String,
}

impl Response {
    /// Reads a response strictly.
    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let text = str::from_utf8(bytes).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").expect(text);
        let mut lines = head.split("\r\n");
        let (status, _) = lines.next().unwrap().strip_prefix("HTTP/1.1 ").unwrap().split_once(' ').unwrap();
        let mut fields = HashMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(fields.insert(name.to_lowercase(), value.to_owned()), None, "twice: {name}");
        }
        Self { status: status.parse().unwrap(), fields, body: body.to_owned() }
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }
}
