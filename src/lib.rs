//! sansocket
pub mod connection;
pub mod error;
pub mod frame;
pub mod handshake;
mod io;
mod message;
pub mod utf8;

pub use connection::{
    Agreement, CloseInfo, Config, Connection, Event, Keepalive, Output, Payload, Receiver, Sender, State,
    Text,
};
pub use error::{Error, HandshakeError, ProtocolError, SendError};
pub use frame::{CloseCode, CloseFrame, Opcode, Role};
pub use http;
pub use io::blocking;
pub use message::{Message, Outgoing, PreparedMessage};
pub use utf8::Utf8Bytes;
