use crate::deflate::{Deflate, Params};
use crate::frame::Opcode;
use std::time::Duration;

/// Limits and timings of one connection. Each limit is on by default, and has an error of its own.
///
/// ```
/// use sansocket::{Config, Keepalive};
/// use std::time::Duration;
///
/// let config = Config::new()
///     .max_message_size(64 << 10)
///     .keepalive(Keepalive { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) });
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub(crate) max_frame_size: u64,
    pub(crate) max_message_size: u64,
    pub(crate) max_fragments: u32,
    pub(crate) refused: Option<Opcode>,
    pub(crate) high_water_mark: usize,
    pub(crate) fragment_size: Option<usize>,
    pub(crate) streaming: bool,
    pub(crate) keepalive: Option<Keepalive>,
    pub(crate) message_timeout: Option<Duration>,
    pub(crate) close_timeout: Duration,
    pub(crate) handshake_timeout: Duration,
    pub(crate) deflate: Option<Deflate>,
}

/// How a connection finds out that its peer is gone: it pings a peer that has been silent. A compressor that it
/// may have is given back then: the next compressed message refers to nothing before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keepalive {
    /// A ping leaves when nothing has come from the peer for this long.
    pub interval: Duration,
    /// The connection fails with [`PongTimeout`](crate::ProtocolError::PongTimeout) when the ping has
    /// not been answered after this long.
    pub timeout: Duration,
}

/// What the opening handshake agreed on, beside the protocol itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agreement {
    /// The subprotocol, if one was chosen ([RFC 6455
    /// §1.9](https://www.rfc-editor.org/rfc/rfc6455#section-1.9)).
    pub(crate) protocol: Option<Box<str>>,
    /// The value of the server's `Sec-WebSocket-Extensions`; empty when none is in use.
    pub(crate) extensions: Box<str>,
    /// The parameters of permessage-deflate, if that is one of them.
    pub(crate) deflate: Option<Params>,
}

impl Agreement {
    /// Nothing but plain RFC 6455: no subprotocol, no extension.
    pub fn new() -> Self {
        Self::default()
    }

    /// The chosen subprotocol.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The extensions in use, as the server's `Sec-WebSocket-Extensions` lists them; empty if none.
    pub fn extensions(&self) -> &str {
        &self.extensions
    }

    /// The parameters of permessage-deflate, if messages may be compressed.
    #[cfg(feature = "deflate")]
    pub fn deflate(&self) -> Option<Params> {
        self.deflate
    }

    /// The same with compression, for those who negotiate by other means than
    /// [`handshake`](crate::handshake).
    ///
    /// ```
    /// use sansocket::{Agreement, Config, Connection, Deflate, Role};
    ///
    /// let deflate = Deflate::new().server_max_window_bits(12);
    /// let agreement = Agreement::new().with_deflate(deflate.params());
    /// let server = Connection::with_agreement(Role::Server, Config::new().deflate(deflate), agreement);
    /// assert_eq!(server.extensions(), "permessage-deflate; server_max_window_bits=12");
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn with_deflate(mut self, params: Params) -> Self {
        self.extensions = params.to_string().into();
        self.deflate = Some(params);
        self
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_frame_size: 16 << 20,
            max_message_size: 16 << 20,
            max_fragments: 65_536,
            refused: None,
            high_water_mark: 1 << 20,
            fragment_size: None,
            streaming: false,
            keepalive: None,
            message_timeout: None,
            close_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(10),
            deflate: None,
        }
    }
}

impl Config {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The most bytes of payload that a received frame may declare (16 MiB). A larger one fails the
    /// connection with 1009 as soon as its header is there. Of a compressed message the bytes on the wire count:
    /// what cannot be compressed is a little larger there than the message.
    #[must_use]
    pub fn max_frame_size(mut self, bytes: u64) -> Self {
        self.max_frame_size = bytes;
        self
    }

    /// The most bytes that the fragments of a received message may have together (16 MiB). A larger
    /// message fails the connection with 1009, at the header of the fragment that exceeds it. Of a compressed
    /// message the decompressed bytes count: it fails at the first that is too many.
    #[must_use]
    pub fn max_message_size(mut self, bytes: u64) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// The most fragments that a received message may have before the one that ends it (65 536). One
    /// more that does not end it fails the connection with 1008.
    #[must_use]
    pub fn max_fragments(mut self, fragments: u32) -> Self {
        self.max_fragments = fragments;
        self
    }

    /// Accepts no binary messages (it accepts both kinds). One fails the connection with 1003, as soon as
    /// its header is there.
    #[must_use]
    pub fn text_only(mut self) -> Self {
        self.refused = Some(Opcode::Binary);
        self
    }

    /// Accepts no text messages (it accepts both kinds). One fails the connection with 1003, as soon as
    /// its header is there.
    #[must_use]
    pub fn binary_only(mut self) -> Self {
        self.refused = Some(Opcode::Text);
        self
    }

    /// How many queued bytes make [`send`](crate::Connection::send) refuse another message with
    /// [`QueueFull`](crate::SendError::QueueFull) (1 MiB). The message that crosses the mark is still
    /// taken whole. Zero counts as one, and more than 4 GiB as that.
    #[must_use]
    pub fn high_water_mark(mut self, bytes: usize) -> Self {
        self.high_water_mark = bytes.max(1);
        self
    }

    /// Sends messages that are larger than this many bytes as several frames (never, by default, or for
    /// 4 GiB and more), so that control frames can pass between them. Zero counts as one. A text may be cut
    /// inside a character, which [RFC 6455 §5.6](https://www.rfc-editor.org/rfc/rfc6455#section-5.6) allows. Mind
    /// that a peer may limit the number of fragments, as [`max_fragments`](Self::max_fragments) does.
    #[must_use]
    pub fn fragment_size(mut self, bytes: usize) -> Self {
        self.fragment_size = Some(bytes.max(1));
        self
    }

    /// Lends the parts of a message as they arrive, as
    /// [`Event::TextPart`](crate::Event::TextPart) and [`Event::BinaryPart`](crate::Event::BinaryPart),
    /// instead of collecting it (off). Then only [`max_message_size`](Self::max_message_size) bounds a
    /// message, not memory: no more than 64 KiB of one are held at a time, unless more was handed to
    /// [`Connection::receive`](crate::Connection::receive) at once.
    #[must_use]
    pub fn streaming(mut self, on: bool) -> Self {
        self.streaming = on;
        self
    }

    /// Pings a silent peer (never, by default).
    #[must_use]
    pub fn keepalive(mut self, keepalive: Keepalive) -> Self {
        self.keepalive = Some(keepalive);
        self
    }

    /// How long a message may take from its first byte to its last (for ever, by default). A slower
    /// one fails the connection with 1008.
    #[must_use]
    pub fn message_timeout(mut self, timeout: Duration) -> Self {
        self.message_timeout = Some(timeout);
        self
    }

    /// How long to wait for the peer's part of the closing handshake (5 s), in whole milliseconds.
    #[must_use]
    pub fn close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }

    /// How long the opening handshake may take in all, connecting included (10 s). The front ends
    /// hold to it; the core knows no clock of its own.
    #[must_use]
    pub fn handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Compresses messages, if the peer agrees (never, by default). A client offers it; a server accepts it
    /// if the client offers it. Mind what [the documentation](crate::deflate) says of secrets.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub fn deflate(mut self, deflate: impl Into<Option<Deflate>>) -> Self {
        self.deflate = deflate.into();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setter_sets_what_it_names() {
        let second = Duration::from_secs(1);
        let keepalive = Keepalive { interval: 2 * second, timeout: 3 * second };
        let config = Config::new()
            .max_frame_size(1)
            .max_message_size(2)
            .max_fragments(3)
            .text_only()
            .high_water_mark(4)
            .fragment_size(5)
            .streaming(true)
            .keepalive(keepalive)
            .message_timeout(4 * second)
            .close_timeout(5 * second)
            .handshake_timeout(6 * second);
        let expected = Config {
            max_frame_size: 1,
            max_message_size: 2,
            max_fragments: 3,
            refused: Some(Opcode::Binary),
            high_water_mark: 4,
            fragment_size: Some(5),
            streaming: true,
            keepalive: Some(keepalive),
            message_timeout: Some(4 * second),
            close_timeout: 5 * second,
            handshake_timeout: 6 * second,
            deflate: None,
        };
        assert_eq!(config, expected);
        assert_eq!(config.binary_only(), Config { refused: Some(Opcode::Text), ..expected });
        assert_eq!(Config::new().high_water_mark(0).high_water_mark, 1);
        assert_eq!(Config::new().fragment_size(0).fragment_size, Some(1));
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn compression_is_set_and_taken_back() {
        let config = Config::new().streaming(true).deflate(Deflate::new());
        assert_eq!((config.streaming, &config.deflate), (true, &Some(Deflate::new())));
        assert_eq!(config.deflate(None), Config::new().streaming(true));
    }
}
