use crate::frame::CloseFrame;
use crate::message::{Message, Outgoing};
use crate::utf8::{Utf8Buffer, Utf8Bytes};
use bytes::Bytes;
use std::fmt;
use std::ops::Deref;

/// What has been received. It is lent from the connection's buffers, so it costs no copy; own it with
/// [`into_message`](Self::into_message).
#[derive(Debug)]
pub enum Event<'a> {
    /// A text message.
    Text(Text<'a>),
    /// A binary message.
    Binary(Payload<'a>),
    /// A part of a text message, cut between characters; only in the
    /// [`streaming`](crate::Config::streaming) mode.
    TextPart {
        /// The next part; never empty but for the last.
        part: Text<'a>,
        /// The message ends here.
        fin: bool,
    },
    /// A part of a binary message; only in the [`streaming`](crate::Config::streaming) mode.
    BinaryPart {
        /// The next part; never empty but for the last.
        part: Payload<'a>,
        /// The message ends here.
        fin: bool,
    },
    /// The peer pinged. The pong that answers it is queued already (§5.5.2).
    Ping(Payload<'a>),
    /// The peer sent a pong, asked for or not (§5.5.3).
    Pong(Payload<'a>),
    /// The peer will send nothing more. The Close frame that answers it is queued already, unless one
    /// was sent before (§5.5.1).
    Close(Option<CloseFrame>),
}

impl Event<'_> {
    /// The message, if this is a whole one. Up to 4 KiB are copied; a larger message that has storage
    /// of its own brings it along.
    #[inline]
    pub fn into_message(self) -> Option<Message> {
        match self {
            Self::Text(Text(Lent::Shared(text))) => Some(Message::Text(text.into())),
            Self::Binary(Payload(Lent::Shared(bytes))) => {
                Some(Message::Binary(Bytes::copy_from_slice(bytes)))
            }
            event => event.into_collected(),
        }
    }

    #[cold]
    #[inline(never)]
    fn into_collected(self) -> Option<Message> {
        match self {
            Self::Text(text) => Some(Message::Text(text.into_utf8_bytes())),
            Self::Binary(payload) => Some(Message::Binary(payload.into_bytes())),
            _ => None,
        }
    }
}

/// Up to this many bytes are copied when a message is owned, so that a short one does not pin a large
/// buffer.
const COPIED: usize = 4 << 10;

/// Received bytes, lent; they deref to `[u8]`.
pub struct Payload<'a>(Lent<'a, &'a [u8]>);

/// Received text, lent; it derefs to `str`.
pub struct Text<'a>(Lent<'a, &'a str>);

/// Where lent data lies.
enum Lent<'a, T> {
    /// In the buffer that all frames share.
    Shared(T),
    /// In storage of its own, because it came in pieces.
    Own(&'a mut Utf8Buffer),
}

impl<'a> Payload<'a> {
    #[inline(always)]
    pub(crate) const fn shared(bytes: &'a [u8]) -> Self {
        Self(Lent::Shared(bytes))
    }

    pub(crate) const fn own(buffer: &'a mut Utf8Buffer) -> Self {
        Self(Lent::Own(buffer))
    }

    /// Owns the bytes: up to 4 KiB are copied, a larger payload with storage of its own brings it along.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        match self.0 {
            Lent::Own(buffer) if buffer.len() > COPIED => buffer.take(),
            _ => Bytes::copy_from_slice(&self),
        }
    }
}

/// Sends on what was received. A payload of more than 4 KiB with storage of its own brings it along, all else is copied
/// into the output.
impl<'a> From<Payload<'a>> for Outgoing<'a> {
    #[inline(always)]
    fn from(payload: Payload<'a>) -> Self {
        match payload.0 {
            Lent::Shared(bytes) => bytes.into(),
            Lent::Own(buffer) if buffer.len() > COPIED => buffer.take().into(),
            Lent::Own(buffer) => buffer.as_bytes().into(),
        }
    }
}

impl Deref for Payload<'_> {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Lent::Shared(bytes) => bytes,
            Lent::Own(buffer) => buffer.as_bytes(),
        }
    }
}

impl AsRef<[u8]> for Payload<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for Payload<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<'a> Text<'a> {
    #[inline(always)]
    pub(crate) const fn shared(text: &'a str) -> Self {
        Self(Lent::Shared(text))
    }

    pub(crate) const fn own(buffer: &'a mut Utf8Buffer) -> Self {
        Self(Lent::Own(buffer))
    }

    /// Owns the text: up to 4 KiB are copied, a larger text with storage of its own brings it along.
    #[inline]
    pub fn into_utf8_bytes(self) -> Utf8Bytes {
        match self.0 {
            Lent::Own(buffer) if buffer.len() > COPIED => buffer.take_text(),
            _ => Utf8Bytes::from(&*self),
        }
    }
}

/// Sends on what was received. A text of more than 4 KiB with storage of its own brings it along, all else is copied
/// into the output.
impl<'a> From<Text<'a>> for Outgoing<'a> {
    #[inline(always)]
    fn from(text: Text<'a>) -> Self {
        match text.0 {
            Lent::Shared(text) => text.into(),
            Lent::Own(buffer) if buffer.len() > COPIED => buffer.take_text().into(),
            Lent::Own(buffer) => buffer.as_str().into(),
        }
    }
}

impl Deref for Text<'_> {
    type Target = str;

    #[inline(always)]
    fn deref(&self) -> &str {
        match &self.0 {
            Lent::Shared(text) => text,
            Lent::Own(buffer) => buffer.as_str(),
        }
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        self
    }
}

impl fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

/// Where an event lies: what `Receiver::advance` found, for `Receiver::lend` to lend.
///
/// The two steps are separate so that whoever stands between them may still use the receiver.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Descriptor {
    pub(crate) kind: Kind,
    pub(super) place: Place,
}

/// What an event is. It takes a whole word, so that what shares its place in a result (a message, or an error) is
/// moved by words: to load as one what was stored in pieces costs 2 to 8 ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Kind {
    Text,
    Binary,
    /// A part of a text that is not the last, and the last.
    TextPart,
    TextEnd,
    BinaryPart,
    BinaryEnd,
    Ping,
    Pong,
    Close,
}

impl Kind {
    /// A whole message, or a part of one.
    #[inline(always)]
    pub(super) const fn of_message(is_text: bool, is_part: bool, fin: bool) -> Self {
        match (is_text, is_part, fin) {
            (true, false, _) => Self::Text,
            (false, false, _) => Self::Binary,
            (true, true, false) => Self::TextPart,
            (true, true, true) => Self::TextEnd,
            (false, true, false) => Self::BinaryPart,
            (false, true, true) => Self::BinaryEnd,
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    Shared {
        at: usize,
        len: usize,
    },
    Collected,
    /// Kept for later, and its turn has come.
    Kept,
}
