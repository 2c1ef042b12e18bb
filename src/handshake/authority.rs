use std::net::Ipv6Addr;

/// `host [ ":" port ]`: what a `Host` field, an origin and a URL have in common (RFC 3986 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Authority<'a> {
    /// The host, as it was written; an IPv6 address stands in its brackets.
    pub(crate) host: &'a str,
    /// The port, if one was written.
    pub(crate) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// Reads a host and perhaps a port; `None` if the text is not that, and nothing but that.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            // RFC 3986 §3.2.2: "A host identified by an Internet Protocol literal address, version 6 ...
            // is distinguished by enclosing the IP literal within square brackets".
            Some(literal) => {
                let (address, _) = literal.split_once(']')?;
                let _: Ipv6Addr = address.parse().ok()?;
                let (host, rest) = text.split_at_checked(address.len() + 2)?;
                (host, if rest.is_empty() { "" } else { rest.strip_prefix(':')? })
            }
            None => {
                let (host, port) = text.split_once(':').unwrap_or((text, ""));
                if host.is_empty() || !host.bytes().all(is_name_byte) {
                    return None;
                }
                (host, port)
            }
        };
        // RFC 3986 §3.2.3: "port = *DIGIT", so it may be empty, and the default one is then meant.
        let port = match port {
            "" => None,
            digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// Whether both mean the same host, in any letter case, and the same port.
    pub(crate) fn equals(self, other: Self, default_port: u16) -> bool {
        self.host.eq_ignore_ascii_case(other.host)
            && self.port.unwrap_or(default_port) == other.port.unwrap_or(default_port)
    }
}

/// RFC 3986 §3.2.2: "reg-name = *( unreserved / pct-encoded / sub-delims )".
fn is_name_byte(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$'
        | b'&'..=b',' | b';' | b'=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_and_perhaps_a_port() {
        let parse = |text| Authority::parse(text).map(|authority| (authority.host, authority.port));
        assert_eq!(parse("a.example"), Some(("a.example", None)));
        assert_eq!(parse("a.example:"), Some(("a.example", None)));
        assert_eq!(parse("127.0.0.1:9001"), Some(("127.0.0.1", Some(9001))));
        assert_eq!(parse("[::1]"), Some(("[::1]", None)));
        assert_eq!(parse("[::1]:80"), Some(("[::1]", Some(80))));
    }

    #[test]
    fn nothing_else() {
        for text in [
            "", ":", ":80", "a b", "[", "]", "[]", "[::1", "::1", "[::1]x", "[a]", "a/b", "a@b", "a:b",
            "a:+1", "a:-1", "a:99999", "a:80:80", "ä", "a?", "a#", "a\\b", "\"a\"",
        ] {
            assert_eq!(Authority::parse(text), None, "{text}");
        }
    }
}
