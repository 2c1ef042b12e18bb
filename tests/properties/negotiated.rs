//! What two handshakes agree on, and what a handshake makes of any `Sec-WebSocket-Extensions` at all.

use super::compressed::{side, size};
use super::{config, delivery};
use crate::support::end::{End, Seen};
use crate::support::extensions::{answered, elements, valid};
use crate::support::pair::Pair;
use crate::support::random::Xorshift;
use crate::support::repeats::repeats;
use proptest::prelude::*;
use sansocket::handshake::accept_key;
use sansocket::handshake::client::{self, Request};
use sansocket::handshake::server::{self, Options};
use sansocket::{Config, Connection, Deflate, Role};

const NONCE: [u8; 16] = *b"the sample nonce";
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

fn with(deflate: Option<&Deflate>) -> Config {
    let config = Config::new().high_water_mark(usize::MAX);
    match deflate {
        Some(deflate) => config.deflate(deflate.clone()),
        None => config,
    }
}

/// The client's connection and the server's, by way of the bytes of both handshakes.
fn handshake(client: Option<&Deflate>, server: Option<&Deflate>) -> (Connection, Connection) {
    let request = Request::new("ws://localhost/").unwrap();
    let mut client = client::Handshake::new(request, with(client)).unwrap();
    let mut server = server::Handshake::new(Options::new().config(with(server)));
    server.receive(&client.output().split_off(0)).unwrap().expect("the whole request");
    let mut server = End::of(server.accept().unwrap().0);
    client.receive(&server.write_all()).unwrap().expect("the whole response");
    (client.open().unwrap().0, server.connection)
}

/// Pieces of the grammar in any order, mostly one that makes sense.
fn field() -> impl Strategy<Value = String> {
    let name =
        prop_oneof![6 => Just("permessage-deflate"), 1 => Just("x-foo"), 1 => Just("Permessage-Deflate")];
    let bits = prop::sample::select(vec![
        "8", "9", "15", "10", "7", "16", "08", "+8", "\"12\"", "\"1\\1\"", "\"", "\"a b\"", "", "x",
    ]);
    let param = prop_oneof![
        4 => prop::sample::select(vec![
            "server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits",
            "server_max_window_bits", "unknown", "client_no_context_takeover=1", "",
        ]).prop_map(str::to_owned),
        4 => (prop::sample::select(vec!["server", "client"]), bits)
            .prop_map(|(side, bits)| format!("{side}_max_window_bits={bits}")),
    ];
    let space = prop::sample::select(vec!["", "", " ", "\t", " \t "]);
    let element = (name, prop::collection::vec((space.clone(), space.clone(), param), 0..4)).prop_map(
        |(name, params)| {
            params.iter().fold(name.to_owned(), |element, (before, after, param)| {
                format!("{element}{before};{after}{param}")
            })
        },
    );
    let noise = prop_oneof![
        6 => Just(String::new()),
        1 => prop::sample::select(vec![",", " ", ";", "=", "\"", "\\", "@", "a", "\",\"", ", ,", "/"]).prop_map(str::to_owned),
    ];
    prop::collection::vec((noise, prop_oneof![8 => element, 1 => Just(String::new())], space), 0..4).prop_map(
        |elements| {
            let elements: Vec<_> = elements
                .iter()
                .map(|(noise, element, space)| format!("{noise}{space}{element}{space}"))
                .collect();
            elements.join(",")
        },
    )
}

fn request(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!(
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n"
    ).into_bytes();
    add(&mut bytes, lines);
    bytes
}

fn response(lines: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n",
        accept_key(KEY.as_bytes()),
    ).into_bytes();
    add(&mut bytes, lines);
    bytes
}

fn add(bytes: &mut Vec<u8>, lines: &[Vec<u8>]) {
    for line in lines {
        bytes.extend_from_slice(b"Sec-WebSocket-Extensions: ");
        bytes.extend_from_slice(line);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
}

/// The extensions of the connection that a server makes of it, if it accepts it.
fn serve(lines: &[Vec<u8>], deflate: Option<&Deflate>) -> Option<String> {
    let mut handshake = server::Handshake::new(Options::new().config(with(deflate)));
    handshake.receive(&request(lines)).ok()?.expect("the whole request");
    Some(handshake.accept().expect("what is offered can be answered").0.extensions().to_owned())
}

/// The same for a client and an answer.
fn open(lines: &[Vec<u8>], deflate: Option<&Deflate>) -> Option<String> {
    let request = Request::new("ws://a/").unwrap();
    let mut handshake = client::Handshake::with_nonce(request, with(deflate), NONCE);
    handshake.receive(&response(lines)).ok()?.expect("the whole response");
    Some(handshake.open().unwrap().0.extensions().to_owned())
}

fn bytes(lines: &[String]) -> Vec<Vec<u8>> {
    lines.iter().map(|line| line.clone().into_bytes()).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn two_handshakes_agree_and_what_they_agree_on_works(
        client in prop::option::weighted(0.9, side()),
        server in prop::option::weighted(0.9, side()),
        sizes in prop::collection::vec(size(), 1..8),
        delivery in delivery(),
        seed: u64,
    ) {
        let (client, server) = (client.map(|side| side.deflate), server.map(|side| side.deflate));
        let (by_client, by_server) = handshake(client.as_ref(), server.as_ref());
        prop_assert_eq!(by_client.extensions(), by_server.extensions());
        prop_assert_eq!(by_client.extensions().is_empty(), client.is_none() || server.is_none());
        if let (Some(client), Some(server)) = (&client, &server) {
            let agreed = Some(by_client.extensions().to_owned());
            for own in [client.params(), server.params()] {
                for role in [Role::Client, Role::Server] {
                    let said = format!("{}_no_context_takeover", if role == Role::Client { "client" } else { "server" });
                    prop_assert!(!own.no_context_takeover(role) || agreed.as_ref().unwrap().contains(&said));
                }
            }
            // The text is all of it: who reads it as an answer, or as an offer, gets the same.
            let line = bytes(&[agreed.clone().unwrap()]);
            prop_assert_eq!(open(&line, Some(client)), agreed.clone());
            let says_of_client = agreed.as_ref().unwrap().contains("client_max_window_bits");
            prop_assert!(says_of_client || client.params().max_window_bits(Role::Client) == 15);
            prop_assert_eq!(serve(&line, Some(&Deflate::new())), agreed);
        }
        let mut pair = Pair::of(End::of(by_client), End::of(by_server), delivery);
        let (mut random, mut past, mut sent) = (Xorshift::new(seed), Vec::new(), Vec::new());
        for (i, &size) in sizes.iter().enumerate() {
            let message = repeats(size, &mut past, &mut random);
            for role in [Role::Client, Role::Server] {
                let connection = &mut pair.end(role).connection;
                connection.send(&message).unwrap();
                if (seed >> (2 * i)) & 3 == 0 {
                    connection.release_buffers();
                }
            }
            sent.push(Seen::Binary(message));
            pair.step();
        }
        pair.run();
        prop_assert_eq!((pair.client.error, pair.server.error), (None, None));
        prop_assert_eq!(&pair.client.seen, &sent);
        prop_assert_eq!(&pair.server.seen, &sent);
    }

    #[test]
    fn an_offer_is_judged_by_the_grammar_and_answered_by_the_first_that_is_valid(lines in prop::collection::vec(field(), 1..3)) {
        let read: Option<Vec<_>> = lines.iter().map(|line| elements(line)).collect();
        let read = read.map(|lines| lines.concat()).filter(|elements| !elements.is_empty());
        let expected = read.map(|elements| {
            elements.iter().find_map(valid).map(|offer| answered(&offer)).unwrap_or_default()
        });
        let lines = bytes(&lines);
        prop_assert_eq!(serve(&lines, None), expected.is_some().then(String::new));
        prop_assert_eq!(serve(&lines, Some(&Deflate::new())), expected);
    }

    #[test]
    fn an_answer_is_taken_if_it_is_the_only_one_and_valid(lines in prop::collection::vec(field(), 1..3)) {
        let read: Option<Vec<_>> = lines.iter().map(|line| elements(line).filter(|elements| !elements.is_empty())).collect();
        let expected = read.and_then(|lines| match &lines.concat()[..] {
            [one] => valid(one).filter(|said| !said.contains(&("client_max_window_bits".into(), None))),
            _ => None,
        });
        let expected = expected.map(|said| answered(&said));
        let lines = bytes(&lines);
        prop_assert_eq!(open(&lines, None), None);
        prop_assert_eq!(open(&lines, Some(&Deflate::new())), expected);
    }

    #[test]
    fn no_field_at_all_makes_a_handshake_panic(
        lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..4),
        ours in side(),
    ) {
        for deflate in [None, Some(&ours.deflate)] {
            let read: Vec<_> = lines.iter().map(|line| str::from_utf8(line).ok().and_then(elements)).collect();
            let is_plain = lines.iter().all(|line| line.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t')));
            let served = serve(&lines, deflate);
            if is_plain && !lines.is_empty() {
                let is_right = read.iter().all(Option::is_some) && read.iter().flatten().flatten().count() > 0;
                prop_assert_eq!(served.is_some(), is_right);
            }
            open(&lines, deflate);
        }
    }
}
