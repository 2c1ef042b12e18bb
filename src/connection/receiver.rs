use crate::connection::config::{Agreement, Config};
use crate::connection::event::{Descriptor, Event, Kind, Payload, Place, Text};
use crate::connection::input::Input;
use crate::connection::kept::Kept;
use crate::connection::pool;
use crate::deflate::Inflater;
use crate::error::{Overfilled, ProtocolError};
use crate::frame::{CloseFrame, Header, Opcode, Role, Rules, mask};
use crate::utf8;
use bytes::Bytes;
use collect::Collected;
use phase::{Frame, Phase, Unfinished};
use std::fmt;

mod collect;
mod phase;

pub(crate) use phase::Progress;

/// The receiving half: bytes in, events out.
///
/// What a frame may be is checked before any of it is stored: its first two bytes, its length, the
/// limits. Nothing is ever allocated from a declared length.
///
/// A message that lies whole in the shared buffer, as nearly all do, is unmasked there and lent from
/// there. Any other is collected in storage of its own, piece by piece, unmasked and validated as the
/// pieces come; while much of a frame is missing, the network is read straight into that storage.
pub struct Receiver {
    rules: Rules,
    max_frame_size: u64,
    max_message_size: u64,
    max_fragments: u32,
    /// A type of message that is not accepted.
    refused: Option<Opcode>,
    streaming: bool,
    phase: Phase,
    /// The stream has ended; what lies in the buffer is all there will be.
    eof: bool,
    /// The buffer that all frames share.
    input: Input,
    /// The message that `phase` collects.
    collected: Collected,
    /// Decompresses messages, if that was agreed on.
    inflater: Option<Inflater>,
    /// The whole characters in `collected` have been lent; they go before more comes.
    part_lent: bool,
    /// Events that were found when nobody could take them; they go before all others.
    kept: Option<Box<Kept>>,
    /// How many bytes have come from the network in all.
    arrived: u64,
    /// How many messages are complete.
    messages: u32,
    /// The last poll said `None`, and nothing has come since.
    is_polled: bool,
    /// The last message that was collected was much larger than the shared buffer.
    sends_large: bool,
    /// And nothing has come since. The next may be as large, and then less of it has to be moved if little of it is
    /// read before its header is known.
    follows_large: bool,
}

impl Receiver {
    /// A frame that lacks more than this is read into its own storage, and read alone.
    const DIRECT: u64 = 8 << 10;
    /// Text is unmasked and validated in steps of this many bytes, so that it stays in the first-level
    /// cache between the two. (Other data is unmasked in one go, which is up to a third faster.)
    const WINDOW: usize = 8 << 10;
    /// No more of an unfinished message than this is held in the streaming mode.
    const PART: usize = 64 << 10;
    /// A message of more than this is followed by a read of no more than its [`BEGINNING`](Self::BEGINNING).
    const LARGE: usize = 2 * Input::SIZE;
    /// Bytes of the next message that are read into the shared buffer after a large one.
    const BEGINNING: usize = 1 << 10;
    /// The first storage of a compressed message.
    const LEAST: usize = 256;

    pub(crate) fn new(role: Role, config: &Config, agreement: &Agreement) -> Self {
        let inflater = agreement.deflate.as_ref().map(|params| Inflater::new(params, role));
        // RFC 7692 §6: "This document allocates the RSV1 bit of the WebSocket header for PMCEs".
        let rsv = if inflater.is_some() { Header::RSV1 } else { 0 };
        Self {
            rules: Rules { rsv, ..Rules::of(role) },
            max_frame_size: config.max_frame_size,
            max_message_size: config.max_message_size,
            max_fragments: config.max_fragments,
            refused: config.refused,
            streaming: config.streaming,
            phase: Phase::Between,
            eof: false,
            input: Input::default(),
            collected: Collected::default(),
            inflater,
            part_lent: false,
            kept: None,
            arrived: 0,
            messages: 0,
            is_polled: true,
            sends_large: false,
            follows_large: false,
        }
    }

    /// Where to put the next bytes from the network; then say [`filled`](Self::filled). It is empty only
    /// while 65 KiB wait for [`poll_event`](Self::poll_event).
    pub fn input(&mut self) -> &mut [u8] {
        if let Some(frame) = self.direct() {
            if self.collected.room_len() == 0
                && let Err(error) = self.grow(frame, 1)
            {
                self.fail(error);
            } else {
                let wanted = usize::try_from(frame.remaining).unwrap_or(usize::MAX);
                let room = self.collected.room();
                let len = room.len().min(wanted);
                return room.get_mut(..len).unwrap_or_default();
            }
        }
        let room = self.input.room();
        let len = if self.follows_large { room.len().min(Self::BEGINNING) } else { room.len() };
        room.get_mut(..len).unwrap_or_default()
    }

    /// The first `n` bytes of [`input`](Self::input) have been filled.
    ///
    /// # Errors
    /// More than it holds; nothing has changed then.
    pub fn filled(&mut self, n: usize) -> Result<(), Overfilled> {
        self.is_polled &= n == 0;
        if let Some(frame) = self.direct() {
            let wanted = usize::try_from(frame.remaining).unwrap_or(usize::MAX);
            if n > self.collected.room_len().min(wanted) {
                return Err(Overfilled);
            }
            self.arrived = self.arrived.wrapping_add(n as u64);
            if let Err(error) = self.collect_direct(n) {
                self.fail(error);
            }
            return Ok(());
        }
        if self.follows_large && n > Self::BEGINNING {
            return Err(Overfilled);
        }
        self.input.filled(n)?;
        self.follows_large &= n == 0;
        self.arrived = self.arrived.wrapping_add(n as u64);
        if matches!(self.phase, Phase::Closed | Phase::Failed(_)) {
            self.input.clear();
        }
        Ok(())
    }

    /// Takes bytes from the network, all of them.
    pub fn receive(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.input();
            let n = room.len().min(bytes.len());
            let (now, later) = bytes.split_at(n);
            if n == 0 {
                self.is_polled = false;
                self.input.append(later);
                self.arrived = self.arrived.wrapping_add(later.len() as u64);
                return;
            }
            room.get_mut(..n).unwrap_or_default().copy_from_slice(now);
            let _always_fits = self.filled(n);
            bytes = later;
        }
    }

    /// Nothing more will come from the network.
    pub fn receive_eof(&mut self) {
        self.eof = true;
    }

    /// The next event; `None` if more input is needed, or if the peer has closed.
    ///
    /// This half answers nothing: hand each event to [`Sender::answer`](crate::Sender::answer), and an
    /// error to [`Sender::fail`](crate::Sender::fail).
    ///
    /// # Errors
    /// What the peer did wrong; the same again at each further call.
    #[inline(always)]
    pub fn poll_event(&mut self) -> Result<Option<Event<'_>>, ProtocolError> {
        if self.has_kept()
            && let Some(descriptor) = self.take_kept()
        {
            return self.lend_kept(descriptor);
        }
        if let Some(descriptor) = self.advance_fast() {
            return self.lend(descriptor).map(Some);
        }
        match self.advance_slowly()? {
            Some(descriptor) => self.lend(descriptor).map(Some),
            None => Ok(None),
        }
    }

    /// Keeps an event that was found for later.
    #[cold]
    pub(crate) fn keep(&mut self, descriptor: Descriptor) {
        let payload = match descriptor.place {
            Place::Shared { at, len } => Bytes::copy_from_slice(self.input.get(at, len)),
            Place::Collected if self.streaming => Bytes::copy_from_slice(self.collected.whole()),
            Place::Collected => self.collected.take(),
            Place::Kept => Bytes::new(),
        };
        self.kept.get_or_insert_default().push(descriptor.kind, payload);
    }

    /// The first of the events that were kept.
    #[cold]
    pub(crate) fn take_kept(&mut self) -> Option<Descriptor> {
        let kind = self.kept.as_mut()?.pop();
        if kind.is_none() {
            self.kept = None;
        }
        Some(Descriptor { kind: kind?, place: Place::Kept })
    }

    /// Whether events may be kept.
    #[inline(always)]
    pub(crate) const fn has_kept(&self) -> bool {
        self.kept.is_some()
    }

    #[cold]
    #[inline(never)]
    fn lend_kept(&mut self, descriptor: Descriptor) -> Result<Option<Event<'_>>, ProtocolError> {
        self.lend(descriptor).map(Some)
    }

    /// Whether another event may be kept.
    pub(crate) fn keeps_more(&self) -> bool {
        self.kept.as_ref().is_none_or(|kept| kept.has_room())
    }

    /// Whether the peer will send nothing that counts any more.
    pub fn is_finished(&self) -> bool {
        self.eof || matches!(self.phase, Phase::Closed | Phase::Failed(_))
    }

    /// Whether the peer's Close frame has been returned.
    pub(crate) const fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    pub(crate) const fn is_streaming(&self) -> bool {
        self.streaming
    }

    #[cfg(any(feature = "tokio", feature = "futures"))]
    pub(crate) const fn arrived(&self) -> u64 {
        self.arrived
    }

    pub(crate) const fn at_eof(&self) -> bool {
        self.eof
    }

    pub(crate) fn progress(&self) -> Progress {
        let unfinished = match self.phase {
            Phase::Fragments | Phase::Payload => Some(self.collected.unfinished().0.position),
            Phase::Between if self.input.len() > 0 => Some(self.position()),
            _ => None,
        };
        let &Self { arrived, messages, is_polled, .. } = self;
        Progress { arrived, messages, unfinished, is_polled, is_blocked: false }
    }

    /// Where in the stream the next unconsumed byte stands.
    const fn position(&self) -> u64 {
        self.arrived.wrapping_sub(self.input.len() as u64)
    }

    /// Ends the connection from this side: every later poll returns the error.
    #[cold]
    pub(crate) fn fail(&mut self, error: ProtocolError) -> ProtocolError {
        if !matches!(self.phase, Phase::Failed(_)) {
            self.phase = Phase::Failed(error);
        }
        self.discard();
        error
    }

    fn discard(&mut self) {
        self.inflater = None;
        self.input.clear();
        self.part_lent = false;
        self.collected.release();
    }

    /// Takes back a buffer that is not needed while nothing comes; what is not consumed moves to
    /// storage of its own size.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        if matches!(self.phase, Phase::Between) {
            self.collected.release();
            if let Some(inflater) = &mut self.inflater {
                inflater.release();
            }
        }
        self.input.take_buffer()
    }

    /// Returns it to the thread's others.
    pub(crate) fn return_buffer(&mut self) {
        pool::give(self.take_buffer());
    }

    /// Finds the next event.
    pub(crate) fn advance(&mut self) -> Result<Option<Descriptor>, ProtocolError> {
        match self.advance_fast() {
            None => self.advance_slowly(),
            found => Ok(found),
        }
    }

    /// Finds the next event if it is a whole message in the shared buffer, as it nearly always is. By itself, so
    /// that what it finds stays in registers: a result that may also come from elsewhere goes through memory, which
    /// costs as much as all of this.
    #[inline(always)]
    pub(crate) fn advance_fast(&mut self) -> Option<Descriptor> {
        if matches!(self.phase, Phase::Between)
            && let Some(input) = self.input.unread_mut()
            && let Ok(Some((header, header_len))) = Header::decode_by(input, self.rules)
            && matches!(input, [0x81 | 0x82, ..]) // FIN set, no reserved bit, text or binary
            && self.refused != Some(header.opcode)
            && header.payload_len <= self.max_frame_size.min(self.max_message_size)
            && let Some(rest) = input.get_mut(header_len..)
            && header.payload_len <= rest.len() as u64
            && let Ok(len) = usize::try_from(header.payload_len)
            && let Some(payload) = rest.get_mut(..len)
        {
            // §6.2: "A server MUST remove masking for data frames received from a client".
            if let Some(key) = header.mask {
                mask::apply(payload, key);
            }
            let at = self.input.position() + header_len;
            let kind = Kind::of_message(header.opcode == Opcode::Text, self.streaming, true);
            self.input.consume(header_len + len);
            self.messages = self.messages.wrapping_add(1);
            return Some(Descriptor { kind, place: Place::Shared { at, len } });
        }
        None
    }

    /// Whether nothing is under way, and so nothing to be found: true of most connections, most of the time. Then all
    /// that has come was polled.
    #[inline(always)]
    pub(crate) const fn rests(&mut self) -> bool {
        let rests =
            matches!(self.phase, Phase::Between) && self.input.len() == 0 && !self.part_lent && !self.eof;
        self.is_polled |= rests;
        rests
    }

    /// Lends what [`advance`](Self::advance) found.
    #[inline(always)]
    pub(crate) fn lend(&mut self, descriptor: Descriptor) -> Result<Event<'_>, ProtocolError> {
        let Self { input, collected, kept, phase, .. } = self;
        let fin = matches!(descriptor.kind, Kind::TextEnd | Kind::BinaryEnd);
        let bytes = match descriptor.place {
            Place::Shared { at, len } => input.get(at, len),
            Place::Kept => kept.as_ref().map_or(&[][..], |kept| kept.lent()),
            Place::Collected => {
                return Ok(match descriptor.kind {
                    Kind::Text => Event::Text(Text::own(collected)),
                    Kind::TextPart | Kind::TextEnd => Event::TextPart { part: Text::own(collected), fin },
                    Kind::BinaryPart | Kind::BinaryEnd => {
                        Event::BinaryPart { part: Payload::own(collected), fin }
                    }
                    _ => Event::Binary(Payload::own(collected)),
                });
            }
        };
        Ok(match descriptor.kind {
            Kind::Binary => Event::Binary(Payload::shared(bytes)),
            // §8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte
            // stream is not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket
            // Connection_."
            Kind::Text | Kind::TextPart | Kind::TextEnd => match (utf8::validate(bytes), descriptor.kind) {
                (Ok(text), Kind::Text) => Event::Text(Text::shared(text)),
                (Ok(text), _) => Event::TextPart { part: Text::shared(text), fin },
                (Err(_), _) => {
                    *phase = Phase::Failed(ProtocolError::InvalidUtf8);
                    return Err(ProtocolError::InvalidUtf8);
                }
            },
            Kind::BinaryPart | Kind::BinaryEnd => Event::BinaryPart { part: Payload::shared(bytes), fin },
            Kind::Ping => Event::Ping(Payload::shared(bytes)),
            Kind::Pong => Event::Pong(Payload::shared(bytes)),
            Kind::Close => Event::Close(CloseFrame::decode(bytes)?), // checked by `control` before
        })
    }

    /// Finds the next event when none was found fast.
    #[cold]
    #[inline(never)]
    pub(crate) fn advance_slowly(&mut self) -> Result<Option<Descriptor>, ProtocolError> {
        if self.part_lent {
            self.part_lent = false;
            self.collected.drop_whole();
        }
        loop {
            match self.phase {
                // §7.1.7: "An endpoint MUST NOT continue to attempt to process data (including a responding
                // Close frame) from the remote endpoint after being instructed to _Fail the WebSocket
                // Connection_."
                Phase::Failed(error) => {
                    self.input.clear();
                    return Err(error);
                }
                Phase::Closed => return Ok(None),
                Phase::Between | Phase::Fragments => {
                    let input = self.input.unread_mut().unwrap_or_default();
                    let (header, header_len) = match Header::decode_by(input, self.rules) {
                        Ok(Some(decoded)) => decoded,
                        Ok(None) => return self.wait_for_input(),
                        Err(error) => return Err(self.fail(error)),
                    };
                    // §5.4: "An endpoint MUST be capable of handling control frames in the middle of a
                    // fragmented message."
                    if header.opcode.is_control() {
                        let len = usize::try_from(header.payload_len).unwrap_or(usize::MAX);
                        let Some(payload) = input.get_mut(header_len..).and_then(|rest| rest.get_mut(..len))
                        else {
                            return self.wait_for_input();
                        };
                        if let Some(key) = header.mask {
                            mask::apply(payload, key);
                        }
                        self.input.consume(header_len);
                        return self.control(header.opcode, len).map(Some);
                    }
                    let message = match self.admit(&header) {
                        Ok(message) => message,
                        Err(error) => return Err(self.fail(error)),
                    };
                    if matches!(self.phase, Phase::Between) {
                        self.collected.begin(message.is_text);
                    }
                    self.input.consume(header_len);
                    let frame = Frame { fin: header.fin, key: header.mask, remaining: header.payload_len };
                    self.collected.go_on(message, frame);
                    self.phase = Phase::Payload;
                }
                Phase::Payload => {
                    let (message, _) = self.collected.unfinished();
                    let collected =
                        if message.is_compressed { self.collect_inflated() } else { self.collect_shared() };
                    if let Err(error) = collected {
                        return Err(self.fail(error));
                    }
                    if let Some(descriptor) = self.end_of_payload()? {
                        return Ok(Some(descriptor));
                    }
                    if matches!(self.phase, Phase::Payload) {
                        return self.wait_for_input();
                    }
                }
            }
        }
    }

    fn wait_for_input(&mut self) -> Result<Option<Descriptor>, ProtocolError> {
        self.is_polled = true;
        // §7.1.5: "If _The WebSocket Connection is Closed_ and no Close control frame was received by the
        // endpoint ..., _The WebSocket Connection Close Code_ is considered to be 1006." §7.2.1: "If at any
        // point the underlying transport layer connection is unexpectedly lost, the client MUST _Fail the
        // WebSocket Connection_."
        if self.eof { Err(self.fail(ProtocolError::UnexpectedEof)) } else { Ok(None) }
    }

    /// Holds a data frame's header against the limits.
    fn admit(&self, header: &Header) -> Result<Unfinished, ProtocolError> {
        let mut message = match self.phase {
            Phase::Fragments => self.collected.unfinished().0,
            _ => Unfinished {
                is_text: header.opcode == Opcode::Text,
                is_compressed: header.rsv & Header::RSV1 != 0,
                size: 0,
                fragments: 0,
                position: self.position(),
            },
        };
        // §7.4.1: "1003 indicates that an endpoint is terminating the connection because it has received a
        // type of data it cannot accept (e.g., an endpoint that understands only text data MAY send this
        // if it receives a binary message)."
        if self.refused == Some(header.opcode) {
            return Err(ProtocolError::UnsupportedData);
        }
        // §10.4: implementations with such limits "MUST protect themselves against exceeding those limits."
        if header.payload_len > self.max_frame_size {
            return Err(ProtocolError::FrameTooLarge);
        }
        if !message.is_compressed {
            message.size = message.size.saturating_add(header.payload_len);
        }
        if message.size > self.max_message_size {
            return Err(ProtocolError::MessageTooLarge);
        }
        if !header.fin {
            message.fragments = message.fragments.saturating_add(1);
            if message.fragments > self.max_fragments {
                return Err(ProtocolError::TooManyFragments);
            }
        }
        Ok(message)
    }

    /// A control frame lies whole and unmasked in the shared buffer.
    fn control(&mut self, opcode: Opcode, len: usize) -> Result<Descriptor, ProtocolError> {
        let at = self.input.position();
        self.input.consume(len);
        let kind = match opcode {
            Opcode::Ping => Kind::Ping,
            Opcode::Pong => Kind::Pong,
            _ => {
                if let Err(error) = CloseFrame::decode(self.input.get(at, len)) {
                    return Err(self.fail(error));
                }
                // §5.5.1: after a Close frame the peer sends nothing that counts.
                self.discard();
                self.phase = Phase::Closed;
                Kind::Close
            }
        };
        Ok(Descriptor { kind, place: Place::Shared { at, len } })
    }
}

/// Shows how things stand, and nothing of what was received.
impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("phase", &self.phase)
            .field("eof", &self.eof)
            .field("unread", &self.input.len())
            .field("collected", &self.collected.len())
            .field("arrived", &self.arrived)
            .finish_non_exhaustive()
    }
}
