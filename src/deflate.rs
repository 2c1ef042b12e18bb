//! Compression of messages: permessage-deflate ([RFC 7692]); feature `deflate`.
//!
//! It is off unless both ends ask for it: [`Config::deflate`](crate::Config::deflate) makes a client offer it
//! and a server accept it. What was agreed on is in [`Agreement::deflate`](crate::Agreement::deflate), and as
//! text in [`Connection::extensions`](crate::Connection::extensions).
//!
//! ```
//! use sansocket::{Config, Deflate};
//!
//! let config = Config::new().deflate(Deflate::new().level(6).threshold(256));
//! ```
//!
//! # Secrets
//!
//! Whoever can see how long a compressed message is, and can put text of their choice beside a secret in it
//! (or before it, with context takeover), can find the secret out: the message is shorter when the text
//! repeats a part of it ([RFC 7692 §8]; CRIME and BREACH did so to HTTP). TLS hides what a message says, not
//! how long it is. Send what is secret with [`Outgoing::uncompressed`](crate::Outgoing::uncompressed), which
//! keeps it out of what later messages refer to, too:
//!
//! ```
//! # use sansocket::{Config, Connection, Role};
//! use sansocket::Outgoing;
//!
//! # let mut connection = Connection::new(Role::Client, Config::new());
//! connection.send(Outgoing::from("token=31415926").uncompressed())?;
//! # Ok::<(), sansocket::SendError>(())
//! ```
//!
//! # Parameters
//!
//! - **Context takeover**: each message may refer to those before it, as far as the window reaches. Messages
//!   that are like one another get much smaller. In return each connection keeps a compressor
//!   and what the peer's next message may refer to. Without, compressors and decompressors are shared
//!   by all connections of a thread, and cleared for each message. A server with many connections saves not
//!   only memory by `server_no_context_takeover`, but time: a thousand compressors do not stay in a cache,
//!   and each message then takes seven times as long to compress.
//! - **Window bits**: how far back a message may refer, as a power of two: 8 is 256 bytes, 15 is 32 KiB. For a
//!   window of 8 bits our compressor uses one of 9, in which it refers back no farther than 250 bytes.
//!
//! # Memory
//!
#![doc = include_str!("deflate/memory.md")]
//!
//! # Why zlib-rs
//!
//! The codec is `zlib-rs`, without `flate2` around it: `flate2` does not let a compressor have smaller tables
//! along with a smaller window, has no window of 8 bits, and makes a decompressor anew at a reset unless
//! its window is the largest.
//!
//! [RFC 7692]: https://www.rfc-editor.org/rfc/rfc7692
//! [RFC 7692 §8]: https://www.rfc-editor.org/rfc/rfc7692#section-8
#![cfg_attr(
    not(test),
    warn(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)
)]

mod deflater;
mod inflater;
mod params;
pub(crate) mod pool;

pub(crate) use deflater::Deflater;
pub(crate) use inflater::{Inflated, Inflater};
pub use params::Params;
use params::{MAX_BITS, MIN_BITS};
pub(crate) use pool::Shape;

/// How messages are compressed, and which parameters are asked for and granted.
///
/// The parameters have the names of [RFC 7692 §7.1], for either role. A limit for the own side is kept, a limit
/// for the peer is demanded: a server declines an offer, and a client fails the handshake, if the peer does not
/// keep to it.
///
/// [RFC 7692 §7.1]: https://www.rfc-editor.org/rfc/rfc7692#section-7.1
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deflate {
    level: u8,
    threshold: usize,
    params: Params,
}

impl Default for Deflate {
    fn default() -> Self {
        Self { level: 1, threshold: 64, params: Params::default() }
    }
}

impl Deflate {
    /// Level 1, a threshold of 64 bytes, the largest windows, context takeover both ways.
    pub fn new() -> Self {
        Self::default()
    }

    /// How hard to try: 0 (not at all) to 9; more counts as 9. The default is 1: with `zlib-rs` it takes a sixth
    /// of the time of level 6 for messages of 1 KiB, for results that are a third larger.
    #[must_use]
    pub fn level(mut self, level: u8) -> Self {
        self.level = level.min(9);
        self
    }

    /// Messages of fewer bytes leave as they are (64). It does not hold for a message that is
    /// [sent in parts](crate::Connection::send_fragment), unless its first part is its last.
    #[must_use]
    pub fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = bytes;
        self
    }

    /// Each message of the server is compressed by itself (off).
    #[must_use]
    pub fn server_no_context_takeover(mut self, on: bool) -> Self {
        self.params.server_no_context_takeover = on;
        self
    }

    /// Each message of the client is compressed by itself (off).
    #[must_use]
    pub fn client_no_context_takeover(mut self, on: bool) -> Self {
        self.params.client_no_context_takeover = on;
        self
    }

    /// The server's window, as a power of two of bytes: 8 to 15 (15). What lies outside counts as the nearest
    /// of these.
    #[must_use]
    pub fn server_max_window_bits(mut self, bits: u8) -> Self {
        self.params.server_max_window_bits = limit(bits);
        self
    }

    /// The client's window, as a power of two of bytes: 8 to 15 (15). What lies outside counts as the nearest
    /// of these. A server declines the offer of a client that cannot limit it; browsers can.
    #[must_use]
    pub fn client_max_window_bits(mut self, bits: u8) -> Self {
        self.params.client_max_window_bits = limit(bits);
        self
    }

    /// The parameters as they are agreed on with a peer that has no wishes. For those who negotiate by other
    /// means than [`handshake`](crate::handshake); see
    /// [`Agreement::with_deflate`](crate::Agreement::with_deflate).
    pub fn params(&self) -> Params {
        self.params
    }
}

/// The largest window needs not be spoken of.
fn limit(bits: u8) -> Option<u8> {
    (bits < MAX_BITS).then_some(bits.max(MIN_BITS))
}

/// By how much one of the codec's totals has grown: no more than the length of a slice.
fn since(before: u64, total: u64) -> usize {
    usize::try_from(total.wrapping_sub(before)).unwrap_or(0)
}
