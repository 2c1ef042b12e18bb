//! The proxy that environment variables name: [`Proxy::from_env`] says which and how.

use super::{Proxy, ProxyError};
use crate::handshake::Url;
use crate::handshake::authority::Authority;
use std::net::{IpAddr, Ipv6Addr};

/// For `ws://`. `HTTP_PROXY` is missing; curl's source has the reason: "When curl is used in a webserver
/// application environment (cgi or php), this environment variable can be controlled by the web server user
/// by setting the http header 'Proxy:' to some value."
const PLAIN: &[&str] = &["ws_proxy", "WS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"];
/// For `wss://`.
const SECURE: &[&str] = &["wss_proxy", "WSS_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"];
/// What is reached without a proxy.
const EXCEPTIONS: &[&str] = &["no_proxy", "NO_PROXY"];

/// The proxy for this URL, if any, in the environment that `lookup` knows.
pub(super) fn proxy(url: &Url, lookup: impl Fn(&str) -> Option<String>) -> Result<Option<Proxy>, ProxyError> {
    let first = |names: &[&str]| names.iter().find_map(|name| lookup(name)).filter(|value| !value.is_empty());
    let Some(value) = first(if url.is_secure() { SECURE } else { PLAIN }) else { return Ok(None) };
    if first(EXCEPTIONS).is_some_and(|list| is_exception(&list, url.host(), url.port())) {
        return Ok(None);
    }
    if value.contains("://") { Proxy::parse(&value) } else { Proxy::parse(&format!("http://{value}")) }
        .map(Some)
}

/// Whether one of these is the host.
fn is_exception(list: &str, host: &str, port: u16) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    let mut entries = list.split(|c: char| c == ',' || c.is_ascii_whitespace());
    entries.any(|entry| match host.parse() {
        Ok(address) => is_address(entry, address, port),
        Err(_) => is_name(entry, host, port),
    })
}

/// Whether `entry` means this address and port.
fn is_address(entry: &str, address: IpAddr, port: u16) -> bool {
    if let Some((block, bits)) = entry.split_once('/') {
        let (Ok(block), Ok(bits)) = (block.parse(), bits.parse()) else { return false };
        return contains(block, bits, address);
    }
    // One of version 6 may stand there without brackets, and then has no port.
    if let Ok(alone) = entry.parse::<Ipv6Addr>() {
        return address == alone;
    }
    host_at(entry, port).is_some_and(|host| {
        host == "*" || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|own| own == address)
    })
}

/// Whether `entry` means this name, or one above it, and this port.
fn is_name(entry: &str, name: &str, port: u16) -> bool {
    host_at(entry, port).is_some_and(|host| {
        let host = host.strip_prefix('.').unwrap_or(host);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        // The name is in lower case, as all of `Url` is.
        host == "*" || name.strip_suffix(&*host).is_some_and(|below| below.is_empty() || below.ends_with('.'))
    })
}

/// The host of an entry without a port, or with this one.
fn host_at(entry: &str, port: u16) -> Option<&str> {
    let authority = Authority::parse(entry)?;
    (authority.port.unwrap_or(port) == port).then_some(authority.host)
}

/// Whether the first bits of both addresses are the same.
fn contains(block: IpAddr, bits: u32, address: IpAddr) -> bool {
    let (differing, len) = match (block, address) {
        (IpAddr::V4(block), IpAddr::V4(address)) => (u128::from(block.to_bits() ^ address.to_bits()), 32),
        (IpAddr::V6(block), IpAddr::V6(address)) => (block.to_bits() ^ address.to_bits(), 128),
        _ => return false,
    };
    // Of a number with 128 bits no 128 can be shifted out: none is left then.
    u32::checked_sub(len, bits).is_some_and(|rest| differing.checked_shr(rest).unwrap_or_default() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, variables: &[(&str, &str)]) -> Result<Option<String>, ProxyError> {
        let lookup =
            |name: &str| variables.iter().find(|(own, _)| *own == name).map(|(_, value)| (*value).to_owned());
        Ok(proxy(&Url::parse(url).unwrap(), lookup)?.map(|proxy| proxy.to_string()))
    }

    /// In this order, each counts when those before it are not set, and for its own scheme only.
    #[test]
    fn the_first_variable_that_is_set_decides() {
        for (url, names) in [("ws://a.example/", PLAIN), ("wss://a.example/", SECURE)] {
            assert_eq!(chosen(url, &[]), Ok(None));
            for from in 0..names.len() {
                let value = |name: &&str| format!("http://{}.{from}", name.replace('_', "-"));
                let values = names[from..].iter().map(value).collect::<Vec<_>>();
                let mut variables: Vec<_> =
                    names[from..].iter().copied().zip(values.iter().map(String::as_str)).collect();
                let expected = format!("{}:80", values[0].to_ascii_lowercase());
                assert_eq!(chosen(url, &variables), Ok(Some(expected)));
                // An empty one decides as well.
                variables[0].1 = "";
                assert_eq!(chosen(url, &variables), Ok(None));
            }
        }
        let http = [("http_proxy", "p"), ("ws_proxy", "p"), ("WS_PROXY", "p")];
        assert_eq!(chosen("wss://a/", &http), Ok(None));
        let https = [("https_proxy", "p"), ("HTTPS_PROXY", "p"), ("wss_proxy", "p"), ("WSS_PROXY", "p")];
        assert_eq!(chosen("ws://a/", &https), Ok(None));
    }

    #[test]
    fn http_proxy_in_upper_case_is_whoever_sent_the_request() {
        for url in ["ws://a/", "wss://a/"] {
            assert_eq!(chosen(url, &[("HTTP_PROXY", "http://evil.example")]), Ok(None));
        }
    }

    #[test]
    fn a_value_without_a_scheme_is_one_of_http() {
        let with = |value| chosen("ws://a/", &[("all_proxy", value)]);
        assert_eq!(with("p.example:3128"), Ok(Some("http://p.example:3128".into())));
        assert_eq!(with("u:p@p.example/"), Ok(Some("http://p.example:80".into())));
        assert_eq!(with("socks5h://p.example"), Ok(Some("socks5://p.example:1080".into())));
        assert_eq!(with("https://p.example"), Err(ProxyError::Tls));
        assert_eq!(with("socks4://p.example"), Err(ProxyError::Scheme));
        #[cfg(feature = "idn")]
        assert_eq!(with("p\u{fffd}"), Err(crate::handshake::UrlError::Host.into()));
    }

    #[test]
    fn no_proxy_is_for_names_addresses_blocks_and_ports() {
        for (list, url, is_direct) in [
            ("", "ws://a.example", false),
            (",", "ws://a.example", false),
            ("*", "ws://a.example", true),
            ("*", "ws://127.0.0.1", true),
            ("*", "ws://[::1]", true),
            ("x, *", "ws://a.example", true),
            ("*:80", "ws://a.example", true),
            ("*:81", "ws://a.example", false),
            ("a.example", "ws://a.example", true),
            ("A.Example", "ws://a.EXAMPLE", true),
            ("a.example", "ws://a.example.", true),
            ("a.example.", "ws://a.example", true),
            ("a.example", "ws://b.a.example", true),
            ("a.example", "ws://c.b.a.example", true),
            ("a.example", "ws://ba.example", false),
            ("a.example", "ws://example", false),
            ("a.example", "ws://a.example.org", false),
            (".a.example", "ws://a.example", true),
            (".a.example", "ws://b.a.example", true),
            (".a.example", "ws://ba.example", false),
            ("example", "ws://a.example", true),
            (".", "ws://a.example", false),
            ("x,y a.example\tz", "ws://a.example", true),
            ("a.example:80", "ws://a.example", true),
            ("a.example:80", "ws://b.a.example:80", true),
            ("a.example:80", "wss://a.example", false),
            ("a.example:443", "wss://a.example", true),
            ("a.example:81", "ws://a.example", false),
            ("a.example:", "ws://a.example", true),
            ("a.example:x", "ws://a.example", false),
            ("127.0.0.1", "ws://127.0.0.1", true),
            ("127.0.0.1:80", "ws://127.0.0.1", true),
            ("127.0.0.1:80", "ws://127.0.0.1:81", false),
            ("127.0.0.1", "ws://127.0.0.11", false),
            ("0.0.1", "ws://127.0.0.1", false),
            (".0.0.1", "ws://127.0.0.1", false),
            ("127.0.0.1", "ws://a.127.0.0.1.example", false),
            ("1", "ws://a.example", false),
            ("::1", "ws://[::1]", true),
            ("[::1]", "ws://[::1]", true),
            ("0:0::1", "ws://[::1]", true),
            ("[::1]:80", "ws://[::1]", true),
            ("[::1]:80", "ws://[::1]:81", false),
            ("::1", "ws://[::2]", false),
            ("::1", "ws://127.0.0.1", false),
            ("127.0.0.0/8", "ws://127.255.0.1", true),
            ("127.0.0.0/8", "ws://128.0.0.1", false),
            ("127.0.0.99/8", "ws://127.0.0.1", true),
            ("10.1.2.128/25", "ws://10.1.2.128", true),
            ("10.1.2.128/25", "ws://10.1.2.127", false),
            ("10.1.2.3/32", "ws://10.1.2.3", true),
            ("10.1.2.3/32", "ws://10.1.2.2", false),
            ("0.0.0.0/0", "ws://10.1.2.3", true),
            ("0.0.0.0/0", "ws://[::1]", false),
            ("0.0.0.0/0", "ws://a.example", false),
            ("10.0.0.0/33", "ws://10.0.0.0", false),
            ("10.0.0.0/-1", "ws://10.0.0.0", false),
            ("10.0.0.0/", "ws://10.0.0.0", false),
            ("10.0.0.0/8:80", "ws://10.0.0.0", false),
            ("fe80::/10", "ws://[febf::1]", true),
            ("fe80::/10", "ws://[fec0::1]", false),
            ("::/0", "ws://[febf::1]", true),
            ("::/0", "ws://127.0.0.1", false),
            ("::1/128", "ws://[::1]", true),
            ("::1/128", "ws://[::2]", false),
            ("::1/129", "ws://[::1]", false),
        ] {
            for name in EXCEPTIONS {
                let expected = if is_direct { None } else { Some("http://p:80".into()) };
                assert_eq!(chosen(url, &[("all_proxy", "p"), (name, list)]), Ok(expected), "{list:?} {url}");
            }
        }
        // Lower case comes first.
        let both = [("all_proxy", "p"), ("no_proxy", "b"), ("NO_PROXY", "a")];
        assert_eq!(chosen("ws://b/", &both), Ok(None));
        assert_eq!(chosen("ws://a/", &both), Ok(Some("http://p:80".into())));
    }
}
