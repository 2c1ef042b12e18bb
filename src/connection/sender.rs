use crate::connection::config::{Agreement, Config};
use crate::connection::event::Event;
use crate::connection::keepalive::{Due, Timers};
use crate::connection::output::Output;
use crate::connection::random::Random;
use crate::connection::receiver::Progress;
use crate::deflate::Deflater;
use crate::error::{ProtocolError, SendError};
use crate::frame::{Header, Opcode, Role, mask};
use crate::message::{Outgoing, OutgoingPayload, PreparedMessage};
use bytes::{Buf, Bytes};
use std::time::{Duration, Instant};

mod closing;
mod parts;

pub use closing::CloseInfo;
use parts::Coding;

/// The sending half: messages in, bytes out; and all that is owed to the peer.
///
/// Its methods queue. They never do I/O and never block; [`output`](Self::output) holds what has to be
/// written.
#[derive(Debug)]
pub struct Sender {
    role: Role,
    random: Random,
    output: Output,
    /// The message that [`send_fragment`](Self::send_fragment) has not finished.
    unfinished: Option<Unfinished>,
    /// The answer to the newest ping, while there is no room to queue it.
    pong: Option<Box<Pong>>,
    /// How many of the events that the receiver keeps are pings that were answered when they came.
    answered_ahead: u8,
    close: CloseState,
    close_info: Option<Box<CloseInfo>>,
    /// Only while something can become due.
    timers: Option<Box<Timers>>,
    /// Milliseconds. It and the two below are as small as is of use, because each connection has them.
    close_timeout: u32,
    /// Bytes.
    high_water_mark: u32,
    /// Bytes; the largest number means that messages are never cut.
    fragment_size: u32,
    /// Compresses messages, if that was agreed on.
    deflater: Option<Deflater>,
}

/// The payload of a pong that waits. There is a box around it because a connection has mostly none: one pointer less.
#[derive(Debug)]
struct Pong(Box<[u8]>);

/// A message of which a part was sent.
#[derive(Clone, Copy, Debug)]
struct Unfinished {
    opcode: Opcode,
    is_compressed: bool,
}

/// How far the closing handshake is, as far as sending is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CloseState {
    /// No Close frame was sent.
    Open,
    /// Our Close frame was queued, and the peer's is awaited.
    Sent,
    /// Both were.
    Done,
    /// The connection has failed. A Close frame that says so may stand in the output.
    Failed,
    /// The transport is of no more use, or the peer took too long.
    Abandoned,
}

impl Sender {
    /// Pongs are queued while less than this many bytes wait, and less than the high-water mark. Beyond
    /// that only the newest is kept, so that a peer that pings and does not read costs no more.
    const PONG_ROOM: usize = 16 << 10;

    pub(crate) fn new(role: Role, config: &Config, agreement: &Agreement, random: Random) -> Self {
        Self {
            role,
            random,
            output: Output::default(),
            unfinished: None,
            pong: None,
            answered_ahead: 0,
            close: CloseState::Open,
            close_info: None,
            timers: Timers::of(config),
            close_timeout: saturated(config.close_timeout.as_nanos().div_ceil(1_000_000)),
            high_water_mark: saturated(config.high_water_mark),
            fragment_size: config.fragment_size.map_or(u32::MAX, saturated),
            deflater: Deflater::agreed(config.deflate.as_ref(), agreement.deflate.as_ref(), role),
        }
    }

    /// Queues a message.
    ///
    /// # Errors
    /// After a Close frame; while a fragmented message is unfinished; at the
    /// [`high_water_mark`](Config::high_water_mark). Nothing is queued then.
    #[inline(always)]
    pub fn send<'m>(&mut self, message: impl Into<Outgoing<'m>>) -> Result<(), SendError> {
        let message = message.into();
        self.begin()?;
        // §5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another
        // message".
        if self.unfinished.is_some() {
            return Err(SendError::FragmentedMessage);
        }
        if !self.sends_plain(message.len()) {
            return self.send_otherwise(message);
        }
        self.put(message.opcode, true, message.payload)
    }

    /// Queues a message, but for its payload if that leaves as it lies: whoever gets it back writes it next, and
    /// [queues](Self::put_rest) what the network does not take at once. For what is [lent and large](Outgoing::is_lent).
    #[cold]
    pub(crate) fn send_lending<'m>(&mut self, message: Outgoing<'m>) -> Result<Option<&'m [u8]>, SendError> {
        match message.payload {
            OutgoingPayload::Borrowed(payload)
                if self.role == Role::Server
                    && self.sends_plain(payload.len())
                    && self.unfinished.is_none() =>
            {
                self.begin()?;
                self.output.put_owned(Header::new(message.opcode, payload.len() as u64), Bytes::new());
                Ok(Some(payload))
            }
            _ => self.send(message).map(|()| None),
        }
    }

    /// The rest of a payload of which the beginning was written, behind all else that waits.
    pub(crate) fn put_rest(&mut self, payload: &[u8]) {
        self.output.put_raw(payload);
    }

    /// Whether a message of this length leaves in one frame, as it is.
    #[inline(always)]
    const fn sends_plain(&self, len: usize) -> bool {
        len <= self.fragment_size as usize && self.deflater.is_none()
    }

    /// Queues a message that was framed before. A server shares its bytes with every other connection
    /// that sends it; a client has to mask a copy.
    ///
    /// # Errors
    /// As for [`send`](Self::send).
    pub fn send_prepared(&mut self, message: &PreparedMessage) -> Result<(), SendError> {
        self.begin()?;
        if self.unfinished.is_some() {
            return Err(SendError::FragmentedMessage);
        }
        let mask = self.mask()?;
        let deflater = self.deflater.as_mut().filter(|deflater| deflater.wants(message.len()));
        let deflated = deflater.and_then(|deflater| Some((message.deflated(deflater.shape())?, deflater)));
        let (rsv, frame) = match deflated {
            Some((frame, deflater)) => {
                // The peer's decompressor will have seen it, and our compressor has not.
                deflater.forget();
                (Header::RSV1, frame)
            }
            None => (0, message.plain()),
        };
        match self.role {
            Role::Server if frame.bytes.len() < Output::INSERTED => self.output.put_raw(&frame.bytes),
            Role::Server => self.output.insert(frame.bytes.clone()),
            Role::Client => {
                let header = Header { rsv, mask, ..Header::new(message.opcode(), 0) };
                self.queue(header, OutgoingPayload::Borrowed(&frame.payload()));
            }
        }
        Ok(())
    }

    /// Queues a part of a message, which ends with the part that says `fin` (§5.4). Until then no other
    /// message can be sent; control frames can. Whether the first part is
    /// [compressed](Outgoing::uncompressed) holds for all; but a later part that is not to be is still sent
    /// as it is.
    ///
    /// # Errors
    /// As for [`send`](Self::send); and if the part is text and the first was binary, or the reverse.
    pub fn send_fragment<'m>(&mut self, part: impl Into<Outgoing<'m>>, fin: bool) -> Result<(), SendError> {
        let part = part.into();
        self.begin()?;
        let (opcode, message) = match self.unfinished {
            None => {
                let is_compressed = self.compresses(&part, fin);
                (part.opcode, Unfinished { opcode: part.opcode, is_compressed })
            }
            // §5.4: "all fragments of a message are of the same type, as set by the first fragment's opcode."
            Some(message) if message.opcode == part.opcode => (Opcode::Continuation, message),
            Some(_) => return Err(SendError::FragmentType),
        };
        // §6.1: "The opcode (frame-opcode) of the first frame containing the data MUST be set to the
        // appropriate value"; "The FIN bit (frame-fin) of the last frame containing the data MUST be set to
        // 1".
        let coding = Coding::of(message.is_compressed, part.compress);
        self.put_part(coding, opcode, fin, part.payload)?;
        self.unfinished = (!fin).then_some(message);
        Ok(())
    }

    /// Queues a ping (§5.5.2).
    ///
    /// # Errors
    /// More than 125 bytes; after a Close frame; at the [`high_water_mark`](Config::high_water_mark).
    pub fn ping(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(Opcode::Ping, payload)?;
        if let Some(timers) = &mut self.timers {
            timers.pinged_by_application();
        }
        Ok(())
    }

    /// Queues a pong that nobody asked for: a one-way heartbeat (§5.5.3). Pings are answered without
    /// this.
    ///
    /// # Errors
    /// As for [`ping`](Self::ping).
    pub fn pong(&mut self, payload: &[u8]) -> Result<(), SendError> {
        self.control(Opcode::Pong, payload)
    }

    /// What has to be written to the network.
    #[inline(always)]
    pub fn output(&mut self) -> &mut Output {
        if self.pong.is_some() && self.has_room_for_pongs() {
            self.settle_pong();
        }
        &mut self.output
    }

    /// How many bytes wait to be written: frames, headers included.
    #[inline]
    pub fn buffered_amount(&self) -> usize {
        self.output.remaining()
            + self
                .pong
                .as_ref()
                .map_or(0, |pong| pong.0.len() + if self.role == Role::Client { 6 } else { 2 })
    }

    /// Does what an event obliges to: queues the pong for a ping, the Close frame for a Close frame.
    ///
    /// [`Connection::poll_event`](crate::Connection::poll_event) does so by itself; this is for halves
    /// that were [split](crate::Connection::split).
    pub fn answer(&mut self, event: &Event<'_>) {
        match event {
            Event::Ping(_) if self.was_answered_ahead() => {}
            Event::Ping(payload) => self.answer_ping(payload),
            Event::Pong(payload) => self.answer_pong(payload, None),
            Event::Close(frame) => self.answer_close(frame.clone()),
            _ => {}
        }
    }

    /// The time between the last keepalive ping and its pong; `None` before the first.
    pub fn round_trip_time(&self) -> Option<Duration> {
        self.timers.as_ref()?.round_trip()
    }

    pub(crate) const fn role(&self) -> Role {
        self.role
    }

    pub(crate) fn is_open(&self) -> bool {
        self.close == CloseState::Open
    }

    /// Whether our part of the closing handshake is done or given up, and all of it written.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.close, CloseState::Done | CloseState::Failed | CloseState::Abandoned)
            && !self.output.has_remaining()
    }

    pub(crate) fn is_abandoned(&self) -> bool {
        self.close == CloseState::Abandoned
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        if self.is_abandoned() { None } else { self.timers.as_ref()?.next() }
    }

    pub(crate) fn close_timeout(&self) -> Duration {
        Duration::from_millis(self.close_timeout.into())
    }

    pub(crate) fn has_deadlines(&self) -> bool {
        self.timers.as_ref().is_some_and(|timers| timers.any())
    }

    /// Whether another message is taken: less than the high-water mark waits.
    #[inline]
    pub(crate) fn has_room(&self) -> bool {
        self.output.remaining() < self.high_water_mark as usize
    }

    /// Gives back the compressor, unless a message is unfinished. The next message refers to nothing before it.
    pub(crate) fn forget(&mut self) {
        if self.unfinished.is_none()
            && let Some(deflater) = &mut self.deflater
        {
            deflater.forget();
        }
    }

    /// Takes back the output's memory; only while nothing waits.
    pub(crate) fn take_buffer(&mut self) -> Option<Box<[u8]>> {
        self.output.take_buffer()
    }

    /// Returns it to the thread's others.
    #[inline]
    pub(crate) fn return_buffer(&mut self) {
        self.output.return_buffer();
    }

    /// Puts bytes in front of all frames: the handshake's response.
    pub(crate) fn put_head(&mut self, head: Vec<u8>) {
        self.output = Output::beginning_with(head);
    }

    /// Pings the peer if it is time to, and says when to call again. An error is one to
    /// [`fail`](Self::fail) with.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        progress: Progress,
    ) -> Result<Option<Instant>, ProtocolError> {
        if self.close == CloseState::Abandoned {
            return Ok(None);
        }
        let is_closing = self.close != CloseState::Open;
        if is_closing && self.timers.is_none() {
            self.timers = Some(Timers::closing(self.close_timeout()));
        }
        let Some(timers) = &mut self.timers else { return Ok(None) };
        match timers.update(now, progress, self.output.written(), is_closing) {
            Due::Nothing => {}
            Due::Ping => self.ping_silent_peer(now),
            Due::Failed(error) => return Err(error),
            Due::Abandon => {
                let unanswered = self.close == CloseState::Sent;
                self.abandon();
                return if unanswered { Err(ProtocolError::CloseTimeout) } else { Ok(None) };
            }
        }
        let Some(timers) = &self.timers else { return Ok(None) };
        Ok(if progress.is_blocked { timers.next_after(now) } else { timers.next() })
    }

    fn ping_silent_peer(&mut self, now: Instant) {
        // While the peer is silent, few messages refer to others.
        self.forget();
        let turn = self.output.written().wrapping_add(self.output.remaining() as u64);
        // Without randomness no ping leaves, and the connection fails when it is not answered.
        let [a, b, c, d] = self.random.key().unwrap_or_default();
        let [e, f, g, h] = self.random.key().unwrap_or_default();
        let payload = [a, b, c, d, e, f, g, h];
        let _unsent = self.put(Opcode::Ping, true, OutgoingPayload::Borrowed(&payload));
        if let Some(timers) = &mut self.timers {
            timers.pinged(payload, now, turn);
        }
    }

    /// Whether something may be queued. A pong that waits goes first, or else an application that never
    /// lets the queue run low would never answer.
    #[inline(always)]
    fn begin(&mut self) -> Result<(), SendError> {
        // §6.1: "The endpoint MUST ensure the WebSocket connection is in the OPEN state". §5.5.1: "The
        // application MUST NOT send any more data frames after sending a Close frame."
        if self.close != CloseState::Open {
            return Err(SendError::Closed);
        }
        if !self.has_room() {
            return Err(SendError::QueueFull);
        }
        if self.pong.is_some() {
            self.settle_pong();
        }
        Ok(())
    }

    fn control(&mut self, opcode: Opcode, payload: &[u8]) -> Result<(), SendError> {
        self.begin()?;
        // §5.5: "All control frames MUST have a payload length of 125 bytes or less".
        if payload.len() > 125 {
            return Err(SendError::ControlTooLong);
        }
        self.put(opcode, true, OutgoingPayload::Borrowed(payload))
    }

    /// Queues a frame as it is.
    #[inline(always)]
    fn put(&mut self, opcode: Opcode, fin: bool, payload: OutgoingPayload<'_>) -> Result<(), SendError> {
        let header = Header { fin, ..Header::new(opcode, 0) };
        match self.mask()? {
            // Taken apart, so that a server's header stays in registers.
            None => self.queue(header, payload),
            Some(key) => self.queue(Header { mask: Some(key), ..header }, payload),
        }
        Ok(())
    }

    /// The masking key of the next frame, if it is to have one.
    #[inline(always)]
    fn mask(&mut self) -> Result<Option<[u8; 4]>, SendError> {
        // §5.1: "a client MUST mask all frames that it sends to the server"; "A server MUST NOT mask any
        // frames that it sends to the client." §5.3: "the client MUST pick a fresh masking key from the set
        // of allowed 32-bit values" for each frame.
        Ok(match self.role {
            Role::Client => Some(self.random.key()?),
            Role::Server => None,
        })
    }

    /// Queues a frame with this header, but for the length, which is that of the payload.
    #[inline(always)]
    fn queue(&mut self, header: Header, payload: OutgoingPayload<'_>) {
        let header = Header { payload_len: payload.len() as u64, ..header };
        match payload {
            OutgoingPayload::Borrowed(payload) => self.output.put(header, payload),
            OutgoingPayload::Owned(payload) if payload.len() < Output::INSERTED => {
                self.output.put(header, &payload);
            }
            OutgoingPayload::Owned(payload) => self.put_large(header, payload),
        }
    }

    #[cold]
    fn put_large(&mut self, header: Header, payload: Bytes) {
        let Some(key) = header.mask else { return self.output.put_owned(header, payload) };
        match payload.try_into_mut() {
            Ok(mut alone) => {
                mask::apply(&mut alone, key);
                self.output.put_owned(header, alone.freeze());
            }
            Err(shared) => self.output.put(header, &shared),
        }
    }

    /// §5.5.2: "Upon receipt of a Ping frame, an endpoint MUST send a Pong frame in response, unless it
    /// already received a Close frame."
    #[cold]
    pub(crate) fn answer_ping(&mut self, payload: &[u8]) {
        if self.close != CloseState::Open {
            return; // §5.5.1: nothing follows our Close frame
        }
        // §5.5.3: "If an endpoint receives a Ping frame and has not yet sent Pong frame(s) in response to
        // previous Ping frame(s), the endpoint MAY elect to send a Pong frame for only the most recently
        // processed Ping frame."
        if self.has_room_for_pongs() {
            self.pong = None;
            self.put_pong(payload);
        } else {
            self.pong = Some(Box::new(Pong(payload.into())));
        }
    }

    /// The same for one that the receiver keeps, so that it is not answered again when it is lent.
    pub(crate) fn answer_ping_ahead(&mut self, payload: &[u8]) {
        self.answer_ping(payload);
        self.answered_ahead = self.answered_ahead.saturating_add(1);
    }

    /// A ping is lent: whether it is the next of those that were answered before.
    pub(crate) const fn was_answered_ahead(&mut self) -> bool {
        let was_answered = self.answered_ahead > 0;
        self.answered_ahead = self.answered_ahead.saturating_sub(1);
        was_answered
    }

    /// A pong came, which may answer the keepalive's ping; when so many bytes had come in all, if that is
    /// known.
    pub(crate) fn answer_pong(&mut self, payload: &[u8], arrived: Option<u64>) {
        if let Some(timers) = &mut self.timers {
            timers.pong(payload, arrived);
        }
    }

    fn has_room_for_pongs(&self) -> bool {
        self.output.remaining() < Self::PONG_ROOM.min(self.high_water_mark as usize)
    }

    fn put_pong(&mut self, payload: &[u8]) {
        // Without randomness a client can send nothing; its next message will say so.
        let _unsent = self.put(Opcode::Pong, true, OutgoingPayload::Borrowed(payload));
    }

    /// Queues the pong that waits.
    #[cold]
    fn settle_pong(&mut self) {
        if let Some(pong) = self.pong.take() {
            self.put_pong(&pong.0);
        }
    }
}

/// A limit that is beyond reach may as well be the largest.
fn saturated(n: impl TryInto<u32>) -> u32 {
    n.try_into().unwrap_or(u32::MAX)
}
