//! The loop of the floors over epoll: level-triggered, one read and at most one write for each wakeup.

use harness::Failure;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send, sockopt};
use std::mem;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};

/// What becomes of the bytes of one connection.
pub trait Peer: Default {
    /// Bytes have come; their answer goes into `out`.
    ///
    /// # Errors
    /// They are wrong: the connection is dropped.
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Failure>;

    /// Memory of its own to read into next, instead of the buffer that all share.
    fn storage(&mut self) -> Option<&mut [u8]> {
        None
    }

    /// So many bytes have come into its own memory, which is returned when it is to go out.
    ///
    /// # Errors
    /// They are wrong: the connection is dropped.
    fn filled(&mut self, _: usize) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }

    /// That memory has gone out.
    fn give_back(&mut self, _: Vec<u8>) {}
}

/// Serves connections on this thread.
///
/// # Errors
/// epoll or the listener fails.
pub fn serve<P: Peer>(listener: TcpListener) -> Result<(), Failure> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
    // By the number of the descriptor.
    let mut connections: Vec<Option<Connection<P>>> = Vec::new();
    let (mut events, mut buffer, mut out) = (Vec::with_capacity(1024), vec![0; BUFFER], Vec::new());
    loop {
        events.clear();
        retry_on_intr(|| epoll::wait(&epoll, spare_capacity(&mut events), None))?;
        for &Event { data, flags } in &events {
            if data.u64() == LISTENER {
                let socket = accept_with(&listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
                sockopt::set_tcp_nodelay(&socket, true)?;
                let index = usize::try_from(socket.as_raw_fd())?;
                epoll::add(&epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
                connections.resize_with(connections.len().max(index + 1), || None);
                connections[index] = Some(Connection::new(socket));
                continue;
            }
            let slot = &mut connections[usize::try_from(data.u64())?];
            let Some(connection) = slot else { continue };
            let done = if flags.contains(EventFlags::OUT) {
                connection.write_on()
            } else {
                connection.answer(&mut buffer, &mut out)
            };
            if done.and_then(|()| connection.watch(&epoll, data)).is_err() {
                *slot = None;
            }
        }
    }
}

const LISTENER: u64 = u64::MAX;
/// Bytes that are read at once.
const BUFFER: usize = 256 << 10;

struct Connection<P> {
    socket: OwnedFd,
    peer: P,
    /// What the network did not take at once, and how much of it has left. Nothing is read meanwhile.
    rest: Vec<u8>,
    left: usize,
    waits_to_write: bool,
}

impl<P: Peer> Connection<P> {
    fn new(socket: OwnedFd) -> Self {
        Self { socket, peer: P::default(), rest: Vec::new(), left: 0, waits_to_write: false }
    }

    /// Reads once, and writes the answer as far as the network takes it.
    fn answer(&mut self, buffer: &mut [u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        if let Some(storage) = self.peer.storage() {
            let Some(n) = unless_blocked(recv(&self.socket, storage, RecvFlags::empty()).map(|(n, _)| n))?
            else {
                return Ok(());
            };
            if let Some(message) = self.peer.filled(some(n)?)? {
                self.rest = message;
                self.write_on()?;
            }
            return Ok(());
        }
        let Some(n) = unless_blocked(recv(&self.socket, &mut *buffer, RecvFlags::empty()).map(|(n, _)| n))?
        else {
            return Ok(());
        };
        out.clear();
        self.peer.receive(&buffer[..some(n)?], out)?;
        if !out.is_empty() {
            let written = unless_blocked(send(&self.socket, out, SendFlags::NOSIGNAL))?.unwrap_or(0);
            self.rest.extend_from_slice(&out[written..]);
        }
        Ok(())
    }

    /// Writes what is left over, as far as the network takes it.
    fn write_on(&mut self) -> Result<(), Failure> {
        let sent = send(&self.socket, &self.rest[self.left..], SendFlags::NOSIGNAL);
        self.left += unless_blocked(sent)?.unwrap_or(0);
        if self.left == self.rest.len() {
            self.left = 0;
            self.peer.give_back(mem::take(&mut self.rest));
        }
        Ok(())
    }

    /// Waits for what comes next, if that has changed.
    fn watch(&mut self, epoll: &OwnedFd, data: EventData) -> Result<(), Failure> {
        let has_rest = !self.rest.is_empty();
        if has_rest != self.waits_to_write {
            self.waits_to_write = has_rest;
            let flags = if has_rest { EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(epoll, &self.socket, data, flags)?;
        }
        Ok(())
    }
}

/// Zero bytes are the end of the stream.
fn some(n: usize) -> Result<usize, Failure> {
    if n == 0 { Err("closed".into()) } else { Ok(n) }
}

/// `None`: not now.
fn unless_blocked<T>(result: Result<T, Errno>) -> Result<Option<T>, Failure> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::AGAIN | Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
