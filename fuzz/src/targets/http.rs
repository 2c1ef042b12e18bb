//! Heads of HTTP/1.1 messages, read strictly and once more (RFC 9112).

/// What both ends' targets look at.
#[derive(Debug)]
pub(super) struct Head<'a> {
    pub(super) start: &'a [u8],
    /// Names in lower case, values without the white space around them.
    pub(super) fields: Vec<(String, &'a [u8])>,
    /// With the empty line.
    pub(super) len: usize,
    pub(super) rest: &'a [u8],
}

/// More than this is not made of an input: a client keeps 64 KiB of a body.
const LONGEST: usize = 80_000;

/// The input as bytes of the wire. Control characters, which no head may have, stand for what an input can hardly
/// hold: 1 for up to 16 KiB, by the byte behind it; 2 for this text; 3 for so many fields.
pub(super) fn expand(input: &[u8], text: &str) -> Vec<u8> {
    let (mut wire, mut bytes) = (Vec::new(), input.iter());
    while let Some(&byte) = bytes.next()
        && wire.len() < LONGEST
    {
        let mut count = || usize::from(bytes.next().copied().unwrap_or(0));
        match byte {
            1 => wire.extend(b"x".repeat(64 * count())),
            2 => wire.extend_from_slice(text.as_bytes()),
            3 => wire.extend(b"X: y\r\n".repeat(count())),
            _ => wire.push(byte),
        }
    }
    wire
}

/// A whole head at the beginning of `bytes`; `None` if there is none, or one that does not follow the grammar.
pub(super) fn head(bytes: &[u8]) -> Option<Head<'_>> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    loop {
        let end = rest.windows(2).position(|two| two == b"\r\n")?;
        let line = &rest[..end];
        rest = &rest[end + 2..];
        // "A recipient of such a bare CR MUST consider that element to be invalid" (§2.2), or we do.
        if line.iter().any(|&byte| byte != b'\t' && byte.is_ascii_control()) {
            return None;
        }
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let (start, lines) = lines.split_first()?;
    let fields = lines.iter().map(|line| {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let name = str::from_utf8(&line[..colon]).ok().filter(|name| is_token(name))?;
        Some((name.to_ascii_lowercase(), trim(&line[colon + 1..])))
    });
    Some(Head { start, fields: fields.collect::<Option<_>>()?, len: bytes.len() - rest.len(), rest })
}

impl<'a> Head<'a> {
    /// The fields' values, in their order.
    pub(super) fn all(&self, name: &str) -> Vec<&'a [u8]> {
        self.fields.iter().filter(|(its, _)| its == name).map(|&(_, value)| value).collect()
    }

    /// The value of a field that stands there once and is ASCII.
    pub(super) fn single(&self, name: &str) -> Option<&'a str> {
        match self.all(name)[..] {
            [value] => str::from_utf8(value).ok().filter(|value| value.is_ascii()),
            _ => None,
        }
    }

    /// The elements of a list, of whatever bytes.
    pub(super) fn elements(&self, name: &str) -> Vec<&'a [u8]> {
        let lines = self.all(name).into_iter();
        let elements = lines.flat_map(|line| line.split(|&byte| byte == b',').map(trim));
        elements.filter(|element| !element.is_empty()).collect()
    }

    pub(super) fn lists(&self, name: &str, element: &str) -> bool {
        self.elements(name).iter().any(|its| its.eq_ignore_ascii_case(element.as_bytes()))
    }
}

/// A head that is ours: nothing but these fields stands in it, each once, in whatever order.
pub(super) fn is_exactly(head: &Head<'_>, fields: &[(&str, &str)]) {
    let mut found: Vec<_> = head.fields.iter().map(|(name, value)| (name.as_str(), *value)).collect();
    let mut expected: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected, "{head:?}");
}

pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && !"\"(),/:;<=>?@[\\]{}".contains(c))
}

fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
