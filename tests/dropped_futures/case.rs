use super::support::end::Seen;
use super::support::net::{Context, Line, Speed};
use super::support::wire::frames;
use super::{connection, message, payload};
use sansocket::asynchronous::Transport;
use sansocket::{CloseCode, CloseFrame, CloseInfo, Connection, Error, Message, Role, SendError, State};

/// What is done, one call each. The number is a length; what a message holds follows from where it stands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Op {
    Read,
    ReadWith,
    Next,
    Feed(usize),
    Send(usize),
    /// The same with what is borrowed.
    SendLent(usize),
    SinkSend(usize),
    SinkFeed(usize),
    Prepared(usize),
    Part(usize, bool),
    /// Through a `MessageWriter`; and the same as `AsyncWrite`.
    Write(usize),
    Finish,
    WriteBytes(usize),
    FinishBytes,
    Ping(usize),
    Flush,
    SinkFlush,
    Close,
    SinkClose,
}

/// What a frame that may have left looks like.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Expected {
    pub(crate) payload: Vec<u8>,
    /// The call was dropped, and may have queued it or not.
    pub(crate) maybe: bool,
}

impl Op {
    /// The payload of the frame that it queues.
    fn queues(self, id: usize) -> Option<Vec<u8>> {
        Some(match self {
            Self::Feed(len) | Self::SinkFeed(len) | Self::Send(len) | Self::SinkSend(len) => payload(id, len),
            Self::SendLent(len) | Self::Prepared(len) | Self::Part(len, _) | Self::Ping(len) => {
                payload(id, len)
            }
            Self::Write(len) | Self::WriteBytes(len) => payload(id, len),
            Self::Finish | Self::FinishBytes => Vec::new(),
            _ => return None,
        })
    }

    /// Ready means queued, and pending that it was not.
    const fn is_exact(self) -> bool {
        matches!(self, Self::Feed(_) | Self::SinkFeed(_) | Self::Write(_) | Self::WriteBytes(_))
    }

    const fn closes(self) -> bool {
        matches!(self, Self::Close | Self::SinkClose)
    }
}

/// A connection as the front end has it: whole, or in halves.
pub(crate) trait Subject<T: Transport>: Sized {
    fn new(line: Line, connection: Connection) -> Self;
    /// The same connection, taken apart and put together.
    fn again(self, line: Line) -> Self;
    async fn act(&mut self, id: usize, op: Op, got: &mut Vec<Message>) -> Result<(), Error>;
    async fn read(&mut self) -> Result<Option<Message>, Error>;
    fn state(&self) -> State;
    fn info(&self) -> Option<CloseInfo>;
}

/// What the peer sends, from the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Coming {
    Message(usize),
    Parts(&'static [usize]),
    Ping(usize),
}

/// What is done when a call was dropped.
#[derive(Clone, Copy, Debug, PartialEq)]
enum After {
    /// The next call of the script.
    Next,
    /// The same call.
    Again,
    /// The connection is taken apart and put together, and then the next call is made.
    Parts,
}

/// A script, and the network that it is played over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) speed: Speed,
    pub(crate) coming: &'static [Coming],
    pub(crate) ops: &'static [Op],
}

impl Case {
    /// Queues what the peer sends; the messages that it will make.
    pub(crate) fn peer_sends(&self, line: &Line) -> Vec<Message> {
        let (mut net, mut sent) = (line.net(), Vec::new());
        let peer = &mut net.peer.connection;
        for (i, &coming) in self.coming.iter().enumerate() {
            match coming {
                Coming::Message(len) => {
                    peer.send(message(i, len)).unwrap();
                    sent.push(message(i, len));
                }
                Coming::Parts(parts) => {
                    let mut whole = Vec::new();
                    for (at, &len) in parts.iter().enumerate() {
                        peer.send_fragment(payload(i + at, len), at + 1 == parts.len()).unwrap();
                        whole.extend(payload(i + at, len));
                    }
                    sent.push(Message::binary(whole));
                }
                Coming::Ping(len) => peer.ping(&payload(i, len)).unwrap(),
            }
        }
        sent
    }

    /// Plays the script; the call at `dropped` is polled `k` times at most, and then done what comes `after`. False:
    /// it was ready by then.
    fn play<T: Transport, S: Subject<T>>(&self, role: Role, dropped: usize, k: usize, after: After) -> bool {
        let _context = Context(format!("{role:?} {dropped} {k} {after:?} {self:?}"));
        let line = Line::new(role, self.speed);
        let sent = self.peer_sends(&line);
        let mut subject = S::new(line.clone(), connection(role));
        let (mut expected, mut got) = (Vec::new(), Vec::new());
        let (mut was_dropped, mut closing) = (false, false);
        for (id, &op) in self.ops.iter().enumerate() {
            for k in [if id == dropped { k } else { usize::MAX }, usize::MAX] {
                let done = line.poll(k, subject.act(id, op, &mut got));
                closing |= op.closes() && k > 0;
                match (&done, op.queues(id)) {
                    (Some(Ok(())), Some(payload)) => expected.push(Expected { payload, maybe: false }),
                    (None, Some(payload)) if !op.is_exact() && k > 0 => {
                        expected.push(Expected { payload, maybe: true });
                    }
                    (Some(Err(Error::Send(SendError::FragmentedMessage))), Some(_)) => {}
                    (Some(Err(Error::Send(SendError::Closed))), Some(_)) if closing => {}
                    (Some(Ok(())), None) | (None, _) => {}
                    (Some(error), _) => panic!("{op:?}: {error:?}"),
                }
                was_dropped |= done.is_none();
                if done.is_none() && after == After::Parts {
                    subject = subject.again(line.clone());
                }
                if done.is_some() || after != After::Again {
                    break;
                }
            }
        }
        if !closing {
            line.net().peer.connection.close(CloseFrame::from(CloseCode::GOING_AWAY)).unwrap();
        }
        while let Some(message) = line.finish(subject.read()).unwrap() {
            got.push(message);
        }

        // What closing drops was still read in order.
        let mut rest = sent.iter();
        assert!(
            got.iter().all(|message| rest.any(|other| other == message)),
            "{} of {}",
            got.len(),
            sent.len()
        );
        assert!(closing || got.len() == sent.len(), "{} of {}", got.len(), sent.len());
        let info = subject.info().unwrap();
        assert!(info.clean && subject.state() == State::Closed, "{info:?}");
        assert!(closing || info.received.code == CloseCode::GOING_AWAY, "{info:?}");
        while line.net().step() {}
        self.check_peer(&line, &expected, closing);
        was_dropped
    }

    /// Holds what the peer got against what may have left.
    pub(crate) fn check_peer(&self, line: &Line, expected: &[Expected], closing: bool) {
        let net = line.net();
        assert_eq!(net.peer.error, None);
        assert!(matches!(net.peer.seen.last(), Some(Seen::Close(_))), "{:?}", net.peer.seen.last());
        let written = frames(&net.written);
        let (pongs, data): (Vec<_>, Vec<_>) =
            written.iter().filter(|frame| frame.first != 0x88).partition(|frame| frame.first == 0x8A);
        let data: Vec<_> = data.into_iter().map(|frame| &frame.payload[..]).collect();
        let short = |payload: &[u8]| String::from_utf8_lossy(&payload[..payload.len().min(9)]).into_owned();
        assert!(
            fits(expected, &data),
            "{:?} is not {:?}",
            data.iter().map(|payload| short(payload)).collect::<Vec<_>>(),
            expected.iter().map(|Expected { payload, maybe }| (short(payload), maybe)).collect::<Vec<_>>()
        );
        // A pong may answer several pings, but only if it answers the newest.
        let pings = self.coming.iter().enumerate().filter_map(|(i, coming)| match coming {
            Coming::Ping(len) => Some(payload(i, *len)),
            _ => None,
        });
        let pings: Vec<_> = pings.collect();
        let mut rest = pings.iter();
        assert!(pongs.iter().all(|pong| rest.any(|ping| *ping == pong.payload)), "{pongs:?}");
        assert!(closing || pongs.last().map(|pong| &pong.payload) == pings.last(), "{pongs:?}");
    }

    /// Drops each call at each of its polls; how many ways that makes.
    pub(crate) fn play_all<T: Transport, S: Subject<T>>(&self, role: Role) -> usize {
        let mut ways = 0;
        for dropped in 0..self.ops.len() {
            for k in 0.. {
                let was_dropped = [After::Next, After::Again, After::Parts]
                    .map(|after| self.play::<T, S>(role, dropped, k, after));
                ways += 3;
                if was_dropped == [false; 3] {
                    break;
                }
            }
        }
        ways
    }
}

/// Whether these payloads are what was expected, each once, in order.
fn fits(expected: &[Expected], data: &[&[u8]]) -> bool {
    let Some((first, later)) = expected.split_first() else { return data.is_empty() };
    data.first().is_some_and(|payload| *payload == first.payload && fits(later, &data[1..]))
        || (first.maybe && fits(later, data))
}
