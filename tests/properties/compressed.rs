//! What two connections say to each other with permessage-deflate, whatever they have agreed on.

use super::any_bytes::joined;
use super::{Kind, config, delivery, role};
use crate::support::delivery::Delivery;
use crate::support::end::{End, Seen};
use crate::support::inflate;
use crate::support::pair::Pair;
use crate::support::random::Xorshift;
use crate::support::repeats::repeats;
use crate::support::wire::frames;
use bytes::Bytes;
use proptest::prelude::*;
use sansocket::deflate::Params;
use sansocket::{Agreement, Config, Deflate, Message, Outgoing, PreparedMessage, Role};

/// A call of the application's, on one end of one of the pairs.
#[derive(Clone, Copy, Debug)]
enum Call {
    Send {
        how: How,
        compress: bool,
        kind: Kind,
        size: usize,
    },
    /// A message cut at random, with a ping or a release of buffers behind some parts.
    Fragments {
        compress: bool,
        kind: Kind,
        size: usize,
    },
    /// One of the messages that all pairs share.
    Prepared(usize),
    Ping(usize),
    Release,
    /// Let so many pieces through.
    Steps(usize),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Borrowed,
    Owned,
    /// Owned by somebody else too.
    Shared,
}

/// Most small, some larger than the largest window.
pub(super) fn size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0_usize..300, 4 => 0_usize..5_000, 1 => 0_usize..70_000]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(vec![Kind::Text, Kind::Binary])
}

fn call() -> impl Strategy<Value = Call> {
    let how = prop::sample::select(vec![How::Borrowed, How::Owned, How::Shared]);
    let compress = || prop::bool::weighted(0.8);
    prop_oneof![
        6 => (how, compress(), kind(), size())
            .prop_map(|(how, compress, kind, size)| Call::Send { how, compress, kind, size }),
        2 => (compress(), kind(), size())
            .prop_map(|(compress, kind, size)| Call::Fragments { compress, kind, size }),
        2 => (0_usize..4).prop_map(Call::Prepared),
        1 => (0_usize..=125).prop_map(Call::Ping),
        2 => Just(Call::Release),
        1 => (0_usize..20).prop_map(Call::Steps),
    ]
}

/// How one side compresses.
#[derive(Clone, Debug)]
pub(super) struct Side {
    pub(super) deflate: Deflate,
    threshold: usize,
}

/// Any wishes of one side.
pub(super) fn side() -> impl Strategy<Value = Side> {
    let bits = || prop_oneof![4 => 8_u8..=9, 2 => 10_u8..=14, 1 => Just(15_u8)];
    let threshold = prop::sample::select(vec![0, 1, 64, 1_000]);
    (0_u8..=9, threshold, any::<(bool, bool)>(), bits(), bits()).prop_map(
        |(level, threshold, (server, client), server_bits, client_bits)| {
            let deflate = Deflate::new()
                .level(level)
                .threshold(threshold)
                .server_no_context_takeover(server)
                .client_no_context_takeover(client)
                .server_max_window_bits(server_bits)
                .client_max_window_bits(client_bits);
            Side { deflate, threshold }
        },
    )
}

/// One of the pairs.
#[derive(Clone, Debug)]
struct Terms {
    client: Side,
    server: Side,
    agreed: Params,
    fragment_size: Option<usize>,
    streaming: bool,
    owning: bool,
    delivery: Delivery,
    capacity: usize,
}

fn terms() -> impl Strategy<Value = Terms> {
    let fragment_size = prop::option::of(prop_oneof![1_usize..200, 1_000_usize..100_000]);
    let delivery = prop_oneof![5 => delivery(), 1 => Just(Delivery::ByteByByte)];
    let agreed = side().prop_map(|side| side.deflate.params());
    let sides = (side(), side(), agreed);
    (sides, fragment_size, any::<(bool, bool)>(), delivery, 1_usize..100_000).prop_map(
        |((client, server, agreed), fragment_size, (streaming, owning), delivery, capacity)| Terms {
            client,
            server,
            agreed,
            fragment_size,
            streaming,
            owning,
            delivery,
            capacity,
        },
    )
}

/// A message that is like others before it; a text has a character for each byte.
fn message(kind: Kind, size: usize, past: &mut Vec<u8>, random: &mut Xorshift) -> Message {
    let bytes = repeats(size, past, random);
    match kind {
        Kind::Text => Message::text(bytes.into_iter().map(char::from).collect::<String>()),
        Kind::Binary => Message::binary(bytes),
    }
}

/// What an end has sent: the messages, and whether they were to be compressed; and all that the peer has to see.
#[derive(Debug, Default)]
struct Sent {
    messages: Vec<(Message, bool)>,
    seen: Vec<Seen>,
}

impl Sent {
    fn message(&mut self, message: &Message, is_compressed: bool) {
        self.messages.push((message.clone(), is_compressed));
        self.seen.push(match message {
            Message::Text(text) => Seen::Text(text.as_str().to_owned()),
            Message::Binary(bytes) => Seen::Binary(bytes.to_vec()),
        });
    }
}

/// A call with all that it needs.
#[derive(Debug)]
enum Action {
    Send(How, bool, Message),
    /// The message; its parts.
    Fragments(bool, Message, Vec<Message>),
    Prepared(usize),
    Ping(Vec<u8>),
    Release,
    Steps(usize),
}

fn plan(call: Call, past: &mut Vec<u8>, random: &mut Xorshift) -> Action {
    match call {
        Call::Send { how, compress, kind, size } => {
            Action::Send(how, compress, message(kind, size, past, random))
        }
        Call::Fragments { compress, kind, size } => {
            let message = message(kind, size, past, random);
            Action::Fragments(compress, message.clone(), parts(&message, random))
        }
        Call::Prepared(index) => Action::Prepared(index),
        Call::Ping(len) => Action::Ping(random.bytes(len)),
        Call::Release => Action::Release,
        Call::Steps(count) => Action::Steps(count),
    }
}

/// A message cut at random, texts between characters; parts may be empty.
fn parts(message: &Message, random: &mut Xorshift) -> Vec<Message> {
    let (mut parts, mut rest) = (Vec::new(), message.as_bytes());
    loop {
        let fin = random.below(4) == 0;
        let mut cut = if fin { rest.len() } else { random.below(rest.len() + 1) };
        while message.as_text().is_some() && str::from_utf8(&rest[..cut]).is_err() {
            cut -= 1;
        }
        let (part, later) = rest.split_at(cut);
        parts.push(match message {
            Message::Text(_) => Message::text(str::from_utf8(part).unwrap().to_owned()),
            Message::Binary(_) => Message::binary(Bytes::copy_from_slice(part)),
        });
        if fin {
            return parts;
        }
        rest = later;
    }
}

fn outgoing<'m>(message: impl Into<Outgoing<'m>>, compress: bool) -> Outgoing<'m> {
    if compress { message.into() } else { message.into().uncompressed() }
}

impl Side {
    /// Whether a message with these parts is compressed.
    fn wants<T: AsRef<[u8]>>(&self, compress: bool, parts: &[T]) -> bool {
        compress && (parts.len() > 1 || parts[0].as_ref().len() >= self.threshold)
    }
}

/// Does it, and notes what was sent.
fn act(
    action: &Action,
    pair: &mut Pair,
    role: Role,
    own: &Side,
    shared: &[Shared],
    sent: &mut Sent,
    random: &mut Xorshift,
) {
    let connection = &mut pair.end(role).connection;
    match action {
        Action::Send(how, compress, message) => {
            match how {
                How::Borrowed => connection.send(outgoing(message, *compress)),
                How::Owned => match message {
                    Message::Text(text) => connection.send(outgoing(text.as_str().to_owned(), *compress)),
                    Message::Binary(bytes) => connection.send(outgoing(bytes.to_vec(), *compress)),
                },
                How::Shared => connection.send(outgoing(message.clone(), *compress)),
            }
            .unwrap();
            sent.message(message, own.wants(*compress, &[message.as_bytes()]));
        }
        Action::Fragments(compress, message, parts) => {
            for (i, part) in parts.iter().enumerate() {
                let fin = i + 1 == parts.len();
                let connection = &mut pair.end(role).connection;
                // Only what the first part says counts.
                let says = if i == 0 { *compress } else { random.below(2) == 0 };
                connection.send_fragment(outgoing(part, says), fin).unwrap();
                if fin {
                    sent.message(
                        message,
                        own.wants(*compress, &parts.iter().map(Message::as_bytes).collect::<Vec<_>>()),
                    );
                    break;
                }
                match random.below(4) {
                    0 => {
                        connection.ping(b"between").unwrap();
                        sent.seen.push(Seen::Ping(b"between".into()));
                    }
                    1 => connection.release_buffers(),
                    2 => {
                        pair.step();
                    }
                    _ => {}
                }
            }
        }
        Action::Prepared(index) => {
            let Shared { prepared, message, compress } = &shared[*index];
            connection.send_prepared(prepared).unwrap();
            sent.message(message, own.wants(*compress, &[message.as_bytes()]));
        }
        Action::Ping(payload) => {
            connection.ping(payload).unwrap();
            sent.seen.push(Seen::Ping(payload.clone()));
        }
        Action::Release => connection.release_buffers(),
        Action::Steps(count) => {
            for _ in 0..*count {
                pair.step();
            }
        }
    }
}

/// A message that is prepared once for all.
#[derive(Debug)]
struct Shared {
    prepared: PreparedMessage,
    message: Message,
    compress: bool,
}

/// Holds what one end wrote against what it was to send, by the independent reader, in no larger a window than was
/// agreed on, or than the end has promised itself.
fn check_wire(
    wire: &[u8],
    sent: &Sent,
    side: Role,
    own: &Side,
    agreed: &Params,
) -> Result<(), TestCaseError> {
    let own = own.deflate.params();
    let window = 1 << own.max_window_bits(side).min(agreed.max_window_bits(side));
    let takeover = !own.no_context_takeover(side) && !agreed.no_context_takeover(side);
    let (mut history, mut expected, mut unfinished) = (Vec::new(), sent.messages.iter(), None);
    for frame in frames(wire) {
        let (fin, rsv, opcode) = (frame.first & 0x80 != 0, frame.first & 0x70, frame.first & 0x0F);
        if opcode >= 8 {
            prop_assert_eq!((fin, rsv), (true, 0), "a control frame");
            continue;
        }
        let (kind, is_compressed, mut payload): (u8, bool, Vec<u8>) = match unfinished.take() {
            None => (opcode, rsv == 0x40, Vec::new()),
            Some(message) => {
                prop_assert_eq!((opcode, rsv), (0, 0), "a fragment that is not the first");
                message
            }
        };
        prop_assert_eq!(rsv & 0x30, 0);
        payload.extend(&frame.payload);
        if !fin {
            unfinished = Some((kind, is_compressed, payload));
            continue;
        }
        let Some((message, was_compressed)) = expected.next() else {
            return Err(TestCaseError::fail("a message that nobody sent"));
        };
        prop_assert_eq!(kind, if message.as_text().is_some() { 1 } else { 2 });
        prop_assert_eq!(is_compressed, *was_compressed, "RSV1 of a message of {} bytes", message.len());
        if !is_compressed {
            prop_assert_eq!(payload, message.as_bytes());
            continue;
        }
        let inflated = match inflate::message(&history, &payload, window) {
            Ok(inflated) => inflated,
            Err(invalid) => return Err(TestCaseError::fail(format!("{invalid:?} in {payload:02X?}"))),
        };
        prop_assert!(inflated.ends_with_empty_stored());
        prop_assert!(inflated.blocks.iter().all(|block| !block.is_final));
        prop_assert_eq!(&inflated.bytes[..], message.as_bytes());
        if takeover {
            history = inflated.window;
        }
    }
    prop_assert!(expected.next().is_none() && unfinished.is_none());
    Ok(())
}

/// What was sent, without the pongs: those that answer pings come when they come.
fn without_pongs(seen: Vec<Seen>) -> Vec<Seen> {
    seen.into_iter().filter(|seen| !matches!(seen, Seen::Pong(_))).collect()
}

fn open(terms: &Terms, largest: u64) -> Pair {
    let end = |role, own: &Side| {
        let mut config = Config::new()
            .deflate(own.deflate.clone())
            .high_water_mark(usize::MAX)
            .max_fragments(u32::MAX)
            .max_message_size(largest)
            .streaming(terms.streaming);
        if let Some(size) = terms.fragment_size {
            config = config.fragment_size(size);
        }
        let mut end = End::agreed(role, config, Agreement::new().with_deflate(terms.agreed));
        end.owning = terms.owning;
        end
    };
    let mut pair =
        Pair::of(end(Role::Client, &terms.client), end(Role::Server, &terms.server), terms.delivery);
    pair.client.incoming.capacity = terms.capacity;
    pair.server.incoming.capacity = terms.capacity;
    pair
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_arrives_is_what_was_sent_whatever_was_agreed_on(
        terms in prop::collection::vec(terms(), 1..4),
        calls in prop::collection::vec((any::<prop::sample::Index>(), role(), call()), 0..24),
        shared in prop::collection::vec((kind(), size(), prop::bool::weighted(0.8)), 4),
        first in role(),
        seed: u64,
    ) {
        let mut random = Xorshift::new(seed);
        let mut past = Vec::new();
        let shared: Vec<_> = shared.into_iter().map(|(kind, size, compress)| {
            let message = message(kind, size, &mut past, &mut random);
            let prepared = PreparedMessage::from(&message);
            Shared { prepared: if compress { prepared } else { prepared.uncompressed() }, message, compress }
        }).collect();
        let plans: Vec<_> = calls.into_iter().map(|(pair, role, call)| {
            (pair.index(terms.len()), role, plan(call, &mut past, &mut random))
        }).collect();
        let messages = plans.iter().filter_map(|(_, _, action)| match action {
            Action::Send(_, _, message) | Action::Fragments(_, message, _) => Some(message.len()),
            Action::Prepared(index) => Some(shared[*index].message.len()),
            Action::Ping(_) | Action::Release | Action::Steps(_) => None,
        });
        let largest = messages.max().unwrap_or(0) as u64;

        let mut pairs: Vec<_> = terms.iter().map(|terms| (terms, open(terms, largest), [Sent::default(), Sent::default()])).collect();
        for (at, role, action) in &plans {
            let (terms, pair, [by_client, by_server]) = &mut pairs[*at];
            let (own, sent) = match role {
                Role::Client => (&terms.client, by_client),
                Role::Server => (&terms.server, by_server),
            };
            act(action, pair, *role, own, &shared, sent, &mut random);
            pair.step();
        }
        for (terms, pair, [by_client, by_server]) in &mut pairs {
            pair.end(first).connection.close(None).unwrap();
            pair.run();
            check_wire(&pair.server.incoming.carried, by_client, Role::Client, &terms.client, &terms.agreed)?;
            check_wire(&pair.client.incoming.carried, by_server, Role::Server, &terms.server, &terms.agreed)?;
            prop_assert_eq!((pair.client.error, pair.server.error), (None, None));
            for (end, sent) in [(&pair.server, by_client), (&pair.client, by_server)] {
                sent.seen.push(Seen::Close(None));
                let seen = without_pongs(end.seen.clone());
                let seen = if terms.streaming { joined(&seen) } else { (seen, Vec::new()) };
                prop_assert_eq!(seen, (std::mem::take(&mut sent.seen), Vec::new()));
                prop_assert!(end.connection.close_info().unwrap().clean);
            }
        }
    }
}
