use crate::handshake::Rejection;
use crate::handshake::authority::Authority;
use crate::handshake::negotiate::Offer;

/// From which origins a server accepts connections ([RFC 6455 §10.2]).
///
/// Browsers name the origin of the page that connects, and let any page connect to any server: without
/// a policy, a page anywhere speaks to this server with its visitor's cookies. What is no browser can
/// name any origin, or none.
///
/// ```
/// use sansocket::handshake::OriginPolicy;
///
/// OriginPolicy::same_origin();                                        // pages of this server
/// OriginPolicy::same_origin().or("https://app.example");              // and those of another
/// OriginPolicy::list(["https://a.example", "null"]).required();       // these, and nobody without an origin
/// ```
///
/// [RFC 6455 §10.2]: https://www.rfc-editor.org/rfc/rfc6455#section-10.2
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPolicy {
    rule: Rule,
    missing: Missing,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    Any,
    SameOriginOr(Vec<String>),
    List(Vec<String>),
}

/// What becomes of a request that has no `Origin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missing {
    Accepted,
    Refused,
}

impl OriginPolicy {
    /// Accepts every origin.
    pub fn any() -> Self {
        Self { rule: Rule::Any, missing: Missing::Accepted }
    }

    /// Accepts pages that come from this server: scheme, host and port of the `Origin` are those that the
    /// client connected to, which its `Host` field names.
    pub fn same_origin() -> Self {
        Self { rule: Rule::SameOriginOr(Vec::new()), missing: Missing::Accepted }
    }

    /// Accepts these origins, written as browsers write them: `https://app.example`,
    /// `http://localhost:8080`, `null`.
    pub fn list(origins: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        let origins = origins.into_iter().map(|origin| canonical(origin.as_ref())).collect();
        Self { rule: Rule::List(origins), missing: Missing::Accepted }
    }

    /// Accepts one more origin.
    #[must_use]
    pub fn or(mut self, origin: &str) -> Self {
        match &mut self.rule {
            Rule::Any => {}
            Rule::SameOriginOr(origins) | Rule::List(origins) => origins.push(canonical(origin)),
        }
        self
    }

    /// Refuses requests without an `Origin`, which are accepted otherwise: §4.2.1: such a request "SHOULD
    /// NOT be interpreted as coming from a browser client".
    #[must_use]
    pub fn required(mut self) -> Self {
        self.missing = Missing::Refused;
        self
    }

    /// Judges a request. `secure` says whether the client speaks TLS, with this server or with a proxy in
    /// front of it: its own pages are then `https` pages.
    ///
    /// # Errors
    /// The refusal to answer with: 403.
    pub fn check(&self, offer: &Offer, secure: bool) -> Result<(), Rejection> {
        let accepted = match (offer.origin(), &self.rule) {
            (None, _) => self.missing == Missing::Accepted,
            (Some(_), Rule::Any) => true,
            (Some(origin), Rule::List(origins)) => origins.contains(&canonical(origin)),
            (Some(origin), Rule::SameOriginOr(origins)) => {
                let origin = canonical(origin);
                let scheme = if secure { "https" } else { "http" };
                origin == canonical(&format!("{scheme}://{}", offer.host())) || origins.contains(&origin)
            }
        };
        // §4.2.2: "If the server does not wish to accept this connection, it MUST return an appropriate HTTP
        // error code (e.g., 403 Forbidden)".
        if accepted { Ok(()) } else { Err(Rejection::origin()) }
    }
}

/// Accepts every origin.
impl Default for OriginPolicy {
    fn default() -> Self {
        Self::any()
    }
}

/// The one form of an origin that is compared: in lower case, and with its port. What is not
/// `scheme://host[:port]`, such as `null`, equals only itself.
fn canonical(origin: &str) -> String {
    let Some((scheme, authority)) = origin.split_once("://") else { return origin.to_owned() };
    let Some(Authority { host, port }) = Authority::parse(authority) else { return origin.to_owned() };
    let scheme = scheme.to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    let default_port = match &*scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    match port.or(default_port) {
        Some(port) => format!("{scheme}://{host}:{port}"),
        None => format!("{scheme}://{host}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(policy: &OriginPolicy, host: &str, origin: Option<&str>, secure: bool) -> bool {
        let mut request = crate::handshake::negotiate::tests::request();
        request.headers_mut().insert("host", host.parse().unwrap());
        if let Some(origin) = origin {
            request.headers_mut().insert("origin", origin.parse().unwrap());
        }
        policy.check(&Offer::from_request(&request).unwrap(), secure).is_ok()
    }

    #[test]
    fn hs_37_the_same_origin_has_the_same_scheme_host_and_port() {
        let policy = OriginPolicy::same_origin();
        for (host, origin, secure) in [
            ("a.example", "http://a.example", false),
            ("a.example", "HTTP://A.Example:80", false),
            ("A.EXAMPLE:80", "http://a.example", false),
            ("a.example", "https://a.example:443", true),
            ("a.example:443", "https://a.example", true),
            ("a.example:9001", "http://a.example:9001", false),
            ("[::1]:9001", "http://[::1]:9001", false),
        ] {
            assert!(accepts(&policy, host, Some(origin), secure), "{host} {origin}");
        }
        for (origin, secure) in [
            ("http://b.example:9001", false),
            ("https://a.example:9001", false),
            ("http://a.example:9001", true),
            ("http://a.example:9002", false),
            ("http://a.example", false),
            ("null", false),
            ("", false),
            ("a.example:9001", false),
            ("http://a.example.evil:9001", false),
            ("http://evil/?http://a.example:9001", false),
            ("http://evil#http://a.example:9001", false),
            ("http://a.example:9001@evil", false),
            ("http://a.example:9001/", false),
            ("http://[::1]:9001", false),
            ("http://a.example:9001, http://a.example:9001", false),
        ] {
            assert!(!accepts(&policy, "a.example:9001", Some(origin), secure), "{origin}");
        }
    }

    #[test]
    fn hs_37_listed_origins_are_accepted_too() {
        let policy = OriginPolicy::same_origin().or("https://App.Example").or("null");
        for origin in ["http://a.example", "https://app.example:443", "null"] {
            assert!(accepts(&policy, "a.example", Some(origin), false), "{origin}");
        }
        let policy = OriginPolicy::list(["https://app.example", "chrome-extension://abc"]);
        assert!(accepts(&policy, "a.example", Some("chrome-extension://abc"), false));
        assert!(!accepts(&policy, "a.example", Some("http://a.example"), false));
        assert!(!accepts(&policy, "a.example", Some("null"), false));
        assert!(accepts(&OriginPolicy::any(), "a.example", Some("null"), false));
        let policy = policy.or("HTTP://B.example:80");
        assert!(accepts(&policy, "a.example", Some("http://b.example"), false));
        assert!(!accepts(&policy, "a.example", Some("http://a.example"), false));
        assert!(accepts(&OriginPolicy::any().or("a"), "a.example", Some("http://b.example"), false));
    }

    #[test]
    fn hs_38_an_origin_can_be_required() {
        assert!(accepts(&OriginPolicy::same_origin(), "a.example", None, false));
        assert!(!accepts(&OriginPolicy::same_origin().required(), "a.example", None, false));
        assert!(!accepts(&OriginPolicy::any().required(), "a.example", None, false));
        assert!(accepts(&OriginPolicy::any().required(), "a.example", Some("null"), false));
    }
}
