//! A network in memory that moves only when it is told to, with a sans-IO peer at its other end: a stream for
//! every front end, and a hand that polls.

use super::end::End;
use bytes::Bytes;
use futures_io::{AsyncRead, AsyncWrite};
use sansocket::blocking::TryClone;
use sansocket::handshake::accept_key;
use sansocket::{Config, Role, bytes};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{self, Poll, Wake, Waker};
use tokio::io::ReadBuf;

/// How much the network moves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Speed {
    /// How many bytes one read or write moves at most.
    pub(crate) call: usize,
    /// How many bytes go each way in one step.
    pub(crate) step: usize,
    /// How many bytes may be under way in each direction.
    pub(crate) capacity: usize,
    /// Each call is pending once before it does anything.
    pub(crate) stutters: bool,
    /// The peer reads nothing while it has something to write.
    pub(crate) writes_first: bool,
}

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An error. Only this call fails; or all from then on.
    Fails(ErrorKind),
    Dies(ErrorKind),
    /// It moves one byte.
    Short,
    /// It would block, although it need not; a blocking stream is non-blocking from then on.
    Blocks,
    /// It moves nothing: the end of the stream, or a write that writes nothing.
    Zero,
    /// It claims to have moved a byte more than it was asked to.
    Lies,
}

/// Which calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Read,
    Write,
    Flush,
    Close,
}

/// What the peer does with the opening handshake.
#[derive(Debug)]
enum Opening {
    Done,
    /// It waits for the rest of our request, or of our response, of which so much has come.
    Awaits(Role, Vec<u8>),
}

/// The network and the peer.
#[derive(Debug)]
pub(crate) struct Net {
    pub(crate) peer: End,
    pub(crate) speed: Speed,
    /// What the peer sends before any frame.
    pub(crate) first: Bytes,
    opening: Opening,
    incoming: VecDeque<u8>,
    outgoing: VecDeque<u8>,
    eof: bool,
    shut_down: bool,
    /// All frames that were written.
    pub(crate) written: Vec<u8>,
    /// The next call goes through, after one that was pending although it need not have been.
    goes_through: [bool; 4],
    stuttered: bool,
    /// Who waits to read, and who to write.
    wakers: [Option<Waker>; 2],
    /// What goes wrong with which call of its kind, counted from 0.
    pub(crate) fault: Option<(Call, usize, Fault)>,
    pub(crate) calls: [usize; 4],
    /// Every call fails from now on.
    dead: Option<ErrorKind>,
    /// A blocking call returns when it would block.
    nonblocking: bool,
    /// When nothing moves any more the peer goes away.
    pub(crate) gives_up: bool,
}

/// A handle of it, which is also the stream.
#[derive(Clone, Debug)]
pub(crate) struct Line(Arc<Mutex<Net>>);

impl Line {
    /// A connection to a peer behind the opening handshake; the role is that of this end.
    pub(crate) fn new(role: Role, speed: Speed) -> Self {
        let net = Net {
            peer: End::new(role.peer(), Config::new()),
            speed,
            first: Bytes::new(),
            opening: Opening::Done,
            incoming: VecDeque::new(),
            outgoing: VecDeque::new(),
            eof: false,
            shut_down: false,
            written: Vec::new(),
            goes_through: [false; 4],
            stuttered: false,
            wakers: [None, None],
            fault: None,
            calls: [0; 4],
            dead: None,
            nonblocking: false,
            gives_up: false,
        };
        Self(Arc::new(Mutex::new(net)))
    }

    /// The same before the opening handshake, which the peer makes.
    pub(crate) fn unopened(role: Role, speed: Speed) -> Self {
        let line = Self::new(role, speed);
        let mut net = line.net();
        net.opening = Opening::Awaits(role, Vec::new());
        if role == Role::Server {
            net.first = Bytes::from_static(
                b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
            );
        }
        drop(net);
        line
    }

    pub(crate) fn net(&self) -> MutexGuard<'_, Net> {
        self.0.lock().unwrap()
    }

    /// Polls a future until it is ready, or `k` times at most, and then drops it. Each poll has a waker of its
    /// own, and the next comes when that was woken: if the network stands still before, nobody ever will.
    pub(crate) fn poll<F: Future>(&self, k: usize, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        for polls in 1..=k {
            assert!(polls < 100_000, "a future that is never ready");
            let woken = Arc::new(Woken::new(false));
            let waker = Waker::from(Arc::clone(&woken));
            if let Poll::Ready(output) = future.as_mut().poll(&mut task::Context::from_waker(&waker)) {
                return Some(output);
            }
            assert!(Arc::strong_count(&woken) > 2, "pending, and nobody has the waker");
            while polls < k && !woken.take() {
                assert!(self.net().step(), "nothing moves any more, and nobody was woken");
            }
        }
        None
    }

    /// Polls a future until it is ready.
    pub(crate) fn finish<F: Future>(&self, future: F) -> F::Output {
        self.poll(usize::MAX, future).expect("it was polled until it was ready")
    }

    /// One call of the blocking front end: the network moves while it waits.
    fn block<R>(&self, mut call: impl FnMut(&mut Net, &Waker) -> Poll<io::Result<R>>) -> io::Result<R> {
        let mut net = self.net();
        loop {
            match call(&mut net, Waker::noop()) {
                Poll::Ready(result) => return result,
                Poll::Pending if !net.nonblocking && net.step() => {}
                Poll::Pending => return Err(ErrorKind::WouldBlock.into()),
            }
        }
    }
}

impl Net {
    /// The network moves. False: nothing is under way, and nobody has anything to say.
    pub(crate) fn step(&mut self) -> bool {
        let stuttered = std::mem::take(&mut self.stuttered);
        let written = self.peer_writes();
        let read = self.peer_reads();
        if written || stuttered {
            self.wake(Call::Read);
        }
        if read || stuttered {
            self.wake(Call::Write);
        }
        let gives_up = self.gives_up && !self.eof && !(written || read || stuttered);
        if gives_up {
            self.eof = true;
            self.wakers.iter_mut().filter_map(Option::take).for_each(Waker::wake);
        }
        written || read || stuttered || gives_up
    }

    pub(crate) fn wake_reader(&mut self) {
        self.wake(Call::Read);
    }

    /// Whether a read would find something.
    pub(crate) fn is_readable(&self) -> bool {
        !self.incoming.is_empty() || self.eof
    }

    /// Whether a write would move something.
    pub(crate) fn is_writable(&self) -> bool {
        self.outgoing.len() < self.speed.capacity
    }

    fn wake(&mut self, call: Call) {
        if let Some(waker) = self.wakers[usize::from(call != Call::Read)].take() {
            waker.wake();
        }
    }

    pub(crate) fn peer_writes(&mut self) -> bool {
        let room = self.speed.step.min(self.speed.capacity.saturating_sub(self.incoming.len()));
        let mut bytes = self.first.split_to(room.min(self.first.len())).to_vec();
        if self.first.is_empty() && matches!(self.opening, Opening::Done) {
            bytes.extend(self.peer.write(room - bytes.len()));
        }
        self.incoming.extend(&bytes);
        let ends = !self.eof && self.peer.connection.wants_shutdown();
        self.eof |= ends;
        ends || !bytes.is_empty()
    }

    fn peer_reads(&mut self) -> bool {
        let writes = self.peer.connection.buffered_amount() > 0 && matches!(self.opening, Opening::Done);
        if self.speed.writes_first && writes {
            return false;
        }
        let n = self.speed.step.min(self.outgoing.len());
        let bytes: Vec<u8> = self.outgoing.drain(..n).collect();
        if bytes.is_empty() {
            let ends = self.shut_down && !self.peer.at_eof;
            if ends {
                self.peer.receive_eof();
            }
            return ends;
        }
        match &mut self.opening {
            Opening::Done => self.receive(&bytes),
            Opening::Awaits(role, head) => {
                head.extend(bytes);
                // A refusal is only collected.
                let at = head.windows(4).position(|end| end == b"\r\n\r\n");
                let at = at.filter(|_| head.starts_with(b"GET ") || head.starts_with(b"HTTP/1.1 101 "));
                if let Some(at) = at {
                    let (rest, role, head) = (head.split_off(at + 4), *role, std::mem::take(head));
                    if role == Role::Client {
                        self.first = response(&head).into();
                    }
                    self.opening = Opening::Done;
                    self.receive(&rest);
                }
            }
        }
        true
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.written.extend(bytes);
        self.peer.read(bytes);
    }

    /// What has come of our head.
    pub(crate) fn head(&self) -> &[u8] {
        if let Opening::Awaits(_, head) = &self.opening { head } else { &[] }
    }

    /// A call begins: what is wrong with it, or how much it moves.
    fn begin(&mut self, call: Call, waker: &Waker) -> Poll<(usize, Option<Fault>)> {
        let this = (call, self.calls[call as usize]);
        let fault = self.fault.take_if(|(call, at, _)| (*call, *at) == this).map(|(.., fault)| fault);
        if let Some(Fault::Dies(kind)) = fault {
            self.dead = Some(kind);
        }
        let fault = self.dead.map(Fault::Dies).or(fault);
        self.nonblocking |= fault == Some(Fault::Blocks);
        self.calls[call as usize] += 1;
        let goes_through = std::mem::replace(&mut self.goes_through[call as usize], false);
        if fault == Some(Fault::Blocks) || (self.speed.stutters && !goes_through) {
            self.goes_through[call as usize] = true;
            self.stuttered = true;
            return self.wait(call, waker);
        }
        Poll::Ready((if fault == Some(Fault::Short) { 1 } else { self.speed.call }, fault))
    }

    fn wait<R>(&mut self, call: Call, waker: &Waker) -> Poll<R> {
        self.wakers[usize::from(call != Call::Read)] = Some(waker.clone());
        Poll::Pending
    }

    fn read(&mut self, waker: &Waker, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let (most, fault) = task::ready!(self.begin(Call::Read, waker));
        match fault {
            Some(Fault::Fails(kind) | Fault::Dies(kind)) => return Poll::Ready(Err(kind.into())),
            Some(Fault::Lies) => return Poll::Ready(Ok(buffer.len() + 1)),
            Some(Fault::Zero) => {
                self.incoming.clear();
                self.eof = true;
            }
            _ => {}
        }
        let n = most.min(buffer.len()).min(self.incoming.len());
        if n == 0 && !self.eof && !buffer.is_empty() {
            return self.wait(Call::Read, waker);
        }
        buffer.iter_mut().zip(self.incoming.drain(..n)).for_each(|(to, byte)| *to = byte);
        Poll::Ready(Ok(n))
    }

    fn write(&mut self, waker: &Waker, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let (most, fault) = task::ready!(self.begin(Call::Write, waker));
        let offered: usize = slices.iter().map(|slice| slice.len()).sum();
        match fault {
            Some(Fault::Fails(kind) | Fault::Dies(kind)) => return Poll::Ready(Err(kind.into())),
            Some(Fault::Lies) => return Poll::Ready(Ok(offered + 1)),
            Some(Fault::Zero) => return Poll::Ready(Ok(0)),
            _ => {}
        }
        let n = most.min(offered).min(self.speed.capacity.saturating_sub(self.outgoing.len()));
        if n == 0 {
            return self.wait(Call::Write, waker);
        }
        assert!(!self.shut_down, "written after the end");
        self.outgoing.extend(slices.iter().flat_map(|slice| slice.iter()).take(n));
        Poll::Ready(Ok(n))
    }

    fn flush(&mut self, waker: &Waker, call: Call) -> Poll<io::Result<()>> {
        let (_, fault) = task::ready!(self.begin(call, waker));
        if let Some(Fault::Fails(kind) | Fault::Dies(kind)) = fault {
            return Poll::Ready(Err(kind.into()));
        }
        self.shut_down |= call == Call::Close;
        Poll::Ready(Ok(()))
    }
}

/// What a server answers to a request.
fn response(request: &[u8]) -> Vec<u8> {
    let request = std::str::from_utf8(request).unwrap();
    let (_, key) = request.split_once("Sec-WebSocket-Key: ").unwrap();
    let accept = accept_key(&key.as_bytes()[..24]);
    let head = "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ";
    format!("{head}{accept}\r\n\r\n").into_bytes()
}

/// Says in a panic where it was.
pub(crate) struct Context(pub(crate) String);

impl Drop for Context {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("in {}", self.0);
        }
    }
}

/// A waker that notes whether it was woken.
pub(crate) struct Woken(AtomicBool);

impl Woken {
    pub(crate) fn new(woken: bool) -> Self {
        Self(AtomicBool::new(woken))
    }

    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

type Polled<R> = Poll<io::Result<R>>;

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut task::Context<'_>, buffer: &mut [u8]) -> Polled<usize> {
        self.net().read(cx.waker(), buffer)
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut task::Context<'_>, bytes: &[u8]) -> Polled<usize> {
        self.net().write(cx.waker(), &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        s: &[IoSlice<'_>],
    ) -> Polled<usize> {
        self.net().write(cx.waker(), s)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Polled<()> {
        self.net().flush(cx.waker(), Call::Flush)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Polled<()> {
        self.net().flush(cx.waker(), Call::Close)
    }
}

impl tokio::io::AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut task::Context<'_>, buffer: &mut ReadBuf<'_>) -> Polled<()> {
        // Its buffer knows how much it holds, so that nobody can lie.
        let n = task::ready!(self.net().read(cx.waker(), buffer.initialize_unfilled()))?;
        buffer.advance(n);
        Poll::Ready(Ok(()))
    }
}

impl tokio::io::AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut task::Context<'_>, bytes: &[u8]) -> Polled<usize> {
        AsyncWrite::poll_write(self, cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Polled<usize> {
        AsyncWrite::poll_write_vectored(self, cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Polled<()> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Polled<()> {
        AsyncWrite::poll_close(self, cx)
    }
}

impl Read for Line {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.block(|net, waker| net.read(waker, buffer))
    }
}

impl TryClone for Line {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(self.clone())
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.block(|net, waker| net.write(waker, slices))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.block(|net, waker| net.flush(waker, Call::Flush))
    }
}
