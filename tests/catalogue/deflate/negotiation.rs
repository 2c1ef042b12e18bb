//! What is offered, and what is answered. "pmd" stands for `permessage-deflate`.

use crate::hc::R101;
use crate::hs::R0;
use crate::support::end::End;
use crate::support::wire::{RawFrame, frame, frames, peer_key};
use bytes::Buf;
use sansocket::handshake::{client, server};
use sansocket::{Config, Deflate, ProtocolError, Role};

/// Written out.
fn spelt<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> impl Iterator<Item = String> {
    values.into_iter().map(|value| value.as_ref().replace("pmd", "permessage-deflate"))
}

mod offers {
    use crate::hs::{R0, accepted, accepted_with, check, refused, with};
    use sansocket::handshake::server::Options;
    use sansocket::{Config, Deflate};

    const MALFORMED: [&str; 27] = [
        "server_max_window_bits",
        "server_max_window_bits=7",
        "server_max_window_bits=16",
        "server_max_window_bits=08",
        "server_max_window_bits=+9",
        "server_max_window_bits=0x9",
        "server_max_window_bits=10.0",
        "server_max_window_bits=-9",
        "server_max_window_bits=100000000000000000000",
        "server_max_window_bits=\"16\"",
        "server_max_window_bits=10; server_max_window_bits=10",
        "client_max_window_bits=7",
        "client_max_window_bits=16",
        "client_max_window_bits=08",
        "client_max_window_bits=+9",
        "client_max_window_bits=0x9",
        "client_max_window_bits=10.0",
        "client_max_window_bits=-9",
        "client_max_window_bits=100000000000000000000",
        "client_max_window_bits; client_max_window_bits",
        "server_no_context_takeover=1",
        "client_no_context_takeover=true",
        "server_no_context_takeover; server_no_context_takeover",
        "client_no_context_takeover; client_no_context_takeover",
        "unknown",
        "unknown=1; server_no_context_takeover",
        "Server_No_Context_Takeover",
    ];

    fn to_server<S: AsRef<str>>(
        deflate: Deflate,
        offers: impl IntoIterator<Item = S>,
    ) -> Vec<crate::hs::Case> {
        let options = Options::new().config(Config::new().deflate(deflate));
        with(options, R0.and_field("Sec-WebSocket-Extensions", super::spelt(offers)))
    }

    fn offered<S: AsRef<str>>(offers: impl IntoIterator<Item = S>) -> Vec<crate::hs::Case> {
        to_server(Deflate::new(), offers)
    }

    fn answered(params: &str) -> crate::hs::Expected {
        accepted_with(&format!("Sec-WebSocket-Extensions: permessage-deflate{params}"))
    }

    #[test]
    fn d_01_each_window_is_granted() {
        for (bits, side) in (8..=15).flat_map(|bits| ["server", "client"].map(|side| (bits, side))) {
            let granted = answered(&format!("; {side}_max_window_bits={bits}"));
            let spelt = [format!("={bits}"), format!("=\"{bits}\""), format!(" = {bits}")];
            for case in offered(spelt.map(|value| format!("pmd; {side}_max_window_bits{value}"))) {
                check("d_01", case, &granted);
            }
        }
    }

    rows! {
        // As where no extension is supported.
        hs_18_malformed_extensions_beside_one_that_is_supported {
            offered([
                ";", ",;constructor", "a;", "a;=", "a=b", "a b", "a; b=", "a; b c", "a@b",
                "a; b=\"unterminated", "", "pmd;", "pmd; server_max_window_bits=", "pmd, a b", "a b, pmd",
            ]) => refused(400);
            offered(["pmd; p=\"".to_owned() + &r"\\".repeat(3_000)]) => refused(400);
        }
        hs_17_unknown_extensions_beside_one_that_is_supported {
            offered(["x-foo", "x-foo; a; b=1, bar", "x-foo; a=\"q\"", "x-webkit-deflate-frame", "constructor",
                "__proto__; hasOwnProperty"]) => accepted();
        }
        d_01_a_plain_offer {
            offered(["pmd", " pmd ,", "pmd; client_max_window_bits"])
                => answered("");
            offered(["x-foo, pmd", "x-foo; a=1\r\nSec-WebSocket-Extensions: pmd"])
                => answered("");
            with(Options::new(), R0.and_field("Sec-WebSocket-Extensions", ["permessage-deflate"]))
                => accepted();
            offered(["x-foo", "x-pmd", "pmd-frame", "Permessage-Deflate"]) => accepted();
            with(Options::new().config(Config::new().deflate(Deflate::new())), [R0.0]) => accepted();
        }
        d_01_context_takeover {
            offered(["pmd; server_no_context_takeover"])
                => answered("; server_no_context_takeover");
            offered(["pmd; client_no_context_takeover"])
                => answered("; client_no_context_takeover");
            offered(["pmd;client_no_context_takeover ; server_no_context_takeover"])
                => answered("; server_no_context_takeover; client_no_context_takeover");
            to_server(Deflate::new().server_no_context_takeover(true), ["pmd"])
                => answered("; server_no_context_takeover");
            to_server(Deflate::new().client_no_context_takeover(true), ["pmd"])
                => answered("; client_no_context_takeover");
        }
        d_01_the_servers_window {
            offered(["pmd; server_max_window_bits=15", "pmd; server_max_window_bits=\"15\""])
                => answered("; server_max_window_bits=15");
            offered(["pmd; server_max_window_bits=10", "pmd; server_max_window_bits=\"1\\0\""])
                => answered("; server_max_window_bits=10");
            offered(["pmd; server_max_window_bits=8"]) => answered("; server_max_window_bits=8");
            to_server(Deflate::new().server_max_window_bits(9), ["pmd; server_max_window_bits=12"])
                => answered("; server_max_window_bits=9");
            to_server(Deflate::new().server_max_window_bits(9), ["pmd"])
                => answered("; server_max_window_bits=9");
        }
        d_01_the_clients_window {
            offered(["pmd; client_max_window_bits=8"]) => answered("; client_max_window_bits=8");
            offered(["pmd; client_max_window_bits=\"10\""]) => answered("; client_max_window_bits=10");
            to_server(Deflate::new().client_max_window_bits(9), ["pmd; client_max_window_bits"])
                => answered("; client_max_window_bits=9");
            to_server(Deflate::new().client_max_window_bits(9), ["pmd; client_max_window_bits=8"])
                => answered("; client_max_window_bits=8");
            // It cannot be told.
            to_server(Deflate::new().client_max_window_bits(9), ["pmd"]) => accepted();
        }
        d_01_malformed_offers_are_declined {
            offered(MALFORMED.map(|params| format!("pmd; {params}"))) => accepted();
            offered(MALFORMED.map(|params| format!("pmd; {params}, pmd; {params}")))
                => accepted();
        }
        d_01_the_first_good_offer_counts {
            offered(MALFORMED.map(|params| {
                format!("pmd; {params}, pmd; server_max_window_bits=9, pmd")
            })) => answered("; server_max_window_bits=9");
            offered(MALFORMED.map(|params| {
                format!("pmd; {params}\r\nSec-WebSocket-Extensions: pmd")
            })) => answered("");
        }
    }
}

mod answers {
    use crate::hc::{Case, R101, check, configured, fails, open_compressed};
    use sansocket::{Config, Deflate, HandshakeError};

    fn answered<S: AsRef<str>>(deflate: Deflate, answers: impl IntoIterator<Item = S>) -> Vec<Case> {
        configured(
            &Config::new().deflate(deflate),
            R101.and_field("Sec-WebSocket-Extensions", super::spelt(answers)),
        )
    }

    fn wrong() -> crate::hc::Expected {
        fails(HandshakeError::Extension("".into()))
    }

    rows! {
        hc_07_answers_to_an_offer {
            configured(&Config::new().deflate(Deflate::new()), [R101.0]) => open_compressed("");
            answered(Deflate::new(), ["pmd", ", pmd\t"])
                => open_compressed("permessage-deflate");
            answered(Deflate::new(), ["pmd; client_max_window_bits=\"8\";server_no_context_takeover"])
                => open_compressed("permessage-deflate; server_no_context_takeover; client_max_window_bits=8");
            answered(Deflate::new(), ["pmd; server_max_window_bits=15; client_no_context_takeover"])
                => open_compressed("permessage-deflate; client_no_context_takeover; server_max_window_bits=15");
            answered(Deflate::new().client_max_window_bits(9), ["pmd; client_max_window_bits=12"])
                => open_compressed("permessage-deflate; client_max_window_bits=12");
        }
        hc_07_malformed_answers_to_an_offer {
            answered(Deflate::new(), [
                "", ",", "x-foo", "pmd, x-foo", "pmd, pmd",
                "pmd\r\nSec-WebSocket-Extensions: pmd",
                "pmd\r\nSec-WebSocket-Extensions: ", "pmd; unknown", "pmd;",
                "pmd; server_no_context_takeover; server_no_context_takeover",
                "pmd; server_no_context_takeover=1", "pmd; client_no_context_takeover=1",
                "pmd; server_max_window_bits", "pmd; server_max_window_bits=7",
                "pmd; server_max_window_bits=16", "pmd; server_max_window_bits=08",
                "pmd; server_max_window_bits=-1", "pmd; server_max_window_bits=abc",
                "pmd; server_max_window_bits=100000000000000000000",
                "pmd; client_max_window_bits", "pmd; client_max_window_bits=16",
                "pmd; client_max_window_bits=08", "Permessage-deflate", "pmd; =",
            ]) => wrong();
        }
        hc_07_answers_that_do_not_grant_what_was_asked_for {
            answered(Deflate::new().server_no_context_takeover(true), [
                "pmd", "pmd; client_no_context_takeover",
            ]) => wrong();
            answered(Deflate::new().server_max_window_bits(10), [
                "pmd", "pmd; server_max_window_bits=11",
            ]) => wrong();
            answered(Deflate::new().server_max_window_bits(10), ["pmd; server_max_window_bits=9"])
                => open_compressed("permessage-deflate; server_max_window_bits=9");
        }
    }
}

/// RFC 6455 §9.1: "the client is only offering to use any advertised extensions and MUST NOT use them unless
/// the server indicates that it wishes to use the extension." And so for a server to which nothing was
/// offered.
#[test]
fn d_14_nothing_is_compressed_unless_the_server_agrees() {
    let config = || Config::new().deflate(Deflate::new().threshold(0));
    let request = client::Request::new("ws://a.example/chat").unwrap();
    let mut handshake = client::Handshake::with_nonce(request, config(), *b"the sample nonce");
    let offer = "\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
    assert!(str::from_utf8(handshake.output()).unwrap().contains(offer));
    handshake.receive(R101.0.as_bytes()).unwrap();
    let (client, _) = handshake.open().unwrap();

    let mut handshake = server::Handshake::new(server::Options::new().config(config()));
    handshake.receive(R0.0.as_bytes()).unwrap();
    let (mut server, _) = handshake.accept().unwrap();
    let response = server.output().remaining();
    server.output().advance(response);

    for (role, connection) in [(Role::Client, client), (Role::Server, server)] {
        assert_eq!(connection.extensions(), "");
        let mut end = End { connection, ..End::new(role, Config::new()) };
        let message = "a".repeat(100);
        end.connection.send(&message).unwrap();
        let written = frames(&end.write_all());
        let [RawFrame { first: 0x81, payload, .. }] = &written[..] else { panic!("{written:02X?}") };
        assert_eq!(payload, message.as_bytes());
        end.receive(&frame(0xC1, peer_key(role), b"\xF2\x48\xCD\xC9\xC9\x07\x00"));
        assert_eq!((&end.seen[..], end.error), (&[][..], Some(ProtocolError::ReservedBits)));
    }
}
