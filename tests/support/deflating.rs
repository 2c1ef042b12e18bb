//! What two connections say to each other with permessage-deflate, whatever they have agreed on: all of it arrives,
//! and the independent reader reads on the wire what was sent.

use super::delivery::Delivery;
use super::end::{End, Seen, joined};
use super::inflate;
use super::pair::Pair;
use super::random::Xorshift;
use super::repeats::repeats;
use super::wire::frames;
use bytes::Bytes;
use sansocket::deflate::Params;
use sansocket::{Agreement, Config, Deflate, Message, Outgoing, PreparedMessage, Role};
use std::mem;

/// A call of the application's, on one end of one of the pairs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    Send {
        how: How,
        compress: bool,
        is_text: bool,
        size: usize,
    },
    /// A message cut at random, with a ping or a release of buffers behind some parts.
    Fragments {
        compress: bool,
        is_text: bool,
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
pub(crate) enum How {
    Borrowed,
    Owned,
    /// Owned by somebody else too.
    Shared,
}

/// How one side compresses.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    pub(crate) deflate: Deflate,
    pub(crate) threshold: usize,
}

/// One of the pairs.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    pub(crate) client: Side,
    pub(crate) server: Side,
    pub(crate) agreed: Params,
    pub(crate) fragment_size: Option<usize>,
    pub(crate) streaming: bool,
    pub(crate) owning: bool,
    pub(crate) delivery: Delivery,
    pub(crate) capacity: usize,
}

/// A message that all pairs share, as a plan.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prepared {
    pub(crate) is_text: bool,
    pub(crate) size: usize,
    pub(crate) compress: bool,
}

/// Makes these calls, each on one end of one of the pairs, lets `first` close, and holds what came of it against
/// what was sent. The contents follow from the seed.
pub(crate) fn talk(
    terms: &[Terms],
    calls: &[(usize, Role, Call)],
    shared: &[Prepared],
    first: Role,
    seed: u64,
) {
    let mut random = Xorshift::new(seed);
    let mut past = Vec::new();
    let shared: Vec<_> = shared
        .iter()
        .map(|&Prepared { is_text, size, compress }| {
            let message = message(is_text, size, &mut past, &mut random);
            let prepared = PreparedMessage::from(&message);
            Shared { prepared: if compress { prepared } else { prepared.uncompressed() }, message, compress }
        })
        .collect();
    let plans: Vec<_> =
        calls.iter().map(|&(at, role, call)| (at, role, plan(call, &mut past, &mut random))).collect();
    let messages = plans.iter().filter_map(|(_, _, action)| match action {
        Action::Send(_, _, message) | Action::Fragments(_, message, _) => Some(message.len()),
        Action::Prepared(index) => Some(shared[*index].message.len()),
        Action::Ping(_) | Action::Release | Action::Steps(_) => None,
    });
    let largest = messages.max().unwrap_or(0) as u64;

    let mut pairs: Vec<_> =
        terms.iter().map(|terms| (terms, open(terms, largest), [Sent::default(), Sent::default()])).collect();
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
        check_wire(&pair.server.incoming.carried, by_client, Role::Client, &terms.client, &terms.agreed);
        check_wire(&pair.client.incoming.carried, by_server, Role::Server, &terms.server, &terms.agreed);
        assert_eq!((pair.client.error, pair.server.error), (None, None));
        for (end, sent) in [(&pair.server, by_client), (&pair.client, by_server)] {
            sent.seen.push(Seen::Close(None));
            let seen = without_pongs(end.seen.clone());
            let seen = if terms.streaming { joined(&seen) } else { (seen, Vec::new()) };
            assert_eq!(seen, (mem::take(&mut sent.seen), Vec::new()));
            assert!(end.connection.close_info().unwrap().clean);
        }
    }
}

/// A message that is like others before it; a text has a character for each byte.
fn message(is_text: bool, size: usize, past: &mut Vec<u8>, random: &mut Xorshift) -> Message {
    let bytes = repeats(size, past, random);
    match is_text {
        true => Message::text(bytes.into_iter().map(char::from).collect::<String>()),
        false => Message::binary(bytes),
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
        Call::Send { how, compress, is_text, size } => {
            Action::Send(how, compress, message(is_text, size, past, random))
        }
        Call::Fragments { compress, is_text, size } => {
            let message = message(is_text, size, past, random);
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
fn check_wire(wire: &[u8], sent: &Sent, side: Role, own: &Side, agreed: &Params) {
    let own = own.deflate.params();
    let window = 1 << own.max_window_bits(side).min(agreed.max_window_bits(side));
    let takeover = !own.no_context_takeover(side) && !agreed.no_context_takeover(side);
    let (mut history, mut expected, mut unfinished) = (Vec::new(), sent.messages.iter(), None);
    for frame in frames(wire) {
        let (fin, rsv, opcode) = (frame.first & 0x80 != 0, frame.first & 0x70, frame.first & 0x0F);
        if opcode >= 8 {
            assert_eq!((fin, rsv), (true, 0), "a control frame");
            continue;
        }
        let (kind, is_compressed, mut payload): (u8, bool, Vec<u8>) = match unfinished.take() {
            None => (opcode, rsv == 0x40, Vec::new()),
            Some(message) => {
                assert_eq!((opcode, rsv), (0, 0), "a fragment that is not the first");
                message
            }
        };
        assert_eq!(rsv & 0x30, 0);
        payload.extend(&frame.payload);
        if !fin {
            unfinished = Some((kind, is_compressed, payload));
            continue;
        }
        let Some((message, was_compressed)) = expected.next() else {
            panic!("a message that nobody sent");
        };
        assert_eq!(kind, if message.as_text().is_some() { 1 } else { 2 });
        assert_eq!(is_compressed, *was_compressed, "RSV1 of a message of {} bytes", message.len());
        if !is_compressed {
            assert_eq!(payload, message.as_bytes());
            continue;
        }
        let inflated = match inflate::message(&history, &payload, window) {
            Ok(inflated) => inflated,
            Err(invalid) => panic!("{invalid:?} in {payload:02X?}"),
        };
        assert!(inflated.ends_with_empty_stored());
        assert!(inflated.blocks.iter().all(|block| !block.is_final));
        assert_eq!(&inflated.bytes[..], message.as_bytes());
        if takeover {
            history = inflated.window;
        }
    }
    assert!(expected.next().is_none() && unfinished.is_none());
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
