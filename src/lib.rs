#![doc = include_str!("../README.md")]
//!
//! # Where things are
//!
//! ```text
//!  frame        values and pure functions, no state                      RFC 6455 §5, §7.4
//!    ^
//!  deflate      messages smaller (feature)                               RFC 7692
//!    ^
//!  connection   bytes in -> events out, messages in -> bytes out,
//!               time comes in as an argument                             §5.4-5.6, §7
//!  handshake    bytes in -> request/response, hands over a Connection    §4
//!    ^
//!  blocking, tokio, futures      a Connection over a stream
//! ```
//!
//! An arrow points at what a layer may use. Each is useful without the one above:
//!
//! - to talk to a server, or to be one: [`blocking`], `tokio`, `futures` (features); [`Connect`] has a client's
//!   options;
//! - to put WebSocket into a protocol stack of your own: [`Connection`], and [`handshake::client`] or
//!   [`handshake::server`] before it;
//! - to upgrade a request that an HTTP server has read already: [`handshake::negotiate`];
//! - to look at frames: [`frame::Header`], [`frame::inspect`].

pub mod connection;
#[cfg(feature = "deflate")]
pub mod deflate;
#[cfg(not(feature = "deflate"))]
#[path = "deflate/absent.rs"]
mod deflate;
pub mod error;
pub mod frame;
pub mod handshake;
mod io;
mod message;
pub mod utf8;

pub use bytes;
pub use connection::{
    Agreement, CloseInfo, Config, Connection, Event, Keepalive, Output, Payload, Receiver, Sender, State,
    Text,
};
#[cfg(feature = "deflate")]
pub use deflate::Deflate;
pub use error::{Error, HandshakeError, ProtocolError, SendError};
pub use frame::{CloseCode, CloseFrame, Opcode, Role};
pub use http;
#[cfg(any(feature = "tokio", feature = "futures"))]
pub use io::asynchronous;
pub use io::blocking;
pub use io::connect::Connect;
#[cfg(feature = "futures")]
pub use io::futures;
pub use io::proxy::{Proxy, ProxyError};
#[cfg(any(feature = "rustls", feature = "native-tls"))]
pub use io::tls::Tls;
#[cfg(feature = "tokio")]
pub use io::tokio;
pub use message::{Message, Outgoing, PreparedMessage};
#[cfg(feature = "native-tls")]
pub use native_tls;
#[cfg(feature = "rustls")]
pub use rustls;
pub use utf8::Utf8Bytes;
