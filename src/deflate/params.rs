//! The four parameters, in a client's offer and in a server's answer (§7.1).

use crate::deflate::Deflate;
use crate::frame::Role;
use std::fmt;

/// What a client and a server have agreed on: the parameters of the server's answer ([RFC 7692 §7.1]).
///
/// It displays as it stands in the `Sec-WebSocket-Extensions` field:
///
/// ```
/// use sansocket::Deflate;
///
/// let params = Deflate::new().server_no_context_takeover(true).client_max_window_bits(10).params();
/// assert_eq!(params.to_string(), "permessage-deflate; server_no_context_takeover; client_max_window_bits=10");
/// ```
///
/// [RFC 7692 §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Params {
    pub(super) server_no_context_takeover: bool,
    pub(super) client_no_context_takeover: bool,
    /// `None` is not said, which means [`MAX_BITS`].
    pub(super) server_max_window_bits: Option<u8>,
    pub(super) client_max_window_bits: Option<u8>,
}

/// The least window: 256 bytes.
pub(super) const MIN_BITS: u8 = 8;
/// The largest window: 32 KiB.
pub(super) const MAX_BITS: u8 = 15;

/// The parameters of one element of the field, well-formed: an offer's, or an answer's.
#[derive(Default)]
struct Said {
    server_no_context_takeover: bool,
    client_no_context_takeover: bool,
    server_max_window_bits: Option<u8>,
    /// In an offer it needs no value.
    client_max_window_bits: Option<Option<u8>>,
}

impl Params {
    /// The extension's name.
    pub(crate) const NAME: &str = "permessage-deflate";

    /// Whether this side begins each of its messages without what went before.
    pub const fn no_context_takeover(&self, side: Role) -> bool {
        match side {
            Role::Server => self.server_no_context_takeover,
            Role::Client => self.client_no_context_takeover,
        }
    }

    /// How far back this side's messages may refer, as a power of two of bytes: 8 to 15.
    pub fn max_window_bits(&self, side: Role) -> u8 {
        let bits = match side {
            Role::Server => self.server_max_window_bits,
            Role::Client => self.client_max_window_bits,
        };
        bits.unwrap_or(MAX_BITS)
    }
}

impl fmt::Display for Params {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAME)?;
        if self.server_no_context_takeover {
            f.write_str("; server_no_context_takeover")?;
        }
        if self.client_no_context_takeover {
            f.write_str("; client_no_context_takeover")?;
        }
        if let Some(bits) = self.server_max_window_bits {
            write!(f, "; server_max_window_bits={bits}")?;
        }
        if let Some(bits) = self.client_max_window_bits {
            write!(f, "; client_max_window_bits={bits}")?;
        }
        Ok(())
    }
}

impl Deflate {
    /// The offer of a client.
    pub(crate) fn offer(&self) -> String {
        let mut offer = self.params.to_string();
        // §7.1.2.2: without it, or without a value, the server could not, or would not, limit this side's
        // window.
        if self.params.client_max_window_bits.is_none() {
            offer.push_str("; client_max_window_bits");
        }
        offer
    }

    /// A server's answer to one offer; `None` declines it.
    pub(crate) fn answer<'a>(
        &self,
        offer: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Option<Params> {
        let (own, offer) = (self.params, Said::parse(offer)?);
        let client_max_window_bits = match (own.client_max_window_bits, offer.client_max_window_bits) {
            (own, Some(hint)) => smaller(own, hint),
            (None, None) => None,
            // §7.1.2.2: "If a received extension negotiation offer doesn't have the "client_max_window_bits"
            // extension parameter, the corresponding extension negotiation response to the offer MUST NOT
            // include the "client_max_window_bits" extension parameter." So this client's window cannot be
            // limited.
            (Some(_), None) => return None,
        };
        Some(Params {
            // §7.1.1.1: "A server accepts an extension negotiation offer that includes the
            // "server_no_context_takeover" extension parameter by including the "server_no_context_takeover"
            // extension parameter in the corresponding extension negotiation response". The client's (§7.1.1.2)
            // is only a hint, but one that saves memory.
            server_no_context_takeover: own.server_no_context_takeover || offer.server_no_context_takeover,
            client_no_context_takeover: own.client_no_context_takeover || offer.client_no_context_takeover,
            // §7.1.2.1: the same "by including the "server_max_window_bits" extension parameter in the
            // extension negotiation response to send back to the client with the same or smaller value as the
            // offer."
            server_max_window_bits: smaller(own.server_max_window_bits, offer.server_max_window_bits),
            client_max_window_bits,
        })
    }

    /// A client's view of the server's answer; `None` if it is no answer to [`offer`](Self::offer).
    pub(crate) fn check<'a>(
        &self,
        answer: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
    ) -> Option<Params> {
        let (own, answer) = (self.params, Said::parse(answer)?);
        // §7: "The client does not support the configuration that the response represents."
        if own.server_no_context_takeover && !answer.server_no_context_takeover {
            return None;
        }
        if let Some(asked) = own.server_max_window_bits
            && answer.server_max_window_bits.is_none_or(|bits| bits > asked)
        {
            return None;
        }
        Some(Params {
            server_no_context_takeover: answer.server_no_context_takeover,
            // §7.1.1.2: "A client MUST support the "client_no_context_takeover" extension parameter in an
            // extension negotiation response."
            client_no_context_takeover: answer.client_no_context_takeover,
            server_max_window_bits: answer.server_max_window_bits,
            // In an answer it has a value. One that exceeds the hint in the offer is no error (§7.1.2.2):
            // what this side sends is limited by both.
            client_max_window_bits: match answer.client_max_window_bits {
                None => None,
                Some(value) => Some(value?),
            },
        })
    }
}

impl Said {
    /// §7: "A server MUST decline an extension negotiation offer for this extension if any of the following
    /// conditions are met: The negotiation offer contains an extension parameter not defined for use in an
    /// offer", one "with an invalid value", "multiple extension parameters with the same name". And so must a
    /// client "_Fail the WebSocket Connection_" at such an answer.
    fn parse<'a>(params: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Option<Self> {
        let mut said = Self::default();
        for (name, value) in params {
            let is_new = match (name, value) {
                ("server_no_context_takeover", None) => {
                    !std::mem::replace(&mut said.server_no_context_takeover, true)
                }
                ("client_no_context_takeover", None) => {
                    !std::mem::replace(&mut said.client_no_context_takeover, true)
                }
                ("server_max_window_bits", Some(value)) => {
                    said.server_max_window_bits.replace(bits(value)?).is_none()
                }
                ("client_max_window_bits", Some(value)) => {
                    said.client_max_window_bits.replace(Some(bits(value)?)).is_none()
                }
                ("client_max_window_bits", None) => said.client_max_window_bits.replace(None).is_none(),
                _ => false,
            };
            if !is_new {
                return None;
            }
        }
        Some(said)
    }
}

/// §7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
fn bits(value: &str) -> Option<u8> {
    if value.starts_with(['0', '+']) {
        return None;
    }
    value.parse().ok().filter(|bits| (MIN_BITS..=MAX_BITS).contains(bits))
}

/// The smaller of two values that may not be said.
fn smaller(a: Option<u8>, b: Option<u8>) -> Option<u8> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "a; b=1" as the grammar of the field gives it.
    fn params(text: &str) -> Vec<(&str, Option<&str>)> {
        let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
        parts
            .map(|part| part.split_once('=').map_or((part, None), |(name, value)| (name, Some(value))))
            .collect()
    }

    fn answer(server: &Deflate, offer: &str) -> Option<String> {
        let answer = server.answer(params(offer))?.to_string();
        Some(answer.strip_prefix(Params::NAME).unwrap().trim_start_matches("; ").into())
    }

    const MALFORMED: [&str; 26] = [
        "unknown",
        "unknown=1",
        "Server_no_context_takeover",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "server_max_window_bits=-9",
        "server_max_window_bits=0x9",
        "server_max_window_bits=10.0",
        "server_max_window_bits=",
        "server_max_window_bits=abc",
        "server_max_window_bits=100000000000000000000",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=010",
        "client_max_window_bits=0",
        "client_max_window_bits=264",
        "client_max_window_bits; client_max_window_bits",
        "client_max_window_bits=10; client_max_window_bits",
    ];

    #[test]
    fn a_malformed_offer_is_declined_and_a_malformed_answer_refused() {
        for text in MALFORMED {
            assert_eq!(Deflate::new().answer(params(text)), None, "{text}");
            assert_eq!(Deflate::new().check(params(text)), None, "{text}");
        }
    }

    #[test]
    fn a_server_answers_within_the_offer_and_its_own_limits() {
        let any = Deflate::new();
        let mut cases = vec![
            (any.clone(), "", Some("".to_string())),
            (any.clone(), "client_max_window_bits", Some("".into())),
            (any.clone(), "client_max_window_bits=15", Some("client_max_window_bits=15".into())),
            (any.clone(), "server_no_context_takeover", Some("server_no_context_takeover".into())),
            (any.clone(), "client_no_context_takeover", Some("client_no_context_takeover".into())),
        ];
        for bits in MIN_BITS..=MAX_BITS {
            for own in MIN_BITS..=MAX_BITS {
                let small = any.clone().server_max_window_bits(own).client_max_window_bits(own);
                for side in ["server", "client"] {
                    let offered = params_of(side, bits);
                    let answered = server_answer(side, bits.min(own), own);
                    let offer: &str = Box::leak(
                        format!(
                            "{offered}{}",
                            if side == "server" { "; client_max_window_bits" } else { "" }
                        )
                        .into(),
                    );
                    cases.push((small.clone(), offer, Some(answered)));
                }
            }
        }
        for (server, offer, expected) in cases {
            assert_eq!(answer(&server, offer), expected, "{offer} to {server:?}");
        }
    }

    fn params_of(side: &str, bits: u8) -> String {
        format!("{side}_max_window_bits={bits}")
    }

    /// What a server limited to `own` both ways answers to a limit for one side, which comes out as `bits`.
    fn server_answer(side: &str, bits: u8, own: u8) -> String {
        let other = (own < MAX_BITS).then_some(own);
        let (server, client) = if side == "server" { (Some(bits), other) } else { (other, Some(bits)) };
        let said = [("server", server), ("client", client)];
        let said = said.iter().filter_map(|&(side, bits)| Some(params_of(side, bits?)));
        said.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_limit_that_a_client_cannot_be_told_declines_its_offer() {
        let server = Deflate::new().client_max_window_bits(10);
        assert_eq!(answer(&server, "server_no_context_takeover"), None);
        assert_eq!(answer(&server, "client_max_window_bits").as_deref(), Some("client_max_window_bits=10"));
    }

    #[test]
    fn an_offer_says_what_the_client_wants_and_can() {
        assert_eq!(Deflate::new().offer(), "permessage-deflate; client_max_window_bits");
        let client = Deflate::new().server_no_context_takeover(true).client_no_context_takeover(true);
        assert_eq!(
            client.server_max_window_bits(9).client_max_window_bits(10).offer(),
            "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
             server_max_window_bits=9; client_max_window_bits=10",
        );
    }

    #[test]
    fn an_answer_must_grant_what_was_asked_for() {
        let client = Deflate::new().server_no_context_takeover(true).server_max_window_bits(10);
        for (answer, is_right) in [
            ("server_no_context_takeover; server_max_window_bits=10", true),
            ("server_no_context_takeover; server_max_window_bits=8", true),
            ("server_no_context_takeover; server_max_window_bits=11", false),
            ("server_no_context_takeover", false),
            ("server_max_window_bits=10", false),
            ("", false),
        ] {
            assert_eq!(client.check(params(answer)).is_some(), is_right, "{answer}");
        }
    }

    #[test]
    fn an_answer_may_say_more_than_was_asked_for() {
        let all = "server_no_context_takeover; client_no_context_takeover; \
                   server_max_window_bits=8; client_max_window_bits=9";
        let params = Deflate::new().client_max_window_bits(8).check(params(all)).unwrap();
        assert_eq!(params.to_string(), format!("{}; {all}", Params::NAME));
        assert_eq!((params.max_window_bits(Role::Server), params.max_window_bits(Role::Client)), (8, 9));
        assert!(params.no_context_takeover(Role::Server) && params.no_context_takeover(Role::Client));
    }

    #[test]
    fn client_max_window_bits_needs_a_value_in_an_answer() {
        assert_eq!(Deflate::new().check(params("client_max_window_bits")), None);
    }

    #[test]
    fn every_offer_of_ours_is_answered_and_every_answer_accepted() {
        let sides = || [8, 12, 15].into_iter().flat_map(|bits| [(bits, false), (bits, true)]);
        let configs: Vec<_> = sides()
            .flat_map(|(server_bits, server)| {
                sides().map(move |(client_bits, client)| (server_bits, server, client_bits, client))
            })
            .map(|(server_bits, server, client_bits, client)| {
                Deflate::new()
                    .server_max_window_bits(server_bits)
                    .server_no_context_takeover(server)
                    .client_max_window_bits(client_bits)
                    .client_no_context_takeover(client)
            })
            .collect();
        for client in &configs {
            for server in &configs {
                let offer = client.offer();
                let answer = server.answer(params(offer.strip_prefix(Params::NAME).unwrap())).unwrap();
                let text = answer.to_string();
                let seen = client.check(params(text.strip_prefix(Params::NAME).unwrap()));
                assert_eq!(seen, Some(answer), "{offer} -> {text}");
            }
        }
    }
}
