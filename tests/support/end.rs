use super::bound::Bound;
use super::heap;
use bytes::Buf;
use sansocket::{Agreement, Config, Connection, Event, Message, ProtocolError, Role};

/// An event as a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Text(String),
    Binary(Vec<u8>),
    TextPart(String, bool),
    BinaryPart(Vec<u8>, bool),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<(u16, String)>),
}

impl Seen {
    /// Takes what was lent, by the methods that own it or not.
    pub(crate) fn taking(event: Event<'_>, owns: bool) -> Self {
        if owns { Self::owning(event) } else { event.into() }
    }

    /// The same, by the methods that own what was lent.
    fn owning(event: Event<'_>) -> Self {
        match event {
            Event::TextPart { part, fin } => Self::TextPart(text(part.into_utf8_bytes().as_str()), fin),
            Event::BinaryPart { part, fin } => Self::BinaryPart(bytes(&part.into_bytes()), fin),
            Event::Text(_) | Event::Binary(_) => match event.into_message() {
                Some(Message::Text(message)) => Self::Text(text(message.as_str())),
                Some(Message::Binary(message)) => Self::Binary(bytes(&message)),
                None => panic!("a whole message is none"),
            },
            event => event.into(),
        }
    }
}

/// A copy that does not count as the connection's.
fn text(lent: &str) -> String {
    heap::aside(|| lent.to_owned())
}

fn bytes(lent: &[u8]) -> Vec<u8> {
    heap::aside(|| lent.to_vec())
}

impl From<Event<'_>> for Seen {
    fn from(event: Event<'_>) -> Self {
        match event {
            Event::Text(lent) => Self::Text(text(&lent)),
            Event::Binary(payload) => Self::Binary(bytes(&payload)),
            Event::TextPart { part, fin } => Self::TextPart(text(&part), fin),
            Event::BinaryPart { part, fin } => Self::BinaryPart(bytes(&part), fin),
            Event::Ping(payload) => Self::Ping(bytes(&payload)),
            Event::Pong(payload) => Self::Pong(bytes(&payload)),
            Event::Close(frame) => Self::Close(frame.map(|frame| (frame.code.as_u16(), text(&frame.reason)))),
        }
    }
}

/// A connection, and all that it has said so far.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) connection: Connection,
    /// The events, in order.
    pub(crate) seen: Vec<Seen>,
    /// The error that ended them.
    pub(crate) error: Option<ProtocolError>,
    /// The stream has ended.
    pub(crate) at_eof: bool,
    /// Own what is lent; it makes no difference.
    pub(crate) owning: bool,
    /// What it may hold.
    pub(crate) bound: Bound,
}

impl End {
    /// Its random numbers follow from its role, so that it does the same in each run.
    pub(crate) fn new(role: Role, config: Config) -> Self {
        Self::agreed(role, config, Agreement::new())
    }

    /// The same with what a handshake has agreed on.
    pub(crate) fn agreed(role: Role, config: Config, agreement: Agreement) -> Self {
        let seed = if role == Role::Client { [1; 32] } else { [2; 32] };
        let mut bound = Bound::of(&config, &agreement);
        let connection = bound.hold(0, || Connection::with_seed(role, config, agreement, seed));
        Self { bound, ..Self::of(connection) }
    }

    /// A connection that is there already.
    pub(crate) fn of(connection: Connection) -> Self {
        let bound = Bound::default();
        Self { connection, seen: Vec::new(), error: None, at_eof: false, owning: false, bound }
    }

    /// Takes all events that there are. An error has to come back for ever.
    pub(crate) fn poll(&mut self) {
        loop {
            let Self { connection, bound, owning, .. } = self;
            let convert = |event: Event<'_>| Seen::taking(event, *owning);
            match bound.hold(0, || connection.poll_event().map(|event| event.map(convert))) {
                Ok(Some(event)) => self.seen.push(event),
                Ok(None) => return assert_eq!(self.error, None, "an error went away"),
                Err(error) => return assert_eq!(*self.error.get_or_insert(error), error),
            }
        }
    }

    /// Hands over bytes, and takes the events that they make.
    pub(crate) fn receive(&mut self, bytes: &[u8]) {
        self.bound.hold(bytes.len(), || self.connection.receive(bytes));
        self.poll();
    }

    /// The same by way of [`Connection::input`], as a front end reads.
    pub(crate) fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let Self { connection, bound, .. } = self;
            let now = bound.hold(0, || connection.input().len()).min(bytes.len());
            assert_ne!(now, 0, "polled, and yet there is no room");
            bound.hold(now, || {
                connection.input()[..now].copy_from_slice(&bytes[..now]);
                connection.filled(now).unwrap();
            });
            self.poll();
            bytes = &bytes[now..];
        }
    }

    /// Between messages, or anywhere else: it makes no difference but to memory.
    pub(crate) fn release_buffers(&mut self) {
        let Self { connection, bound, .. } = self;
        bound.hold(0, || connection.release_buffers());
    }

    /// The stream ends here.
    pub(crate) fn receive_eof(&mut self) {
        self.at_eof = true;
        self.connection.receive_eof();
        self.poll();
    }

    /// Writes at most `limit` bytes of the output.
    pub(crate) fn write(&mut self, limit: usize) -> Vec<u8> {
        let mut wire = Vec::new();
        loop {
            let output = self.connection.output();
            let n = output.chunk().len().min(limit - wire.len());
            if n == 0 {
                return wire;
            }
            wire.extend_from_slice(&output.chunk()[..n]);
            self.bound.hold(0, || output.advance(n));
        }
    }

    /// Writes all of the output.
    pub(crate) fn write_all(&mut self) -> Vec<u8> {
        self.write(usize::MAX)
    }
}

/// Joins the parts of messages; what was lent of the last one, if it never ended, is returned apart.
/// (That texts are cut between characters is shown by the type of a text's part.)
pub(crate) fn joined(seen: &[Seen]) -> (Vec<Seen>, Vec<u8>) {
    let (mut events, mut begun) = (Vec::new(), Vec::new());
    for event in seen {
        match event {
            Seen::TextPart(part, fin) => {
                assert!(*fin || !part.is_empty(), "only the last part may be empty");
                begun.extend_from_slice(part.as_bytes());
                if *fin {
                    events.push(Seen::Text(String::from_utf8(std::mem::take(&mut begun)).unwrap()));
                }
            }
            Seen::BinaryPart(part, fin) => {
                assert!(*fin || !part.is_empty(), "only the last part may be empty");
                begun.extend_from_slice(part);
                if *fin {
                    events.push(Seen::Binary(std::mem::take(&mut begun)));
                }
            }
            event => events.push(event.clone()),
        }
    }
    (events, begun)
}
