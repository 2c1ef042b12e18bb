use crate::accounts::Accounts;
use crate::arguments::Arguments;
use crate::client::request;
use harness::Failure;
use harness::wire;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::net::sockopt::set_socket_linger;
use sansocket::Opcode;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::os::fd::OwnedFd;
use std::thread;
use std::time::{Duration, Instant};

/// How long all handshakes may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long the server has to notice the last end.
const SETTLE: Duration = Duration::from_millis(20);

/// Connects, upgrades and closes, so many times, with some connections at once.
pub(crate) fn measure(arguments: &Arguments) -> Result<String, Failure> {
    let (before, begun) = (Accounts::read(arguments.pid)?, Instant::now());
    let mut opener = Opener::new(arguments.port)?;
    let mut clients = Vec::new();
    for index in 0..arguments.connections.min(arguments.count) {
        clients.push(opener.open(index)?);
    }
    let (mut opened, mut done, mut closed) = (clients.len(), 0, 0);
    let mut events = Vec::with_capacity(256);
    let now = Timespec { tv_sec: 0, tv_nsec: 0 };
    while done < arguments.count {
        if begun.elapsed() > PATIENCE {
            return Err(format!("only {done} handshakes are done").into());
        }
        events.clear();
        epoll::wait(&opener.epoll, spare_capacity(&mut events), Some(&now))?;
        for &Event { data, .. } in &events {
            let index = usize::try_from(data.u64())?;
            match clients[index].advance(&opener.close)? {
                Step::Waits => continue,
                Step::Closed => closed += 1,
                Step::Ended => {}
            }
            done += 1;
            clients[index].stream = None;
            if opened < arguments.count {
                opened += 1;
                clients[index] = opener.open(index)?;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let after = Accounts::read(arguments.pid)?;
    let (count, all) = (arguments.count as f64, begun.elapsed().as_secs_f64());
    Ok(format!(
        r#"{{"rate":{:.0},"ns":{:.0},"closed":{:.3},"disturbance":{:.3}}}"#,
        count / seconds,
        after.server_since(&before) / count,
        f64::from(closed) / count,
        after.disturbance_since(&before, all),
    ))
}

struct Opener {
    port: u16,
    epoll: OwnedFd,
    request: String,
    /// A Close frame, with the code 1000.
    close: Vec<u8>,
}

struct Client {
    stream: Option<TcpStream>,
    /// The response, as far as it has come.
    head: Vec<u8>,
    is_open: bool,
}

enum Step {
    Waits,
    /// The server has answered the Close frame.
    Closed,
    /// The stream has ended without.
    Ended,
}

impl Opener {
    fn new(port: u16) -> Result<Self, Failure> {
        let mut close = Vec::new();
        wire::frame(&mut close, Opcode::Close, 0, &1000_u16.to_be_bytes(), [1, 2, 3, 4]);
        Ok(Self { port, epoll: epoll::create(CreateFlags::CLOEXEC)?, request: request(None), close })
    }

    fn open(&mut self, index: usize) -> Result<Client, Failure> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        // The stream is reset when it is dropped, so that no port waits for the network.
        set_socket_linger(&stream, Some(Duration::ZERO))?;
        epoll::add(&self.epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
        stream.write_all(self.request.as_bytes())?;
        Ok(Client { stream: Some(stream), head: Vec::new(), is_open: false })
    }
}

impl Client {
    fn advance(&mut self, close: &[u8]) -> Result<Step, Failure> {
        let Some(stream) = &mut self.stream else { return Ok(Step::Waits) };
        let mut buffer = [0; 4 << 10];
        let n = match stream.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Step::Waits),
            Err(_) if self.is_open => return Ok(Step::Ended),
            read => read?,
        };
        if self.is_open {
            return Ok(if n > 0 { Step::Closed } else { Step::Ended });
        }
        self.head.extend_from_slice(&buffer[..n]);
        if n == 0 || !b"HTTP/1.1 101".starts_with(&self.head[..self.head.len().min(12)]) {
            return Err("the server has refused".into());
        }
        if self.head.ends_with(b"\r\n\r\n") {
            stream.write_all(close)?;
            self.is_open = true;
        }
        Ok(Step::Waits)
    }
}
