//! Who was at fault: the peer ([`ProtocolError`], [`HandshakeError`]), the caller ([`SendError`]), or
//! the network ([`Error::Io`]).

use crate::frame::CloseCode;
use std::io;

pub use crate::handshake::error::HandshakeError;
pub use crate::io::proxy::ProxyError;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub use crate::io::tls::TlsError;

/// What the peer did wrong, or failed to do in time.
///
/// Each variant is one requirement of RFC 6455 or one limit of [`Config`](crate::Config). The
/// connection has then failed ([§7.1.7]): a Close frame with [`close_code`](Self::close_code) stands
/// in the output, and nothing more is read.
///
/// [§7.1.7]: https://www.rfc-editor.org/rfc/rfc6455#section-7.1.7
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// §5.2, RSV1, RSV2, RSV3: "MUST be 0 unless an extension is negotiated that defines meanings for
    /// non-zero values."
    #[error("a reserved bit is set that no extension gave a meaning")]
    ReservedBits,
    /// §5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket
    /// Connection_."
    #[error("the opcode {0:#x} is reserved")]
    ReservedOpcode(u8),
    /// §5.5: "All control frames ... MUST NOT be fragmented."
    #[error("a control frame is fragmented")]
    FragmentedControl,
    /// §5.5: "All control frames MUST have a payload length of 125 bytes or less".
    #[error("a control frame is longer than 125 bytes")]
    ControlTooLong,
    /// §5.4: a continuation frame follows a first frame "with the FIN bit clear and an opcode other
    /// than 0", and here none did.
    #[error("a continuation frame continues nothing")]
    UnexpectedContinuation,
    /// §5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another
    /// message".
    #[error("a new message begins inside an unfinished one")]
    ExpectedContinuation,
    /// §5.1: "The server MUST close the connection upon receiving a frame that is not masked."
    #[error("a client's frame is not masked")]
    UnmaskedFrame,
    /// §5.1: "A client MUST close a connection if it detects a masked frame."
    #[error("a server's frame is masked")]
    MaskedFrame,
    /// §5.2: "the minimal number of bytes MUST be used to encode the length".
    #[error("the payload length is not in its shortest form")]
    LengthNotMinimal,
    /// §5.2, the 64-bit length: "the most significant bit MUST be 0".
    #[error("the payload length exceeds 63 bits")]
    LengthTooLarge,
    /// §8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is
    /// not, in fact, a valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_."
    #[error("a text message is not valid UTF-8")]
    InvalidUtf8,
    /// §5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer".
    #[error("a Close frame holds a single byte")]
    CloseTooShort,
    /// §7.4: the code in a Close frame is one that must not be sent, or that nobody has defined.
    #[error("the close code {0} must not be sent")]
    InvalidCloseCode(CloseCode),
    /// §5.5.1: the reason in a Close frame is "UTF-8-encoded data", and this one is not.
    #[error("the reason of a Close frame is not valid UTF-8")]
    InvalidCloseReason,
    /// §7.4.1: the peer sent "a type of data [the endpoint] cannot accept": a binary message under
    /// [`Config::text_only`](crate::Config::text_only), a text under
    /// [`Config::binary_only`](crate::Config::binary_only).
    #[error("a message is of a type that is not accepted")]
    UnsupportedData,
    /// The header declares more than [`Config::max_frame_size`](crate::Config::max_frame_size).
    #[error("a frame is larger than the limit")]
    FrameTooLarge,
    /// The fragments, decompressed if they are compressed, exceed
    /// [`Config::max_message_size`](crate::Config::max_message_size).
    #[error("a message is larger than the limit")]
    MessageTooLarge,
    /// The message goes on beyond [`Config::max_fragments`](crate::Config::max_fragments).
    #[error("a message has more fragments than the limit")]
    TooManyFragments,
    /// The data of a compressed message is not DEFLATE, or refers to what the peer's window does not hold
    /// ([RFC 7692 §7.2.2](https://www.rfc-editor.org/rfc/rfc7692#section-7.2.2)).
    #[error("a compressed message cannot be decompressed")]
    InvalidDeflate,
    /// A compressed message has more than 1 024 final blocks.
    #[error("a compressed message has more final blocks than the limit")]
    TooManyFinalBlocks,
    /// There was no memory for a message that the limits allow.
    #[error("there is no memory for the message")]
    OutOfMemory,
    /// A message was not complete within [`Config::message_timeout`](crate::Config::message_timeout).
    #[error("a message did not arrive in time")]
    MessageTimeout,
    /// A keepalive ping was not answered within its [`Keepalive::timeout`](crate::Keepalive::timeout).
    #[error("the peer does not answer pings")]
    PongTimeout,
    /// The peer did not answer our Close frame within
    /// [`Config::close_timeout`](crate::Config::close_timeout).
    #[error("the peer does not answer the Close frame")]
    CloseTimeout,
    /// The stream ended without a Close frame (§7.1.5: the code is then 1006).
    #[error("the connection was lost: the stream ended without a Close frame")]
    UnexpectedEof,
}

impl ProtocolError {
    /// The code of the Close frame that reports this error to the peer; `None` if none is sent,
    /// because nobody is there to read it. Locally, those are [`CloseCode::ABNORMAL`].
    pub const fn close_code(self) -> Option<CloseCode> {
        Some(match self {
            Self::ReservedBits
            | Self::ReservedOpcode(_)
            | Self::FragmentedControl
            | Self::ControlTooLong
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::UnmaskedFrame
            | Self::MaskedFrame
            | Self::LengthNotMinimal
            | Self::LengthTooLarge
            | Self::CloseTooShort
            | Self::InvalidCloseCode(_) => CloseCode::PROTOCOL_ERROR,
            Self::UnsupportedData => CloseCode::UNSUPPORTED_DATA,
            Self::InvalidUtf8 | Self::InvalidCloseReason | Self::InvalidDeflate => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooLarge | Self::MessageTooLarge | Self::OutOfMemory => CloseCode::MESSAGE_TOO_BIG,
            Self::TooManyFragments | Self::TooManyFinalBlocks | Self::MessageTimeout => {
                CloseCode::POLICY_VIOLATION
            }
            Self::PongTimeout | Self::CloseTimeout | Self::UnexpectedEof => return None,
        })
    }
}

/// What the caller asked for and cannot have. Nothing was queued; the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// §5.5.1: "The application MUST NOT send any more data frames after sending a Close frame"; or the
    /// connection has failed.
    #[error("the connection is closing or closed")]
    Closed,
    /// The output holds [`Config::high_water_mark`](crate::Config::high_water_mark) bytes or more:
    /// write some of it first.
    #[error("the output queue is full")]
    QueueFull,
    /// §5.5: "All control frames MUST have a payload length of 125 bytes or less" (for a Close frame:
    /// 123 bytes of reason).
    #[error("the payload does not fit a control frame")]
    ControlTooLong,
    /// §7.4: this code must not appear in a Close frame.
    #[error("the close code {0} must not be sent")]
    InvalidCloseCode(CloseCode),
    /// §5.4: a message sent in fragments is not finished, and messages must not be interleaved.
    #[error("a fragmented message is unfinished")]
    FragmentedMessage,
    /// §5.4: the fragments of one message are all text or all binary.
    #[error("this fragment is of another type than the first")]
    FragmentType,
    /// §5.3: "The masking key needs to be unpredictable", and the operating system gave no randomness.
    #[error("the operating system provides no randomness")]
    NoRandomness,
}

/// What a front end can meet.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The transport failed. [`WouldBlock`](io::ErrorKind::WouldBlock) from a non-blocking socket, or
    /// from one with a timeout, is not final: call again.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The opening handshake failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// TLS failed, or could not begin.
    #[cfg(any(feature = "rustls", feature = "native-tls"))]
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The proxy is none, refused, or broke its protocol.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The peer broke the protocol, or was silent for too long.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The caller asked for something that the protocol forbids.
    #[error(transparent)]
    Send(#[from] SendError),
    /// [`read`](crate::blocking::WebSocket::read) returns whole messages, and the
    /// [`streaming`](crate::Config::streaming) mode has none. The part that came is lost.
    #[error("the streaming mode lends parts of messages: use read_with")]
    Streaming,
    /// The connection failed before, and an earlier call returned the reason.
    #[error("the connection has failed before")]
    Closed,
}

/// For those who see a connection as a stream of bytes.
impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Io(_) => io::ErrorKind::Other,
            Error::Protocol(ProtocolError::UnexpectedEof) => io::ErrorKind::UnexpectedEof,
            Error::Protocol(ProtocolError::PongTimeout | ProtocolError::CloseTimeout)
            | Error::Handshake(HandshakeError::Timeout)
            | Error::Proxy(ProxyError::Timeout) => io::ErrorKind::TimedOut,
            #[cfg(any(feature = "rustls", feature = "native-tls"))]
            Error::Tls(_) => io::ErrorKind::InvalidData,
            Error::Protocol(_) | Error::Handshake(_) | Error::Proxy(_) => io::ErrorKind::InvalidData,
            Error::Send(SendError::Closed) | Error::Closed => io::ErrorKind::BrokenPipe,
            Error::Send(SendError::QueueFull) => io::ErrorKind::WouldBlock,
            Error::Send(_) | Error::Streaming => io::ErrorKind::InvalidInput,
        };
        match error {
            Error::Io(error) => error,
            error => Self::new(kind, error),
        }
    }
}

/// [`filled`](crate::Connection::filled) was told of more bytes than
/// [`input`](crate::Connection::input) lent: whatever read them claims to have written beyond its
/// buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("more bytes were read than there was room for")]
pub struct Overfilled;
