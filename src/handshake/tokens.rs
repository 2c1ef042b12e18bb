//! What header values are made of: tokens, lists, extensions.

use http::{HeaderMap, HeaderName};
use std::borrow::Cow;

/// One extension as a `Sec-WebSocket-Extensions` field names it, with its parameters in their order
/// ([RFC 6455 §9.1]).
///
/// [RFC 6455 §9.1]: https://www.rfc-editor.org/rfc/rfc6455#section-9.1
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extension<'a> {
    /// The name, such as `permessage-deflate`.
    pub name: &'a str,
    /// Each parameter's name, and its value if it has one; quotes are taken off.
    pub params: Vec<(&'a str, Option<Cow<'a, str>>)>,
}

impl Extension<'_> {
    /// The parameters, borrowed.
    pub(crate) fn params(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.params.iter().map(|(name, value)| (*name, value.as_deref()))
    }
}

/// The value of a `Sec-WebSocket-Extensions` field, read one extension at a time.
///
/// After an error comes nothing more. The work is linear in the length of the text.
#[derive(Clone, Debug)]
pub(crate) struct Extensions<'a> {
    rest: &'a str,
}

/// The text does not follow the grammar of §9.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InvalidExtension;

impl<'a> Extensions<'a> {
    pub(crate) fn new(value: &'a str) -> Self {
        Self { rest: value }
    }

    /// §9.1: "extension = extension-token *( ";" extension-param )".
    fn extension(&mut self) -> Option<Extension<'a>> {
        let mut extension = Extension { name: self.token()?, params: Vec::new() };
        while self.eat(';') {
            let name = self.token()?;
            // §9.1: "extension-param = token [ "=" (token | quoted-string) ]".
            let value = match self.eat('=') {
                false => None,
                // Not `eat`: white space inside of the quotes is a part of the value, which is then no token.
                true => Some(match self.rest.strip_prefix('"') {
                    Some(rest) => {
                        self.rest = rest;
                        self.quoted()?
                    }
                    None => Cow::Borrowed(self.token()?),
                }),
            };
            extension.params.push((name, value));
        }
        (self.rest.is_empty() || self.rest.starts_with(',')).then_some(extension)
    }

    /// The token that comes next, and the white space after it ("implied *LWS rule").
    fn token(&mut self) -> Option<&'a str> {
        self.skip_space();
        let end = self.rest.bytes().position(|byte| !is_token_char(byte)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        self.skip_space();
        (!token.is_empty()).then_some(token)
    }

    /// The rest of a string whose first quote is taken.
    fn quoted(&mut self) -> Option<Cow<'a, str>> {
        let end = self.rest.find(['"', '\\'])?;
        let (plain, rest) = self.rest.split_at_checked(end)?;
        let value = match rest.strip_prefix('"') {
            Some(rest) => {
                self.rest = rest;
                Cow::Borrowed(plain)
            }
            None => {
                let mut value = String::new();
                let mut chars = self.rest.chars();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => value.push(chars.next()?),
                        other => value.push(other),
                    }
                }
                self.rest = chars.as_str();
                Cow::Owned(value)
            }
        };
        self.skip_space();
        // §9.1: "When using the quoted-string syntax variant, the value after quoted-string unescaping
        // MUST conform to the 'token' ABNF."
        is_token(value.as_bytes()).then_some(value)
    }

    fn eat(&mut self, expected: char) -> bool {
        let Some(rest) = self.rest.strip_prefix(expected) else { return false };
        self.rest = rest;
        self.skip_space();
        true
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t']);
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Extension<'a>, InvalidExtension>;

    fn next(&mut self) -> Option<Self::Item> {
        // RFC 9110 §5.6.1.2: "A recipient MUST parse and ignore a reasonable number of empty list
        // elements".
        self.rest = self.rest.trim_start_matches([' ', '\t', ',']);
        if self.rest.is_empty() {
            return None;
        }
        let extension = self.extension();
        if extension.is_none() {
            self.rest = "";
        }
        Some(extension.ok_or(InvalidExtension))
    }
}

/// The elements of a list that may be spread over several lines, without the white space around them;
/// empty ones are left out (RFC 9110 §5.3, §5.6.1).
pub(super) fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter();
    lines
        .flat_map(|line| line.as_bytes().split(|&byte| byte == b','))
        .map(trim)
        .filter(|element| !element.is_empty())
}

/// Whether a list has this element, whole, in any letter case of ASCII.
pub(super) fn contains(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    elements(headers, name).any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// Takes spaces and tabs off both ends, and nothing else: bytes above 0x7F are no white space.
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// RFC 9110 §5.6.2: "token = 1*tchar".
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().copied().all(is_token_char)
}

/// RFC 9110 §5.6.2: "any VCHAR, except delimiters".
pub(super) fn is_token_char(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.'
        | b'^'..=b'`' | b'|' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn extensions(value: &str) -> Result<Vec<Extension<'_>>, InvalidExtension> {
        Extensions::new(value).collect()
    }

    #[test]
    fn an_extension_has_a_name_and_parameters() {
        let expected = vec![
            Extension { name: "foo", params: vec![] },
            Extension {
                name: "bar",
                params: vec![
                    ("a", None),
                    ("baz", Some("2".into())),
                    ("q", Some("x\"y".replace('"', "").into())),
                ],
            },
        ];
        assert_eq!(extensions(r#"foo, bar; a; baz=2; q="x\y""#).as_ref(), Ok(&expected));
        assert_eq!(extensions("foo,,\t bar ;a ; baz = 2;q=\"xy\" ,").as_ref(), Ok(&expected));
    }

    #[test]
    fn what_does_not_follow_the_grammar_is_refused() {
        for value in [
            ";",
            ",;a",
            "a;",
            "a;=",
            "a=b",
            "a b",
            "a; b=",
            "a; b c",
            "a@b",
            "a; b=\"c",
            "a; b=\"\"",
            "a; b=\"c d\"",
            "a; b=\"c\"d",
            "a; b=\" c\"",
            "a; b=\"\tc\"",
            "a; b=\"c \"",
            "a; b=\"\\",
            "a;;b",
            "a; =b",
            "\"a\"",
            "a/b",
            "a, b@",
            "\u{85}a",
        ] {
            assert_eq!(extensions(value), Err(InvalidExtension), "{value}");
        }
    }

    #[test]
    fn after_an_error_comes_nothing() {
        assert_eq!(Extensions::new("a b, c, d").count(), 1);
    }

    /// What it costs is counted in tests/linear.rs; whoever looks at a byte again for each byte takes hours for this.
    #[test]
    fn hs_18_hs_19_a_list_takes_as_long_as_it_is() {
        const MANY: usize = 1 << 20;
        for value in [
            "a; p=\"".to_owned() + &r"\\".repeat(MANY),
            "a; p".to_owned() + &" ".repeat(MANY) + "q",
            " ".repeat(MANY) + ";",
        ] {
            assert_eq!(extensions(&value), Err(InvalidExtension));
        }
        assert_eq!(Extensions::new(&",".repeat(MANY)).count(), 0);
        let mut headers = HeaderMap::new();
        let spaces = " ".repeat(MANY);
        headers.insert("upgrade", format!("a,{spaces}b,{spaces}").parse().unwrap());
        assert_eq!(elements(&headers, &http::header::UPGRADE).collect::<Vec<_>>(), [b"a", b"b"]);
    }

    #[test]
    fn white_space_is_space_and_tab() {
        assert_eq!(trim(b" \t a b\t "), b"a b");
        assert_eq!(trim(b" \t "), b"");
        assert_eq!(trim(b"\xA0a\x85"), b"\xA0a\x85");
    }

    #[test]
    fn lists_are_merged_over_lines() {
        let mut headers = HeaderMap::new();
        for value in ["h2c ,", "", " , WebSocket\t"] {
            headers.append("upgrade", value.parse().unwrap());
        }
        assert!(contains(&headers, &http::header::UPGRADE, "websocket"));
        assert!(!contains(&headers, &http::header::UPGRADE, "socket"));
        assert_eq!(elements(&headers, &http::header::UPGRADE).count(), 2);
    }
}
