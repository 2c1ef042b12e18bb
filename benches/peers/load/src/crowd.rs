use crate::answers::Answers;
use crate::client::{accepted, request};
use harness::Failure;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, set_tcp_nodelay};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, bind, connect, recv, send, socket};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Handshakes under way.
const UNDER_WAY: usize = 256;
/// Connections from one address: a third of the ports that Linux gives out by default.
const PER_ADDRESS: usize = 10_000;
/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Many connections, all open.
pub(crate) struct Crowd {
    pub(crate) members: Vec<OwnedFd>,
    epoll: OwnedFd,
    buffer: Vec<u8>,
}

impl Crowd {
    /// Connects and upgrades so many, as fast as it can: 256 at once.
    ///
    /// # Errors
    /// One is refused or lost.
    pub(crate) fn storm(port: u16, count: usize) -> Result<Self, Failure> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut crowd = Self { members: Vec::with_capacity(count), epoll, buffer: vec![0; 256 << 10] };
        let (request, mut open) = (request(None), 0);
        let mut heads = vec![Vec::new(); count];
        while open < count {
            while crowd.members.len() < count.min(open + UNDER_WAY) {
                crowd.begin(port, request.as_bytes())?;
            }
            crowd.wait(|index, bytes| {
                heads[index].extend_from_slice(bytes);
                if heads[index].ends_with(b"\r\n\r\n") {
                    accepted(&heads[index])?;
                    open += 1;
                }
                Ok(())
            })?;
        }
        Ok(crowd)
    }

    fn begin(&mut self, port: u16, request: &[u8]) -> Result<(), Failure> {
        let index = self.members.len();
        let stream = socket(AddressFamily::INET, SocketType::STREAM, None)?;
        let host = u8::try_from(2 + index / PER_ADDRESS)?;
        bind(&stream, &SocketAddrV4::new(Ipv4Addr::new(127, 0, 0, host), 0))?;
        // On this machine that takes no longer than the call.
        connect(&stream, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
        set_tcp_nodelay(&stream, true)?;
        // The stream is reset when it is dropped, so that no port waits for the network.
        set_socket_linger(&stream, Some(Duration::ZERO))?;
        epoll::add(&self.epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        self.members.push(stream);
        self.send(index, request)
    }

    /// Writes a few bytes, for which there is always room.
    pub(crate) fn send(&self, index: usize, bytes: &[u8]) -> Result<(), Failure> {
        let sent = send(&self.members[index], bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT)?;
        if sent == bytes.len() { Ok(()) } else { Err("the network takes nothing".into()) }
    }

    /// Waits until every member has got so many messages.
    pub(crate) fn receive(&mut self, messages: usize) -> Result<(), Failure> {
        let mut missing = self.members.len() * messages;
        // Nothing comes that was not asked for, so all are at the beginning of a frame.
        let mut come: Vec<(Answers, usize)> = self.members.iter().map(|_| Default::default()).collect();
        while missing > 0 {
            self.wait(|index, bytes| {
                let (answers, so_far) = &mut come[index];
                let now = answers.read(bytes)?;
                *so_far += now;
                if *so_far > messages {
                    return Err("more messages come than were asked for".into());
                }
                missing -= now;
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Spins until something comes, and passes on what has.
    pub(crate) fn wait(
        &mut self,
        mut come: impl FnMut(usize, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut events = Vec::with_capacity(1024);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let begun = Instant::now();
        while epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&now))? == 0 {
            if begun.elapsed() > PATIENCE {
                return Err("nothing comes".into());
            }
        }
        for &Event { data, .. } in &events {
            let index = usize::try_from(data.u64())?;
            match recv(&self.members[index], &mut self.buffer[..], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err("the server has closed a connection".into()),
                Ok((_, n)) => come(index, &self.buffer[..n])?,
                Err(Errno::AGAIN) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
