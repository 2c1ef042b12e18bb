//! The core alone over mio, which on Linux is epoll, edge-triggered: a loop, one thread, no runtime.

use bytes::Buf;
use harness::{Codec, Echo, Endless, Failure, Mask, Options, Role, Sample};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use row_sansocket::{DEFLATE, open, options, outgoing};
use sansocket::frame::mask;
use sansocket::handshake::server::{self, Handshake};
use sansocket::{Connection, Event};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::sync::Arc;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "sansocket-mio";
    const DEFLATE: &'static [&'static str] = DEFLATE;

    fn serve(listener: std::net::TcpListener, how: Options) -> Result<(), Failure> {
        let options = options(&how)?;
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let mut poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        // By the number of the descriptor.
        let mut peers: Vec<Option<Peer>> = Vec::new();
        let mut events = Events::with_capacity(1024);
        loop {
            match poll.poll(&mut events, None) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                polled => polled?,
            }
            for event in &events {
                if event.token() == LISTENER {
                    while let Some((mut stream, _)) = unless_blocked(listener.accept())? {
                        stream.set_nodelay(true)?;
                        let index = usize::try_from(stream.as_raw_fd())?;
                        let both = Interest::READABLE | Interest::WRITABLE;
                        poll.registry().register(&mut stream, Token(index), both)?;
                        peers.resize_with(peers.len().max(index + 1), || None);
                        peers[index] = Some(Peer::new(stream, Arc::clone(&options)));
                    }
                    continue;
                }
                let Token(index) = event.token();
                // How a connection ends is for the generator to judge.
                if peers[index].as_mut().is_some_and(|peer| peer.advance().is_err()) {
                    peers[index] = None;
                }
            }
        }
    }
}

const LISTENER: Token = Token(usize::MAX);

/// A connection and its stream.
struct Peer {
    stream: TcpStream,
    stage: Stage,
}

enum Stage {
    Opening(Box<Handshake>),
    Open(Box<Connection>),
}

impl Peer {
    fn new(stream: TcpStream, options: Arc<server::Options>) -> Self {
        Self { stream, stage: Stage::Opening(Box::new(Handshake::new(options))) }
    }

    /// Does all that can be done without waiting. An error, or the end: drop the peer.
    fn advance(&mut self) -> Result<(), Failure> {
        loop {
            match &mut self.stage {
                Stage::Opening(handshake) => {
                    let mut head = [0; 2 << 10];
                    let Some(n) = unless_blocked(self.stream.read(&mut head))? else { return Ok(()) };
                    if n == 0 {
                        handshake.receive_eof()?;
                    }
                    if handshake.receive(&head[..n])?.is_some() {
                        let (connection, _) = handshake.accept()?;
                        self.stage = Stage::Open(Box::new(connection));
                    }
                }
                Stage::Open(connection) => {
                    let echoed = echo(connection, &mut self.stream);
                    connection.return_buffers();
                    return echoed;
                }
            }
        }
    }
}

/// Answers what has come with one write, and reads on, until the stream would block either way. What is queued
/// leaves before more is read, so that a peer which does not read fills no memory.
fn echo(connection: &mut Connection, stream: &mut TcpStream) -> Result<(), Failure> {
    let mut is_drained = false;
    loop {
        while connection.output().has_remaining() {
            let Some(n) = unless_blocked(stream.write(connection.output().chunk()))? else { return Ok(()) };
            connection.output().advance(n);
        }
        if connection.wants_shutdown() {
            return Err("closed".into());
        }
        if is_drained {
            return Ok(());
        }
        let room = connection.input();
        let length = room.len();
        let Some(n) = unless_blocked(stream.read(room))? else { return Ok(()) };
        if n == 0 {
            connection.receive_eof();
        }
        // epoll(7): a stream that has given less than was asked for is drained.
        is_drained = n < length && n > 0;
        connection.filled(n)?;
        let (receiver, sender) = connection.halves();
        loop {
            match receiver.poll_event() {
                Ok(Some(Event::Text(text))) => sender.send(text)?,
                Ok(Some(Event::Binary(payload))) => sender.send(payload)?,
                Ok(Some(event)) => sender.answer(&event),
                Ok(None) => break,
                Err(error) => {
                    sender.fail(&error);
                    break;
                }
            }
        }
    }
}

/// `None`: not now.
fn unless_blocked<T>(result: std::io::Result<T>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error.into()),
    }
}

impl Codec for Row {
    const MASK: Option<(&'static str, Mask)> = Some(("sansocket::frame::mask::apply", mask::apply));

    fn decode(mut stream: Endless, count: usize) -> Result<usize, Failure> {
        let mut connection = open(Role::Server);
        let (mut messages, mut bytes) = (0, 0);
        while messages < count {
            let n = stream.read(connection.input())?;
            connection.filled(n)?;
            while messages < count
                && let Some(event) = connection.poll_event()?
            {
                bytes += match event {
                    Event::Text(text) => text.len(),
                    Event::Binary(payload) => payload.len(),
                    _ => 0,
                };
                messages += 1;
            }
        }
        Ok(bytes)
    }

    fn encode(mut stream: Endless, role: Role, message: &Sample, count: usize) -> Result<(), Failure> {
        let mut connection = open(role);
        for _ in 0..count {
            connection.send(outgoing(message))?;
            while connection.output().has_remaining() {
                let n = stream.write(connection.output().chunk())?;
                connection.output().advance(n);
            }
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
