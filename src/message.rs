use crate::frame::{Header, Opcode};
use crate::utf8::Utf8Bytes;
use bytes::{BufMut, Bytes, BytesMut};

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
    /// The whole unmasked frame.
    frame: Bytes,
    header_len: usize,
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
    /// Frames a text.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::new(Opcode::Text, text.as_ref().as_bytes())
    }

    /// Frames bytes.
    pub fn binary(bytes: impl AsRef<[u8]>) -> Self {
        Self::new(Opcode::Binary, bytes.as_ref())
    }

    fn new(opcode: Opcode, payload: &[u8]) -> Self {
        let mut frame = BytesMut::with_capacity(Header::MAX_LEN + payload.len());
        Header::new(opcode, payload.len() as u64).encode(&mut frame);
        let header_len = frame.len();
        frame.put_slice(payload);
        Self { opcode, frame: frame.freeze(), header_len }
    }

    pub(crate) const fn opcode(&self) -> Opcode {
        self.opcode
    }

    pub(crate) const fn frame(&self) -> &Bytes {
        &self.frame
    }

    /// The payload, not copied.
    pub fn payload(&self) -> Bytes {
        self.frame.slice(self.header_len..)
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
/// a [`Message`] as what it is.
///
/// What is borrowed is copied into the output at once; what is owned and large goes out as it is.
#[derive(Clone, Debug)]
pub struct Outgoing<'m> {
    pub(crate) opcode: Opcode,
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
    #[inline(always)]
    const fn borrowed(opcode: Opcode, bytes: &'m [u8]) -> Self {
        Self { opcode, payload: OutgoingPayload::Borrowed(bytes) }
    }

    #[inline(always)]
    const fn owned(opcode: Opcode, bytes: Bytes) -> Self {
        Self { opcode, payload: OutgoingPayload::Owned(bytes) }
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
        assert_eq!(prepared.frame(), &b"\x81\x05Hello"[..]); // RFC 6455 §5.7
        assert_eq!(prepared.payload(), "Hello");
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
