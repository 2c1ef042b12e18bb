//! Who uses a connection, or a half of it: one call after the other, as chance has it, any of which may be dropped.

use super::books::{Books, End};
use super::model::Fate;
use super::sends::{OPS, Op, Sends};
use super::step::Step;
use super::wire::{Stream, Wire};
use futures_util::{FutureExt, StreamExt};
use sansocket::asynchronous::{Handshake, Reader, Tokio, WebSocket, Writer};
use sansocket::handshake::{Rejection, client::Request, server::Options};
use sansocket::http::StatusCode;
use sansocket::{CloseCode, CloseFrame, CloseInfo, Error, Event, HandshakeError, Message, SendError, Sender};
use std::cell::{Cell, RefCell, RefMut};
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

pub(crate) type Transport<'d> = Tokio<Stream<'d>>;

/// What an actor has, and gives back.
pub(crate) enum Half<'d> {
    Whole(WebSocket<Transport<'d>>),
    Reader(Reader<Transport<'d>>),
    Writer(Writer<Transport<'d>>),
    Gone,
}

/// For what a call waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// For nothing but to be told to go on.
    Idle,
    Open,
    Read,
    Write,
    Close,
}

/// What the world and a task tell each other.
#[derive(Debug)]
pub(crate) struct Signal {
    /// The call is to be dropped.
    pub(crate) cut: Cell<bool>,
    /// The call that is under way, and since when.
    pub(crate) call: Cell<(Kind, Instant)>,
    /// How many calls have begun, or ended.
    pub(crate) turns: Cell<u64>,
    /// The poll is only to see whether it could go on, and does not count.
    pub(crate) probed: Cell<bool>,
    /// It is on the last of its ways, which ends by itself.
    pub(crate) is_last: Cell<bool>,
}

pub(crate) struct Actor<'d> {
    pub(crate) wire: Rc<RefCell<Wire<'d>>>,
    pub(crate) books: Rc<RefCell<Books>>,
    pub(crate) end: usize,
    pub(crate) lane: usize,
    pub(crate) signal: Rc<Signal>,
}

impl<'d> Actor<'d> {
    pub(crate) fn end(&self) -> RefMut<'_, End> {
        RefMut::map(self.books.borrow_mut(), |books| &mut books.ends[self.end])
    }

    pub(crate) fn below(&self, limit: usize) -> usize {
        self.wire.borrow_mut().choices.below(limit)
    }

    pub(crate) fn one_in(&self, n: usize) -> bool {
        self.wire.borrow_mut().choices.one_in(n)
    }

    /// Makes a call; perhaps only its first polls, or until the world has it dropped.
    pub(crate) async fn act<F: Future>(
        &self,
        kind: Kind,
        name: &'static str,
        len: usize,
        call: F,
    ) -> Option<F::Output> {
        let is_cut = !self.books.borrow().finale && self.one_in(8);
        let polls = if is_cut { self.below(4) } else { usize::MAX };
        self.act_for(polls, kind, name, len, call).await
    }

    async fn act_for<F: Future>(
        &self,
        mut polls: usize,
        kind: Kind,
        name: &'static str,
        len: usize,
        call: F,
    ) -> Option<F::Output> {
        let actor = if self.lane == 0 { "" } else { "other writer" };
        self.wire.borrow_mut().log.push(Step::Begins(self.end, actor, name, len));
        self.signal.cut.set(false);
        self.signal.call.set((kind, Wire::now()));
        self.signal.turns.update(|turns| turns + 1);
        let mut call = pin!(call);
        let result = poll_fn(|cx| {
            if polls == 0 || self.signal.cut.take() {
                return Poll::Ready(None);
            }
            polls -= usize::from(!self.signal.probed.get());
            match call.as_mut().poll(cx) {
                Poll::Pending if polls > 0 => Poll::Pending,
                polled => Poll::Ready(match polled {
                    Poll::Ready(output) => Some(output),
                    Poll::Pending => None,
                }),
            }
        });
        let result = result.await;
        self.signal.call.set((Kind::Idle, Wire::now()));
        self.signal.turns.update(|turns| turns + 1);
        let step = if result.is_some() { Step::Ready } else { Step::Dropped };
        self.wire.borrow_mut().log.push(step(self.end, actor, name));
        result
    }

    /// Does nothing until the world goes on.
    pub(crate) async fn idle(&self) {
        self.act_for(usize::MAX, Kind::Idle, "nothing", 0, std::future::pending::<()>()).await;
    }

    /// Whether to give back what it has. When all calls are made it waits for that.
    pub(crate) async fn stops(&self) -> bool {
        let is_over = self.wire.borrow().choices.is_over();
        if !self.end().gathers && (is_over || self.books.borrow().calls_left == 0) {
            self.idle().await;
        }
        let mut books = self.books.borrow_mut();
        books.calls_left = books.calls_left.saturating_sub(1);
        books.ends[self.end].gathers
    }

    /// Something is dropped that the other end may miss.
    pub(crate) fn is_rude(&self) -> bool {
        let is_rude = self.one_in(60);
        self.books.borrow_mut().is_rude |= is_rude;
        is_rude
    }

    pub(crate) fn explain(&self, error: &Error) {
        let (wire, mut books) = (self.wire.borrow(), self.books.borrow_mut());
        books.explain(self.end, &wire.faults[self.end], wire.is_disturbed, error);
    }

    fn message(&self, is_text: bool, len: usize) -> Message {
        let mut wire = self.wire.borrow_mut();
        if is_text {
            Message::text(wire.choices.text(len))
        } else {
            Message::binary(wire.choices.payload(len))
        }
    }

    fn arrived(&self, message: &Message) {
        self.wire.borrow_mut().log.push(Step::Received(self.end, message.as_bytes().len()));
        self.books.borrow_mut().arrived(self.end, message);
    }

    /// What came of a read; whether it was the last.
    fn has_read(&self, read: Result<Option<Message>, Error>) -> bool {
        match read {
            Ok(Some(message)) => {
                self.arrived(&message);
                return false;
            }
            Ok(None) => {}
            Err(error) => self.explain(&error),
        }
        self.end().is_over = true;
        true
    }

    /// Sends something; whether the connection takes more.
    async fn send(&self, ws: &mut impl Sends, longest: usize) -> bool {
        let mut op = self.wire.borrow_mut().choices.pick(&OPS);
        let unfinished = self.end().unfinished;
        if unfinished.is_some() && op.fin().is_none() && self.lane == 0 && self.below(4) > 0 {
            op = Op::Finish;
        }
        if self.lane > 0 && op.fin().is_some() {
            op = Op::Feed;
        }
        let is_text = op.fin().and(unfinished).unwrap_or_else(|| self.one_in(2));
        let len = if op == Op::WriteFinish { 0 } else { self.wire.borrow_mut().choices.len(longest) };
        let message = Rc::new(self.message(is_text, len));
        let number = self.end().flow.begin(self.lane, Rc::clone(&message), op.fin());
        if op.fin() == Some(false) {
            self.end().unfinished = Some(is_text);
        }
        let sent = self.act(Kind::Write, op.name(), message.as_bytes().len(), ws.make(op, &message)).await;
        let fate = match &sent {
            Some(Ok(())) => Fate::Sure,
            Some(Err(Error::Send(_))) => Fate::Never,
            None if op.is_exact() => Fate::Never,
            _ => Fate::Maybe,
        };
        self.end().flow.settle(self.lane, number, fate);
        if op != Op::WritePart {
            self.has_left(&sent);
        }
        if op.fin() == Some(true) && fate == Fate::Sure {
            self.end().unfinished = None;
        }
        self.end().check_queue(ws.buffered());
        self.goes_on(sent)
    }

    /// What could not be written is not said to be.
    fn has_left(&self, sent: &Option<Result<(), Error>>) {
        if let Some(Ok(())) = sent {
            assert!(
                !self.wire.borrow().faults[self.end].in_writing,
                "writing has failed, and nobody was told"
            );
        }
    }

    /// Whether there is reason to send more.
    fn goes_on<R>(&self, result: Option<Result<R, Error>>) -> bool {
        match result {
            Some(Err(error)) => {
                self.explain(&error);
                matches!(error, Error::Send(SendError::FragmentedMessage))
            }
            _ => true,
        }
    }

    async fn ping(&self, ws: &mut impl Sends) -> bool {
        let len = self.below(126);
        let payload = self.message(false, len);
        self.end().flow.pings.push(payload.as_bytes().to_vec());
        let sent = self.act(Kind::Write, "ping", len, ws.ping(payload.as_bytes())).await;
        self.has_left(&sent);
        self.goes_on(sent)
    }

    async fn flush(&self, ws: &mut impl Sends) -> bool {
        let flushed = self.act(Kind::Write, "flush", 0, ws.flush()).await;
        self.has_left(&flushed);
        if let Some(Ok(())) = flushed
            && self.books.borrow().ends[self.end].closing.is_none()
            && self.lane == 0
        {
            self.end().check_queue(ws.buffered());
        }
        self.goes_on(flushed)
    }

    fn close_frame(&self) -> Option<CloseFrame> {
        let code = [None, Some(CloseCode::GOING_AWAY), Some(CloseCode::NORMAL)][self.below(3)];
        code.map(|code| CloseFrame::new(code, "bye"))
    }

    /// Closes; true if the connection is over.
    async fn close(&self, ws: &mut impl Sends, discards: bool) -> bool {
        let frame = self.close_frame();
        // It closes from the first poll on, if there is one.
        let closing = async {
            self.end().close(discards);
            ws.close(frame).await
        };
        let closed = self.act(Kind::Close, "close", 0, closing).await;
        if discards {
            self.books.borrow_mut().ends[1 - self.end].flow.lose();
        }
        match closed {
            Some(Ok(info)) => {
                self.end().info = Some(info);
                true
            }
            Some(Err(error)) => {
                self.explain(&error);
                true
            }
            None => false,
        }
    }

    async fn sink_close(&self, ws: &mut impl Sends) {
        let closing = async {
            self.end().close(false);
            ws.sink_close().await
        };
        if let Some(Err(error)) = self.act(Kind::Write, "Sink close", 0, closing).await {
            self.explain(&error);
        }
    }
}

/// A connection, in one piece.
pub(crate) async fn whole<'d>(
    actor: Actor<'d>,
    mut ws: WebSocket<Transport<'d>>,
    longest: usize,
) -> Half<'d> {
    let mut sends = true;
    loop {
        if actor.stops().await {
            return Half::Whole(ws);
        }
        let mut is_over = false;
        match actor.below(32) {
            0..=3 => is_over = actor.read(&mut ws).await,
            4..=6 => is_over = actor.read_with(&mut ws, longest).await,
            7..=23 if sends => sends = actor.send(&mut ws, longest).await,
            24 | 25 if sends => sends = actor.flush(&mut ws).await,
            26 if sends => sends = actor.ping(&mut ws).await,
            27..=29 => actor.idle().await,
            30 if actor.is_rude() => return Half::Gone,
            31 if actor.one_in(4) => {
                is_over = actor.close(&mut ws, true).await;
            }
            31 if actor.one_in(4) => actor.sink_close(&mut ws).await,
            _ => {}
        }
        if is_over {
            actor.end().is_over = true;
            return actor.is_over(ws);
        }
    }
}

/// The last of a connection: one closes, perhaps, and reads to the end.
pub(crate) async fn last_whole<'d>(
    actor: Actor<'d>,
    mut ws: WebSocket<Transport<'d>>,
    closes: bool,
) -> Half<'d> {
    actor.signal.is_last.set(true);
    if closes {
        actor.end().close(false);
        if let Some(Err(error)) = actor.act_for(1, Kind::Close, "Sink close", 0, ws.sink_close()).await {
            actor.explain(&error);
        }
    }
    while !(actor.read_with(&mut ws, 0).await) {}
    actor.is_over(ws)
}

impl<'d> Actor<'d> {
    async fn read(&self, ws: &mut WebSocket<Transport<'d>>) -> bool {
        if self.end().limits.streaming {
            return self.read_with(ws, 0).await;
        }
        if self.one_in(2) {
            let item = self.act(Kind::Read, "Stream next", 0, ws.next()).await;
            // It says no more than that it is over if the failure was told before.
            return item.is_some_and(|item| self.has_read(item.transpose()));
        }
        let read = self.act(Kind::Read, "read", 0, ws.read()).await;
        read.is_some_and(|read| self.has_read(read))
    }

    /// Reads an event, and perhaps sends something with what is lent beside it.
    async fn read_with(&self, ws: &mut WebSocket<Transport<'d>>, longest: usize) -> bool {
        let reply = (longest > 0 && self.one_in(2)).then(|| {
            let len = self.wire.borrow_mut().choices.len(longest);
            let is_text = self.one_in(2);
            (self.message(is_text, len), self.one_in(30))
        });
        let read = |event: Event<'_>, sender: &mut Sender| {
            if let Event::Ping(payload) = &event {
                let books = self.books.borrow();
                let peer = &books.ends[1 - self.end];
                let is_known = peer.flow.pings.iter().any(|ping| ping[..] == payload[..]);
                assert!(is_known || peer.limits.keepalive.is_some(), "a ping that nobody sent");
            }
            let message = self.end().collect(event);
            if let Some((reply, closes)) = reply {
                self.reply(reply, closes, sender);
            }
            message
        };
        let read = self.act(Kind::Read, "read_with", 0, ws.read_with(read)).await;
        match read {
            None | Some(Ok(Some(None))) => false,
            Some(Ok(Some(message))) => self.has_read(Ok(message)),
            Some(Ok(None)) => self.has_read(Ok(None)),
            Some(Err(error)) => self.has_read(Err(error)),
        }
    }

    fn reply(&self, message: Message, closes: bool, sender: &mut Sender) {
        let message = Rc::new(message);
        let number = self.end().flow.begin(self.lane, Rc::clone(&message), None);
        let sent = sender.send(&*message);
        self.end().flow.settle(self.lane, number, if sent.is_ok() { Fate::Sure } else { Fate::Never });
        match sent {
            Err(SendError::QueueFull) => {
                assert!(sender.buffered_amount() >= self.end().limits.high_water_mark)
            }
            Err(error) => self.explain(&error.into()),
            Ok(()) => {}
        }
        if closes {
            self.end().close(false);
            match sender.close(CloseFrame::from(CloseCode::GOING_AWAY)) {
                Ok(()) | Err(SendError::Closed) => {}
                Err(error) => panic!("{error:?}"),
            }
        }
    }

    /// What is over stays so.
    fn is_over(&self, mut ws: WebSocket<Transport<'d>>) -> Half<'d> {
        for _ in 0..2 {
            let read = ws.read_with(|_, _| ()).now_or_never();
            is_over(read.map(|read| read.map(|event| event.is_some())), ws.close_info());
        }
        let sent = ws.send("late").now_or_never();
        let is_refused =
            matches!(&sent, Some(Err(Error::Send(SendError::Closed) | Error::Closed | Error::Io(_))));
        assert!(is_refused, "sent after the end: {sent:?}");
        assert_eq!(ws.buffered_amount(), 0);
        self.end().info = ws.close_info().cloned();
        Half::Gone
    }
}

/// What is read after the end is the end: a clean one if the peer has closed, and else no more than an error.
fn is_over(read: Option<Result<bool, Error>>, info: Option<&CloseInfo>) {
    match read {
        Some(Ok(false)) => {
            assert!(info.is_some_and(|info| info.received.code != CloseCode::ABNORMAL), "{info:?}")
        }
        Some(Err(Error::Closed)) => {}
        read => panic!("after the end: {read:?}"),
    }
}

/// A reading half; `is_last` reads to the end.
pub(crate) async fn reader<'d>(
    actor: Actor<'d>,
    mut reader: Reader<Transport<'d>>,
    is_last: bool,
) -> Half<'d> {
    actor.signal.is_last.set(is_last);
    loop {
        if !is_last && actor.stops().await {
            return Half::Reader(reader);
        }
        let read = match if is_last { 0 } else { actor.below(16) } {
            0..=7 => actor.act(Kind::Read, "Reader::read", 0, reader.read()).await,
            8..=11 => actor.act(Kind::Read, "Reader next", 0, reader.next()).await.map(Option::transpose),
            // The writers close, and read to the end.
            12 if actor.one_in(20) => {
                actor.end().discards = true;
                return Half::Gone;
            }
            _ => {
                actor.idle().await;
                None
            }
        };
        if read.is_some_and(|read| actor.has_read(read)) {
            for _ in 0..2 {
                let read = reader.read().now_or_never();
                is_over(read.map(|read| read.map(|message| message.is_some())), reader.close_info().as_ref());
            }
            actor.end().info = reader.close_info();
            return Half::Gone;
        }
    }
}

/// A writing half.
pub(crate) async fn writer<'d>(
    actor: Actor<'d>,
    mut writer: Writer<Transport<'d>>,
    longest: usize,
) -> Half<'d> {
    let mut sends = true;
    loop {
        if actor.stops().await {
            return Half::Writer(writer);
        }
        match actor.below(32) {
            0..=19 if sends => sends = actor.send(&mut writer, longest).await,
            20..=22 if sends => sends = actor.flush(&mut writer).await,
            23 | 24 if sends => sends = actor.ping(&mut writer).await,
            28 if actor.one_in(4) => {
                actor.close(&mut writer, false).await;
            }
            29 if actor.one_in(4) => actor.sink_close(&mut writer).await,
            30 if actor.is_rude() => return Half::Gone,
            _ => actor.idle().await,
        }
    }
}

/// The last of a writing half: it closes, or goes.
pub(crate) async fn last_writer<'d>(
    actor: Actor<'d>,
    mut writer: Writer<Transport<'d>>,
    closes: bool,
) -> Half<'d> {
    actor.signal.is_last.set(true);
    if closes {
        actor.close(&mut writer, false).await;
    }
    Half::Gone
}

/// A client's opening handshake.
pub(crate) async fn client<'d>(actor: Actor<'d>, stream: Stream<'d>) -> Half<'d> {
    let config = actor.end().config.clone();
    let request = Request::new("ws://a/").expect("a URL");
    let opened = actor.act(Kind::Open, "client", 0, WebSocket::client(stream, request, config)).await;
    actor.has_opened(opened)
}

/// A server's. It may be dropped while it reads, and read on.
pub(crate) async fn server<'d>(actor: Actor<'d>, stream: Stream<'d>) -> Half<'d> {
    let mut handshake =
        Handshake::<Transport<'d>>::new(stream, Options::new().config(actor.end().config.clone()));
    loop {
        let read = actor.act(Kind::Open, "Handshake::read", 0, handshake.read()).await;
        match read {
            Some(Ok(_)) => break,
            Some(Err(error)) => return actor.has_opened(Some(Err(error))),
            None if actor.is_rude() => return Half::Gone,
            None => {}
        }
    }
    if actor.is_rude() {
        let rejection = Rejection::new(StatusCode::FORBIDDEN).expect("a refusal");
        let error = actor.act(Kind::Open, "Handshake::reject", 0, handshake.reject(rejection)).await;
        return actor.has_opened(error.map(Err));
    }
    let opened = actor.act(Kind::Open, "Handshake::accept", 0, handshake.accept()).await;
    actor.has_opened(opened)
}

impl<'d> Actor<'d> {
    fn has_opened(&self, opened: Option<Result<WebSocket<Transport<'d>>, Error>>) -> Half<'d> {
        match opened {
            Some(Ok(ws)) => return Half::Whole(ws),
            // One end was refused by the other.
            Some(Err(Error::Handshake(HandshakeError::Http(_) | HandshakeError::Rejected(_))))
                if self.books.borrow().is_rude => {}
            Some(Err(error)) => self.explain(&error),
            None => {}
        }
        self.books.borrow_mut().is_rude = true;
        Half::Gone
    }
}
