//! Two connections without I/O, a network that does what it likes, and a clock.
//!
//! Of each direction there is a model, which knows what was sent and must therefore be seen; all that an end writes is
//! taken apart; and what each end shows of itself is held against what it has shown before, after every step.

#[path = "core/calls.rs"]
mod calls;
#[path = "core/faults.rs"]
mod faults;
#[path = "core/log.rs"]
mod log;
#[path = "core/model.rs"]
mod model;
#[path = "core/network.rs"]
mod network;
#[path = "core/peer.rs"]
mod peer;
#[path = "core/terms.rs"]
mod terms;
#[path = "core/watch.rs"]
mod watch;
#[path = "core/winding_down.rs"]
mod winding_down;
#[path = "core/wire.rs"]
mod wire;

use crate::support::choices::Choices;
use crate::support::end::Seen;
use bytes::Buf;
use log::{Log, What};
use model::Model;
use network::{Fate, Network};
use peer::{Ending, Peer};
use sansocket::{Connection, ProtocolError, Role};
use std::io::IoSlice;
use std::time::{Duration, Instant};
use terms::Terms;
use watch::Told;
use wire::Wire;

/// Runs one conversation to its end.
pub(crate) fn run(choices: Choices<'_>) {
    let mut world = World::new(choices);
    let steps = 20 + world.choices.below(200);
    for _ in 0..steps {
        if world.choices.is_over() {
            break;
        }
        world.step();
    }
    if world.choices.one_in(4) {
        world.leave();
    } else {
        world.wind_down();
    }
}

/// ```text
///                 ┌── lane of the client ──>┐
///   client: Peer                             server: Peer       now
///                 └<── lane of the server ──┘
/// ```
struct World<'d> {
    choices: Choices<'d>,
    temper: Temper,
    now: Instant,
    peers: [Peer; 2],
    /// What each end writes, by its role.
    lanes: [Lane; 2],
    /// How many pings were said.
    pings: u32,
    log: Log,
}

/// What may happen in this world.
struct Temper {
    breaks: bool,
    injects: bool,
    forges: bool,
}

/// One direction: what is said, how it is written, and where it is.
struct Lane {
    model: Model,
    wire: Wire,
    network: Network,
    /// Something may have been lost.
    is_broken: bool,
}

impl<'d> World<'d> {
    fn new(mut choices: Choices<'d>) -> Self {
        let (terms, agreement) = Terms::choose(&mut choices);
        let temper =
            Temper { breaks: choices.one_in(3), injects: choices.one_in(2), forges: choices.one_in(6) };
        let now = Instant::now();
        let mut log = Log::new(now);
        for terms in &terms {
            log.note(now, terms.role, What::Has(Box::new(terms.clone())));
        }
        let lane = |writer: usize| Lane {
            model: Model::default(),
            wire: Wire::new(terms[writer].clone(), terms[1 - writer].clone()),
            network: Network::new(),
            is_broken: false,
        };
        let lanes = [lane(0), lane(1)];
        let peers = terms.map(|terms| Peer::new(terms, agreement.clone(), &mut choices));
        let mut world = Self { choices, temper, now, peers, lanes, pings: 0, log };
        for role in ROLES {
            world.tell(role);
        }
        world
    }

    fn step(&mut self) {
        let role = self.choices.pick(&ROLES);
        match self.choices.below(32) {
            0..=5 => {
                let most = self.some_bytes();
                self.write(role, most);
            }
            6..=11 => {
                let most = self.some_bytes();
                self.read(role, most);
                // Some applications take their time.
                match self.choices.below(5) {
                    0..=2 => {
                        self.poll(role, usize::MAX);
                    }
                    3 => {
                        self.poll(role, 1);
                    }
                    _ => {}
                }
            }
            12 => {
                self.poll(role, usize::MAX);
            }
            13..=25 => self.call(role),
            26..=27 => self.pass_time(),
            28 => self.tell(role),
            29 => self.delay(role),
            30 if self.temper.breaks && self.choices.one_in(8) => self.break_something(role),
            31 if self.temper.injects && self.choices.one_in(2) => self.inject(role),
            31 if self.temper.forges && self.choices.one_in(8) => self.forge(role),
            _ => {}
        }
        self.check();
    }

    /// Both ends go away as they are.
    fn leave(self) {
        let Self { peers, lanes, .. } = self;
        for peer in peers {
            let other = &lanes[peer.terms.role.peer() as usize];
            let sent = if other.model.is_forged { u64::MAX } else { other.model.largest };
            let largest = sent.min(peer.terms.max_message);
            peer.go(largest, other.network.read);
        }
    }

    fn check(&mut self) {
        for role in ROLES {
            let largest = self.lanes[role as usize].model.largest_framed;
            self.peers[role as usize].check(largest);
        }
    }

    fn some_bytes(&mut self) -> usize {
        match self.choices.below(4) {
            0 => usize::MAX,
            _ => 1 + self.choices.len(70_000),
        }
    }

    /// One write of what waits, as far as there is room, by one end. Says whether anything has moved.
    fn write(&mut self, role: Role, most: usize) -> bool {
        let peer = &mut self.peers[role as usize];
        let lane = &mut self.lanes[role as usize];
        if lane.network.fate == Fate::Ended {
            if peer.connection.buffered_amount() == 0 {
                return false;
            }
            // It cannot write, so the transport is of no more use.
            let was_open = peer.is_open();
            peer.connection.halves().1.abandon();
            peer.gives_up = true;
            self.log.note(self.now, role, What::Network("cannot be written to", 0));
            let other = &mut self.lanes[role.peer() as usize];
            (other.is_broken, other.network.fate) = (true, Fate::Ended);
            assert!(!was_open || !self.peers[role as usize].is_open(), "abandoned, and open");
            return true;
        }
        let room = lane.network.room().min(most);
        let bytes = written(&mut peer.connection, room, self.choices.one_in(2));
        if !bytes.is_empty() {
            self.log.note(self.now, role, What::Writes(bytes.len()));
            peer.watch.wrote(self.now, peer.written);
            peer.written += bytes.len() as u64;
            lane.wire.push(&bytes);
            lane.network.write(&bytes);
        }
        let shuts_down = peer.connection.wants_shutdown() && lane.network.fate == Fate::Flows;
        if shuts_down {
            self.log.note(self.now, role, What::Network("is shut down", 0));
            lane.network.fate = Fate::Ended;
        }
        shuts_down || !bytes.is_empty()
    }

    /// One read of at most so many bytes by one end. Says whether anything has moved.
    fn read(&mut self, role: Role, most: usize) -> bool {
        let peer = &mut self.peers[role as usize];
        let lane = &mut self.lanes[role.peer() as usize];
        let mut n = lane.network.available().min(most);
        if n == 0 {
            let ends = lane.network.is_at_end() && !peer.at_eof;
            if ends {
                self.log.note(self.now, role, What::ReadsEof);
                (peer.at_eof, peer.is_polled) = (true, false);
                peer.connection.receive_eof();
            }
            return ends;
        }
        let before = lane.network.read;
        if self.choices.one_in(3) {
            peer.connection.receive(&lane.network.read(n));
        } else {
            let room = peer.connection.input();
            n = n.min(room.len());
            if n == 0 {
                assert!(!peer.is_polled, "all is polled, and yet there is no room");
                return false;
            }
            room[..n].copy_from_slice(&lane.network.read(n));
            if self.choices.one_in(20) {
                let too_many = room.len() + 1;
                assert!(peer.connection.filled(too_many).is_err(), "filled beyond the room");
            }
            peer.connection.filled(n).unwrap();
        }
        self.log.note(self.now, role, What::Reads(n));
        peer.is_polled = false;
        peer.unpolled += n;
        peer.most_unpolled = peer.most_unpolled.max(peer.unpolled);
        let has_data = lane.wire.has_data_between(before, lane.network.read);
        // Where messages begin and end is not known any more once somebody has tampered with them.
        let unit = lane.wire.read_in_part(lane.network.read).filter(|_| !lane.model.is_forged);
        peer.watch.read(self.now, has_data, unit);
        true
    }

    /// Takes at most so many events at one end, and tells it the time when there are no more. Says whether there was any.
    fn poll(&mut self, role: Role, most: usize) -> bool {
        for taken in 0..most {
            let was_open = self.peers[role as usize].is_open();
            if !self.poll_once(role, was_open) {
                self.tell(role);
                return taken > 0;
            }
        }
        true
    }

    /// Takes one event of an end that was open, or not; says whether there was one.
    fn poll_once(&mut self, role: Role, was_open: bool) -> bool {
        let peer = &mut self.peers[role as usize];
        let is_congested =
            peer.connection.buffered_amount() + 131 >= peer.terms.high_water_mark.min(16 << 10);
        let owns = self.choices.one_in(2);
        let polled = peer.connection.poll_event().map(|event| event.map(|event| Seen::taking(event, owns)));
        match polled {
            Ok(Some(seen)) => {
                self.log.note(self.now, role, sees(&seen));
                self.see(role, seen, was_open, is_congested);
                true
            }
            Ok(None) => {
                assert!(!matches!(peer.ending, Some(Ending::Error(_))), "an error went away");
                (peer.is_polled, peer.unpolled) = (true, 0);
                self.check_offence(role, None);
                false
            }
            Err(error) => {
                (peer.is_polled, peer.unpolled) = (true, 0);
                match peer.ending {
                    Some(before) => assert_eq!(before, Ending::Error(error)),
                    None => self.fail(role, error, was_open),
                }
                false
            }
        }
    }

    fn see(&mut self, role: Role, seen: Seen, was_open: bool, is_congested: bool) {
        let peer = &mut self.peers[role as usize];
        let Some(seen) = peer.see(seen) else { return };
        let [own, other] = lanes(&mut self.lanes, role);
        other.model.deliver(&seen, &other.wire.pings);
        match &seen {
            Seen::Ping(payload) if was_open => own.model.owe(payload, is_congested),
            Seen::Pong(payload) => {
                peer.watch.ponged(own.wire.pings_since(peer.watch.pings).next() == Some(payload));
            }
            Seen::Close(frame) => {
                peer.ending = Some(Ending::Close);
                if was_open {
                    assert_eq!(
                        peer.close_frame(),
                        Some(Seen::Close(frame.clone())),
                        "the answer to a Close frame"
                    );
                    self.has_closed(role);
                }
            }
            _ => {}
        }
    }

    /// An end says for the first time that it has failed.
    fn fail(&mut self, role: Role, error: ProtocolError, was_open: bool) {
        self.log.note(self.now, role, What::Fails(error));
        let now = self.now;
        let peer = &mut self.peers[role as usize];
        peer.ending = Some(Ending::Error(error));
        peer.gives_up |= error.close_code().is_none();
        assert!(!peer.is_open(), "failed, and open");
        let [own, other] = lanes(&mut self.lanes, role);
        let is_forged = other.model.is_forged;
        match error {
            ProtocolError::UnexpectedEof => assert!(peer.at_eof, "the stream has not ended"),
            ProtocolError::MessageTimeout => peer.watch.explain_message_timeout(now, &peer.terms, is_forged),
            ProtocolError::CloseTimeout => peer.watch.explain_close_timeout(now, &peer.terms),
            ProtocolError::PongTimeout => {
                peer.watch.explain_pong_timeout(now, &peer.terms, is_forged);
                // §5.5.3: of several pings the peer may answer the last only.
                let mut pongs = other.wire.pongs.iter().filter(|(_, end)| *end <= other.network.read);
                let answer =
                    pongs.find(|(pong, _)| own.wire.pings_since(peer.watch.pings).any(|ping| ping == pong));
                assert!(is_forged || answer.is_none(), "the peer has answered: {answer:02x?}");
            }
            _ if is_forged => {}
            error => {
                if error == ProtocolError::MessageTooLarge {
                    assert!(other.model.largest > peer.terms.max_message, "no message is too large");
                } else {
                    self.check_offence(role, Some(error));
                }
            }
        }
        if was_open {
            let peer = &self.peers[role as usize];
            let info = peer.connection.close_info().unwrap();
            let said = (info.sent.code, info.sent.reason.as_str());
            match error.close_code() {
                // If there is no time to say it, it is dropped at once.
                Some(code)
                    if !(peer.terms.close_timeout.is_zero() && error == ProtocolError::MessageTimeout) =>
                {
                    assert_eq!(said, (code, &*error.to_string()));
                }
                _ => assert_eq!(said, (sansocket::CloseCode::ABNORMAL, "")),
            }
            assert!(!info.clean, "failed, and clean");
            self.has_closed(role);
        }
    }

    /// An end has failed with this, or has taken all that has come: what its limits forbid is found, and nothing else.
    fn check_offence(&self, role: Role, error: Option<ProtocolError>) {
        let peer = &self.peers[role as usize];
        let lane = &self.lanes[role.peer() as usize];
        let has_read = |(at, _): &(u64, ProtocolError)| *at <= lane.network.read;
        let offence = lane.wire.offence.filter(has_read).map(|(_, offence)| offence);
        if !lane.model.is_forged && peer.ending != Some(Ending::Close) {
            assert_eq!(error, offence, "the limits of {role:?}");
        }
    }

    /// An end is no longer open: a Close frame, if it has queued one, is the last that the other sees.
    fn has_closed(&mut self, role: Role) {
        if let Some(close) = self.peers[role as usize].close_frame() {
            self.lanes[role as usize].model.expect(close);
        }
    }

    /// Tells one end the time.
    fn tell(&mut self, role: Role) {
        let peer = &mut self.peers[role as usize];
        let (was_open, waited) = (peer.is_open(), peer.connection.buffered_amount());
        let next = peer.connection.handle_timeout(self.now);
        peer.deadline = next;
        let told = Told {
            now: self.now,
            next,
            is_polled: peer.is_polled,
            was_open,
            is_open: peer.is_open(),
            wants_shutdown: peer.connection.wants_shutdown(),
            written: peer.written,
            waited,
            waits: peer.connection.buffered_amount(),
        };
        self.log.note(self.now, role, What::IsToldTheTime { next: next.map(|next| self.log.since(next)) });
        if !told.is_open {
            peer.watch.closes(self.now);
        }
        if !told.is_open && peer.ending.is_none() && (was_open || told.wants_shutdown) {
            // It has failed for that, perhaps; then it says so at once.
            self.poll_once(role, was_open);
        }
        let peer = &mut self.peers[role as usize];
        peer.gives_up |= peer.watch.told(told, &peer.terms);
    }

    /// Lets the clock go on, and tells both ends in time or late.
    fn pass_time(&mut self) {
        let deadlines = ROLES.map(|role| self.peers[role as usize].deadline);
        let deadline = self.choices.pick(&deadlines).unwrap_or(self.now);
        let millis = Duration::from_millis(self.choices.len(30_000) as u64);
        let target = match self.choices.below(8) {
            0..=2 => self.now + millis,
            3..=4 => deadline,
            5 => deadline - Duration::from_nanos(1),
            6 => deadline + millis,
            _ => self.now + Duration::from_secs(100),
        };
        self.now = self.now.max(target);
        for role in ROLES {
            let is_due = self.peers[role as usize].deadline.is_some_and(|deadline| deadline <= self.now);
            if is_due && !self.choices.one_in(4) {
                if self.choices.one_in(2) {
                    self.read(role, usize::MAX);
                    self.poll(role, usize::MAX);
                }
                self.tell(role);
            }
        }
    }
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];

/// This end's lane, and the other's.
fn lanes(lanes: &mut [Lane; 2], role: Role) -> [&mut Lane; 2] {
    let [client, server] = lanes;
    if role == Role::Client { [client, server] } else { [server, client] }
}

/// What one write takes of the output.
fn written(connection: &mut Connection, most: usize, vectored: bool) -> Vec<u8> {
    let output = connection.output();
    let mut slices = [IoSlice::new(&[]); 3];
    let filled = output.chunks_vectored(&mut slices);
    assert_eq!(filled > 0, output.has_remaining());
    assert!(filled == 0 || !output.chunk().is_empty() && slices[0].starts_with(output.chunk()));
    let slices = &slices[..if vectored { filled } else { filled.min(1) }];
    let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(most).collect();
    output.advance(bytes.len());
    bytes
}

fn sees(seen: &Seen) -> What {
    let (what, len) = match seen {
        Seen::Text(text) => ("a text", text.len()),
        Seen::Binary(bytes) => ("binary data", bytes.len()),
        Seen::TextPart(part, fin) => {
            (if *fin { "the last part of a text" } else { "a part of a text" }, part.len())
        }
        Seen::BinaryPart(part, fin) => (if *fin { "the last part" } else { "a part" }, part.len()),
        Seen::Ping(payload) => ("a ping", payload.len()),
        Seen::Pong(payload) => ("a pong", payload.len()),
        Seen::Close(_) => ("a Close frame", 0),
    };
    What::Sees(what, len)
}
