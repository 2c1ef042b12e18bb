//! What an application sends is what the other one gets.

use super::{Kind, config, delivery, role, size};
use crate::support::end::Seen;
use crate::support::pair::Pair;
use crate::support::random::Xorshift;
use bytes::Bytes;
use proptest::prelude::*;
use sansocket::{Config, Connection, Message, PreparedMessage, Role, SendError};

/// A call of the application's.
#[derive(Clone, Debug)]
enum Call {
    Send(How, Kind, usize),
    /// A message cut at random, with a ping behind each part.
    Fragments(Kind, usize),
    Ping(usize),
    Pong(usize),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Borrowed,
    Owned,
    /// Owned by somebody else too, so that it must not be masked in place.
    Shared,
    Prepared,
}

fn call() -> impl Strategy<Value = Call> {
    use How::*;
    let how = || prop::sample::select(vec![Borrowed, Owned, Shared, Prepared]);
    let kind = || prop::sample::select(vec![Kind::Text, Kind::Binary]);
    prop_oneof![
        6 => (how(), kind(), size()).prop_map(|(how, kind, size)| Call::Send(how, kind, size)),
        2 => (kind(), size()).prop_map(|(kind, size)| Call::Fragments(kind, size)),
        1 => (0_usize..=125).prop_map(Call::Ping),
        1 => (0_usize..=125).prop_map(Call::Pong),
    ]
}

/// Makes the call, and returns what the peer must see of it.
fn make(call: &Call, connection: &mut Connection, random: &mut Xorshift) -> Result<Vec<Seen>, SendError> {
    let mut seen = Vec::new();
    match *call {
        Call::Send(how, kind, size) => {
            let message = kind.message(size, random);
            seen.push(whole(&message));
            match how {
                How::Borrowed => connection.send(&message)?,
                How::Owned => connection.send(message)?,
                How::Shared => {
                    connection.send(message.clone())?;
                    assert_eq!(seen, [whole(&message)], "somebody else's bytes were changed");
                }
                How::Prepared => connection.send_prepared(&PreparedMessage::from(&message))?,
            }
        }
        Call::Fragments(kind, size) => {
            let message = kind.message(size, random);
            let mut rest = message.as_bytes();
            loop {
                let mut cut = random.below(rest.len() + 1);
                let fin = random.below(4) == 0;
                while matches!(kind, Kind::Text) && str::from_utf8(&rest[..cut]).is_err() {
                    cut -= 1;
                }
                let (part, later) = rest.split_at(if fin { rest.len() } else { cut });
                match kind {
                    Kind::Text => connection.send_fragment(str::from_utf8(part).unwrap(), fin)?,
                    Kind::Binary => connection.send_fragment(Bytes::copy_from_slice(part), fin)?,
                }
                if fin {
                    seen.push(whole(&message));
                    break;
                }
                connection.ping(b"between")?;
                seen.push(Seen::Ping(b"between".into()));
                rest = later;
            }
        }
        Call::Ping(len) => {
            let payload = random.bytes(len);
            connection.ping(&payload)?;
            seen.push(Seen::Ping(payload));
        }
        Call::Pong(len) => {
            let payload = random.bytes(len);
            connection.pong(&payload)?;
            seen.push(Seen::Pong(payload));
        }
    }
    Ok(seen)
}

fn whole(message: &Message) -> Seen {
    match message {
        Message::Text(text) => Seen::Text(text.as_str().to_owned()),
        Message::Binary(bytes) => Seen::Binary(bytes.to_vec()),
    }
}

/// What was sent, without the pongs: those that answer pings come when they come.
fn without_pongs(seen: &[Seen]) -> Vec<&Seen> {
    seen.iter().filter(|seen| !matches!(seen, Seen::Pong(_))).collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_arrives_is_what_was_sent_in_its_order(
        from_client in prop::collection::vec(call(), 0..12),
        from_server in prop::collection::vec(call(), 0..12),
        fragment_size in prop::option::of(prop_oneof![1_usize..200, 1_000_usize..100_000]),
        delivery in delivery(),
        capacity in 1_usize..100_000,
        first in role(),
        seed: u64,
    ) {
        let mut config = Config::new().high_water_mark(usize::MAX).max_fragments(u32::MAX);
        if let Some(size) = fragment_size {
            config = config.fragment_size(size);
        }
        let mut pair = Pair::new(&config, delivery);
        let mut random = Xorshift::new(seed);
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        for i in 0..from_client.len().max(from_server.len()) {
            pair.server.incoming.capacity = 1 + random.below(capacity);
            for (role, calls, sent) in [
                (Role::Client, &from_client, &mut to_server),
                (Role::Server, &from_server, &mut to_client),
            ] {
                if let Some(call) = calls.get(i) {
                    sent.extend(make(call, &mut pair.end(role).connection, &mut random).unwrap());
                }
                pair.step();
            }
        }
        pair.end(first).connection.close(None).unwrap();
        pair.run();
        for sent in [&mut to_server, &mut to_client] {
            sent.push(Seen::Close(None));
        }
        prop_assert_eq!(without_pongs(&pair.server.seen), without_pongs(&to_server));
        prop_assert_eq!(without_pongs(&pair.client.seen), without_pongs(&to_client));
        prop_assert_eq!((pair.client.error, pair.server.error), (None, None));
        prop_assert!(pair.client.connection.close_info().unwrap().clean);
        prop_assert!(pair.server.connection.close_info().unwrap().clean);
    }
}
