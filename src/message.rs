use crate::deflate::Shape;
use crate::frame::{Header, Opcode};
use crate::utf8::Utf8Bytes;
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::{Arc, OnceLock};

/// A whole message of the application's: text or binary ([RFC 6455 §5.6]).
///
/// Pings, pongs and Close frames are no messages; the connection answers them by itself.
///
/// [RFC 6455 §5.6]: https://www.rfc-editor.org/rfc/rfc6455#section-5.6
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Message {
    /// Text.
    Text(Utf8Bytes),
    /// Any bytes.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<Utf8Bytes>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// The text, if this is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The payload, whichever kind it is.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The payload, whichever kind it is, not copied.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Bytes of payload.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A message that is framed once and sent to many connections: each shares its bytes.
///
/// A server's frame is the same for every peer. A client has to mask each frame with a key of its own
/// (§5.3), so it gains nothing over [`Connection::send`](crate::Connection::send).
///
/// Where messages are compressed, this one is too, by itself: once for each level and window size that its
/// connections have, when the first of them sends it. What a connection sends next then refers to nothing
/// before it, so that a connection which sends only prepared messages needs no compressor at all.
///
/// ```
/// use sansocket::{Config, Connection, PreparedMessage, Role};
///
/// let mut members = [(); 3].map(|()| Connection::new(Role::Server, Config::new()));
/// let tick = PreparedMessage::text("tick");
/// for member in &mut members {
///     member.send_prepared(&tick)?;
/// }
/// # Ok::<(), sansocket::SendError>(())
/// ```
#[derive(Clone, Debug)]
pub struct PreparedMessage {
    opcode: Opcode,
    plain: Frame,
    /// `None`: it is not to be compressed.
    deflated: Option<Arc<Forms>>,
}

/// A whole unmasked frame.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    header_len: usize,
}

/// The compressed forms of a message, in the order in which they were first needed.
#[derive(Debug, Default)]
struct Forms(OnceLock<Box<Form>>);

#[derive(Debug)]
struct Form {
    shape: Shape,
    frame: Frame,
    others: Forms,
}

impl From<&str> for Message {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<Utf8Bytes> for Message {
    fn from(text: Utf8Bytes) -> Self {
        Self::Text(text)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl PreparedMessage {
    /// Bytes of payload.
    pub fn len(&self) -> usize {
        self.plain.bytes.len() - self.plain.header_len
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames a text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::new(Opcode::Text, text.as_ref().as_bytes())
    }

    /// Frames bytes.
    pub fn binary(bytes: impl AsRef<[u8]>) -> Self {
        Self::new(Opcode::Binary, bytes.as_ref())
    }

    fn new(opcode: Opcode, payload: &[u8]) -> Self {
        let plain = Frame::new(Header::new(opcode, payload.len() as u64), payload);
        Self { opcode, plain, deflated: Some(Arc::default()) }
    }

    /// Never compresses it: see [`Outgoing::uncompressed`].
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.deflated = None;
        self
    }

    pub(crate) const fn opcode(&self) -> Opcode {
        self.opcode
    }

    /// It as it is.
    pub(crate) const fn plain(&self) -> &Frame {
        &self.plain
    }

    /// It as such a compressor leaves it, unless it is not to be compressed.
    pub(crate) fn deflated(&self, shape: Shape) -> Option<&Frame> {
        let make = || {
            let payload = shape.deflate(&self.plain.payload());
            let header = Header { rsv: Header::RSV1, ..Header::new(self.opcode, payload.len() as u64) };
            Frame::new(header, &payload)
        };
        self.deflated.as_ref().map(|forms| forms.get(shape, make))
    }

    /// The payload, not copied.
    pub fn payload(&self) -> Bytes {
        self.plain.payload()
    }
}

impl Frame {
    fn new(header: Header, payload: &[u8]) -> Self {
        let mut bytes = BytesMut::with_capacity(Header::MAX_LEN + payload.len());
        header.encode(&mut bytes);
        let header_len = bytes.len();
        bytes.put_slice(payload);
        Self { bytes: bytes.freeze(), header_len }
    }

    /// The payload, not copied.
    pub(crate) fn payload(&self) -> Bytes {
        self.bytes.slice(self.header_len..)
    }
}

impl Forms {
    /// The form of this shape, made if it is not there: without a lock, because forms are only ever added.
    fn get(&self, shape: Shape, make: impl Fn() -> Frame) -> &Frame {
        let mut place = self;
        loop {
            let form =
                place.0.get_or_init(|| Box::new(Form { shape, frame: make(), others: Self::default() }));
            if form.shape == shape {
                return &form.frame;
            }
            place = &form.others;
        }
    }
}

impl From<&Message> for PreparedMessage {
    fn from(message: &Message) -> Self {
        match message {
            Message::Text(text) => Self::text(text.as_str()),
            Message::Binary(bytes) => Self::binary(bytes),
        }
    }
}

/// What can be sent: `&str`, `String`, [`Utf8Bytes`] as text; `&[u8]`, `Vec<u8>`, [`Bytes`] as binary;
/// a [`Message`] as what it is; and the [`Text`](crate::Text) or [`Payload`](crate::Payload) that an event lends.
///
/// What is borrowed is copied into the output at once; what is owned and large goes out as it is, and so does what is
/// borrowed and large if a server's front end sends it and the network takes it at once. What is to be compressed is
/// compressed at once.
#[derive(Clone, Debug)]
pub struct Outgoing<'m> {
    pub(crate) opcode: Opcode,
    /// It may be compressed.
    pub(crate) compress: bool,
    pub(crate) payload: OutgoingPayload<'m>,
}

#[derive(Clone, Debug)]
pub(crate) enum OutgoingPayload<'m> {
    Borrowed(&'m [u8]),
    Owned(Bytes),
}

impl OutgoingPayload<'_> {
    #[inline(always)]
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Borrowed(bytes) => bytes.len(),
            Self::Owned(bytes) => bytes.len(),
        }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }

    /// Splits off the first `n` bytes, or all if there are fewer.
    pub(crate) fn split_to(&mut self, n: usize) -> Self {
        match self {
            Self::Borrowed(bytes) => {
                let (first, rest) = bytes.split_at_checked(n).unwrap_or((bytes, &[]));
                *bytes = rest;
                Self::Borrowed(first)
            }
            Self::Owned(bytes) => Self::Owned(bytes.split_to(n.min(bytes.len()))),
        }
    }
}

impl Outgoing<'_> {
    /// Bytes of payload.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.payload.len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<'m> Outgoing<'m> {
    /// From this many bytes on, a payload leaves from where it lies: a lower threshold was measured to cost 12 %, a higher
    /// one 14 %.
    pub(crate) const LARGE: usize = 4 << 10;

    /// Leaves as it is, even where messages are compressed (feature `deflate`), and later messages do not
    /// refer to it: for what is secret, because the length of a compressed message can give it away
    /// ([RFC 7692 §8](https://www.rfc-editor.org/rfc/rfc7692#section-8)); or for what is compressed already.
    #[must_use]
    pub fn uncompressed(mut self) -> Self {
        self.compress = false;
        self
    }

    /// Whether its payload is borrowed, and so large that it is worth not to be copied.
    #[inline(always)]
    pub(crate) const fn is_lent(&self) -> bool {
        matches!(self.payload, OutgoingPayload::Borrowed(payload) if payload.len() >= Self::LARGE)
    }

    #[inline(always)]
    const fn borrowed(opcode: Opcode, bytes: &'m [u8]) -> Self {
        Self { opcode, compress: true, payload: OutgoingPayload::Borrowed(bytes) }
    }

    #[inline(always)]
    const fn owned(opcode: Opcode, bytes: Bytes) -> Self {
        Self { opcode, compress: true, payload: OutgoingPayload::Owned(bytes) }
    }
}

impl<'m> From<&'m str> for Outgoing<'m> {
    #[inline(always)]
    fn from(text: &'m str) -> Self {
        Self::borrowed(Opcode::Text, text.as_bytes())
    }
}

impl<'m> From<&'m String> for Outgoing<'m> {
    fn from(text: &'m String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Outgoing<'_> {
    fn from(text: String) -> Self {
        Self::owned(Opcode::Text, text.into())
    }
}

impl<'m> From<&'m Utf8Bytes> for Outgoing<'m> {
    fn from(text: &'m Utf8Bytes) -> Self {
        text.as_str().into()
    }
}

impl From<Utf8Bytes> for Outgoing<'_> {
    fn from(text: Utf8Bytes) -> Self {
        Self::owned(Opcode::Text, text.into_bytes())
    }
}

impl<'m> From<&'m [u8]> for Outgoing<'m> {
    #[inline(always)]
    fn from(bytes: &'m [u8]) -> Self {
        Self::borrowed(Opcode::Binary, bytes)
    }
}

impl<'m, const N: usize> From<&'m [u8; N]> for Outgoing<'m> {
    #[inline(always)]
    fn from(bytes: &'m [u8; N]) -> Self {
        Self::borrowed(Opcode::Binary, bytes)
    }
}

impl<'m> From<&'m Vec<u8>> for Outgoing<'m> {
    fn from(bytes: &'m Vec<u8>) -> Self {
        bytes.as_slice().into()
    }
}

impl From<Vec<u8>> for Outgoing<'_> {
    fn from(bytes: Vec<u8>) -> Self {
        Self::owned(Opcode::Binary, bytes.into())
    }
}

impl<'m> From<&'m Bytes> for Outgoing<'m> {
    fn from(bytes: &'m Bytes) -> Self {
        bytes.as_ref().into()
    }
}

impl From<Bytes> for Outgoing<'_> {
    fn from(bytes: Bytes) -> Self {
        Self::owned(Opcode::Binary, bytes)
    }
}

impl From<Message> for Outgoing<'_> {
    #[inline]
    fn from(message: Message) -> Self {
        match message {
            Message::Text(text) => text.into(),
            Message::Binary(bytes) => bytes.into(),
        }
    }
}

impl<'m> From<&'m Message> for Outgoing<'m> {
    fn from(message: &'m Message) -> Self {
        match message {
            Message::Text(text) => text.into(),
            Message::Binary(bytes) => bytes.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_message_is_a_frame() {
        let prepared = PreparedMessage::text("Hello");
        assert_eq!(prepared.plain().bytes, &b"\x81\x05Hello"[..]); // RFC 6455 §5.7
        assert_eq!(prepared.payload(), "Hello");
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn a_prepared_message_is_compressed_once_for_each_shape() {
        use crate::deflate::{Deflate, Deflater};
        use crate::frame::Role;
        let prepared = PreparedMessage::text("tick, tock, ".repeat(100));
        let shapes: Vec<_> = [(1, 15), (1, 9), (6, 15), (1, 8)]
            .into_iter()
            .map(|(level, bits)| {
                let deflate = Deflate::new().level(level).server_max_window_bits(bits);
                Deflater::agreed(Some(&deflate), Some(&deflate.params()), Role::Server).unwrap().shape()
            })
            .collect();
        let places = || -> Vec<_> {
            let place = |shape: &Shape| prepared.deflated(*shape).unwrap().bytes.as_ptr() as usize;
            shapes.iter().map(place).collect()
        };
        let seen: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(places)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(seen.iter().all(|places| *places == seen[0]));
        assert_eq!(seen[0][1], seen[0][3], "a window of 8 bits is one of 9");
        assert!(seen[0][0] != seen[0][1] && seen[0][0] != seen[0][2] && seen[0][1] != seen[0][2]);
        // And clones share them.
        let clone = prepared.clone();
        assert_eq!(clone.deflated(shapes[0]).unwrap().bytes.as_ptr() as usize, seen[0][0]);
        assert!(prepared.uncompressed().deflated(shapes[0]).is_none());
    }

    #[test]
    fn what_is_sent_keeps_its_kind() {
        for text in ["hi".into(), String::from("hi").into(), Utf8Bytes::from("hi").into()] {
            let text: Outgoing<'_> = text;
            assert_eq!((text.opcode, text.len()), (Opcode::Text, 2));
        }
        for bytes in [b"hi".into(), vec![0, 1].into(), Bytes::from_static(b"hi").into()] {
            let bytes: Outgoing<'_> = bytes;
            assert_eq!((bytes.opcode, bytes.len()), (Opcode::Binary, 2));
        }
    }
}
