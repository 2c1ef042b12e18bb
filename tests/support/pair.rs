use super::delivery::{Cutter, Delivery};
use super::end::End;
use sansocket::{Config, Role};
use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

/// Two connections, the network between them, and a clock that moves only when it is told to.
///
/// ```text
///                ┌── to_server ──>┐
///   client: Peer                    server: Peer       now
///                └<── to_client ──┘
/// ```
///
/// Everything in it is determined by the configurations and the delivery, so a failure repeats.
#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) client: Peer,
    pub(crate) server: Peer,
    pub(crate) now: Instant,
    /// Who has shut down its writing side, in order.
    pub(crate) shut_down: Vec<Role>,
}

/// One end, and the pipe that it reads from. It derefs to its [`End`].
#[derive(Debug)]
pub(crate) struct Peer {
    end: End,
    pub(crate) incoming: Pipe,
    /// When it wants to be told the time.
    pub(crate) deadline: Option<Instant>,
}

/// One direction of the network. The bytes that are under way stay in order and are never lost.
#[derive(Debug)]
pub(crate) struct Pipe {
    bytes: VecDeque<u8>,
    /// All that was ever written into it.
    pub(crate) carried: Vec<u8>,
    cutter: Cutter,
    /// How many bytes fit; a writer waits while it is full.
    pub(crate) capacity: usize,
    /// Nothing comes out at the moment: the reader has stopped, or the network has.
    pub(crate) stalled: bool,
    /// Nothing more will come: the writer has shut down its side.
    pub(crate) fin: bool,
}

impl Pair {
    /// Two ends with one configuration, and pipes that hold 64 KiB.
    pub(crate) fn new(config: &Config, delivery: Delivery) -> Self {
        Self::with_configs(config, config, delivery)
    }

    /// Two ends, the client with the first configuration and the server with the second.
    pub(crate) fn with_configs(client: &Config, server: &Config, delivery: Delivery) -> Self {
        let end = |role, config: &Config| End::new(role, config.clone());
        Self::of(end(Role::Client, client), end(Role::Server, server), delivery)
    }

    /// These two ends.
    pub(crate) fn of(client: End, server: End, delivery: Delivery) -> Self {
        let peer = |end| Peer {
            end,
            incoming: Pipe {
                bytes: VecDeque::new(),
                carried: Vec::new(),
                cutter: delivery.cutter(),
                capacity: 64 << 10,
                stalled: false,
                fin: false,
            },
            deadline: None,
        };
        let mut pair =
            Self { client: peer(client), server: peer(server), now: Instant::now(), shut_down: Vec::new() };
        pair.tell_the_time();
        pair
    }

    /// The end in this role.
    pub(crate) fn end(&mut self, role: Role) -> &mut Peer {
        match role {
            Role::Client => &mut self.client,
            Role::Server => &mut self.server,
        }
    }

    /// Lets the bytes flow until nothing moves any more.
    pub(crate) fn run(&mut self) {
        while self.step() {}
    }

    /// Each end writes what fits and reads one piece. Says whether anything moved.
    pub(crate) fn step(&mut self) -> bool {
        let mut moved = false;
        for role in [Role::Client, Role::Server] {
            moved |= self.write(role);
            moved |= self.read(role);
        }
        moved
    }

    /// Moves the clock, and calls each end at each instant that it named on the way.
    pub(crate) fn advance(&mut self, by: Duration) {
        let target = self.now + by;
        loop {
            let deadlines = [self.client.deadline, self.server.deadline];
            let next = deadlines.into_iter().flatten().min().map_or(target, |next| next.min(target));
            assert!(next > self.now || next == target, "a deadline that has passed was named again");
            self.now = next;
            self.tell_the_time();
            self.run();
            if next == target {
                return;
            }
        }
    }

    fn tell_the_time(&mut self) {
        for peer in [&mut self.client, &mut self.server] {
            peer.deadline = peer.end.connection.handle_timeout(self.now);
            peer.end.poll();
        }
    }

    fn write(&mut self, role: Role) -> bool {
        let pipe = &self.end(role.peer()).incoming;
        let room = if pipe.fin { 0 } else { pipe.capacity.saturating_sub(pipe.bytes.len()) };
        let peer = self.end(role);
        let wire = peer.end.write(room);
        let shuts_down = peer.connection.wants_shutdown();
        let pipe = &mut self.end(role.peer()).incoming;
        pipe.bytes.extend(&wire);
        pipe.carried.extend_from_slice(&wire);
        let shuts_down = shuts_down && !pipe.fin;
        if shuts_down {
            pipe.fin = true;
            self.shut_down.push(role);
        }
        !wire.is_empty() || shuts_down
    }

    fn read(&mut self, role: Role) -> bool {
        let now = self.now;
        let Peer { end, incoming, deadline } = self.end(role);
        if incoming.stalled || (incoming.bytes.is_empty() && !incoming.fin) {
            return false;
        }
        let n = incoming.cutter.next(incoming.bytes.len());
        if n > 0 {
            let piece: Vec<u8> = incoming.bytes.drain(..n).collect();
            end.read(&piece);
        } else if end.at_eof {
            return false;
        } else {
            end.receive_eof();
        }
        *deadline = end.connection.handle_timeout(now);
        end.poll();
        true
    }
}

impl Deref for Peer {
    type Target = End;

    fn deref(&self) -> &End {
        &self.end
    }
}

impl DerefMut for Peer {
    fn deref_mut(&mut self) -> &mut End {
        &mut self.end
    }
}
