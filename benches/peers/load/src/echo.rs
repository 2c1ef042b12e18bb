use crate::accounts::Accounts;
use crate::answers::Answers;
use crate::arguments::Arguments;
use crate::client::Client;
use crate::histogram::Histogram;
use crate::traffic::Traffic;
use crate::verify::verify;
use harness::Failure;
use rustix::buffer::spare_capacity;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Bytes that are read at once, and of a payload thrown away at once.
const BUFFER: usize = 1 << 20;
/// How long nothing may come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Keeps all connections busy: each sends a burst, and the next when the last message of it is answered.
pub(crate) fn measure(arguments: &Arguments) -> Result<String, Failure> {
    let first = Client::connect(arguments.port, arguments.deflate.as_deref())?;
    let extensions = first.extensions.clone();
    let traffic = Traffic::new(arguments, first.takeover())?;
    verify(first, &traffic, arguments.ahead)?;

    let mut load = Load::new(arguments, &traffic)?;
    load.run(Duration::from_secs_f64(arguments.warm))?;
    load.count = Count::default();
    let (bytes, before, begun) = (load.bytes(), Accounts::read(arguments.pid)?, Instant::now());
    load.run(Duration::from_secs_f64(arguments.seconds))?;
    let seconds = begun.elapsed().as_secs_f64();
    let after = Accounts::read(arguments.pid)?;

    let messages = load.count.messages as f64;
    let server = after.server_since(&before);
    Ok(format!(
        r#"{{"messages":{messages},"rate":{:.0},"ns":{:.1},"faults":{:.3},"server":{:.3},"busy":{:.3},"p50_us":{:.2},"p99_us":{:.2},"disturbance":{:.3},"extensions":{extensions:?},"sent":{:.1},"received":{:.1}}}"#,
        messages / seconds,
        server / messages,
        after.faults_since(&before) / messages,
        server / 1e9 / seconds,
        1.0 - load.count.idle.as_secs_f64() / seconds,
        load.count.latency.quantile(0.5) as f64 / 1e3,
        load.count.latency.quantile(0.99) as f64 / 1e3,
        after.disturbance_since(&before, seconds),
        traffic.sent,
        (load.bytes() - bytes) as f64 / messages,
    ))
}

pub(crate) struct Load<'a> {
    traffic: &'a Traffic,
    ahead: usize,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
    pub(crate) count: Count,
}

/// What is counted while it counts.
pub(crate) struct Count {
    pub(crate) messages: usize,
    /// Time in which nothing had come.
    idle: Duration,
    /// From a burst's first byte to the last of its answers.
    latency: Histogram,
}

impl Default for Count {
    fn default() -> Self {
        Self { messages: 0, idle: Duration::ZERO, latency: Histogram::new() }
    }
}

struct Connection {
    stream: TcpStream,
    answers: Answers,
    /// The number of the burst, how many of its bytes have left, and how many messages are answered.
    burst: usize,
    sent: usize,
    answered: usize,
    begun: Instant,
    waits_to_send: bool,
}

impl<'a> Load<'a> {
    pub(crate) fn new(arguments: &Arguments, traffic: &'a Traffic) -> Result<Self, Failure> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::new();
        for index in 0..arguments.connections {
            let stream = Client::connect(arguments.port, arguments.deflate.as_deref())?.stream;
            stream.set_nonblocking(true)?;
            epoll::add(&epoll, &stream, EventData::new_u64(index as u64), EventFlags::IN)?;
            connections.push(Connection::new(stream));
        }
        let (ahead, buffer) = (arguments.ahead, vec![0; BUFFER]);
        let mut load = Self { traffic, ahead, epoll, connections, buffer, count: Count::default() };
        for index in 0..load.connections.len() {
            load.send(index)?;
        }
        Ok(load)
    }

    /// Spins for so long.
    pub(crate) fn run(&mut self, duration: Duration) -> Result<(), Failure> {
        let mut events = Vec::with_capacity(1024);
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let begun = Instant::now();
        let (mut last, mut last_event) = (begun, begun);
        while last - begun < duration {
            events.clear();
            let come = epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&now))?;
            for &Event { data, flags } in &events {
                let index = usize::try_from(data.u64())?;
                if flags.contains(EventFlags::OUT) {
                    self.send(index)?;
                }
                if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
                    self.receive(index)?;
                }
            }
            let time = Instant::now();
            if come > 0 {
                last_event = time;
            } else {
                self.count.idle += time - last;
                if time - last_event > PATIENCE {
                    return Err("no answer comes any more".into());
                }
            }
            last = time;
        }
        Ok(())
    }

    /// Sends what the network takes of the burst.
    fn send(&mut self, index: usize) -> Result<(), Failure> {
        let connection = &mut self.connections[index];
        let burst = self.traffic.burst(connection.burst);
        while connection.sent < burst.len() {
            match send(&connection.stream, &burst[connection.sent..], SendFlags::NOSIGNAL) {
                Ok(n) => connection.sent += n,
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let has_rest = connection.sent < burst.len();
        if has_rest != connection.waits_to_send {
            connection.waits_to_send = has_rest;
            let flags = if has_rest { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.epoll, &connection.stream, EventData::new_u64(index as u64), flags)?;
        }
        Ok(())
    }

    /// Counts the answers; after the last of a burst the next one leaves.
    fn receive(&mut self, index: usize) -> Result<(), Failure> {
        let connection = &mut self.connections[index];
        let Some(messages) = connection.receive(&mut self.buffer)? else { return Ok(()) };
        self.count.messages += messages;
        connection.answered += messages;
        if connection.answered > self.ahead {
            return Err("there are more answers than questions".into());
        }
        if connection.answered == self.ahead {
            let now = Instant::now();
            let took = (now - connection.begun).as_nanos();
            self.count.latency.add(u64::try_from(took)?);
            (connection.burst, connection.sent, connection.answered) = (connection.burst + 1, 0, 0);
            connection.begun = now;
            self.send(index)?;
        }
        Ok(())
    }

    /// Bytes of payload that have come in all.
    fn bytes(&self) -> u64 {
        self.connections.iter().map(|connection| connection.answers.bytes).sum()
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        let (answers, begun) = (Answers::default(), Instant::now());
        Self { stream, answers, burst: 0, sent: 0, answered: 0, begun, waits_to_send: false }
    }

    /// How many messages have come with one read. What lies inside of a large payload is not even copied.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Option<usize>, Failure> {
        let skippable = self.answers.skippable().min(buffer.len());
        let is_large = skippable > 32 << 10;
        let received = if is_large {
            recv(&self.stream, &mut buffer[..skippable], RecvFlags::TRUNC)
        } else {
            recv(&self.stream, &mut *buffer, RecvFlags::empty())
        };
        match received.map(|(_, n)| n) {
            Ok(0) => Err("the server has closed the connection".into()),
            Ok(n) if is_large => Ok(Some(self.answers.skip(n))),
            Ok(n) => Ok(Some(self.answers.read(&buffer[..n])?)),
            Err(Errno::AGAIN) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}
