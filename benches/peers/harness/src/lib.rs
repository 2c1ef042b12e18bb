//! What a measured WebSocket implementation implements: [`Echo`], and [`Codec`] if it can work in memory. Each
//! is a program of its own, built by itself, so that the features of one are none of another.
//!
//! ```text
//! row about                                         what it can do, as JSON
//! row serve --port N [--batch] [--deflate SETTING]  echoes until it is killed
//! row decode | encode | mask                        nanoseconds of CPU time a message, in memory, as JSON
//! row allocations                                   allocations a message, in memory, as JSON
//! ```

mod allocations;
mod allocator;
mod cli;
mod endless;
mod mask;
mod measure;
mod serve;
mod upgrade;
pub mod wire;

pub use cli::{echo, echo_and_codec};
pub use endless::Endless;
pub use sansocket::Role;
pub use serve::{block_on, listen, local_tasks, tasks, threads};
pub use upgrade::{response, upgrade};

use bytes::Bytes;
use std::net::TcpListener;

/// Whatever keeps a row from being measured.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// An echo server on one thread, or on a thread for each connection.
pub trait Echo {
    /// The row's name.
    const NAME: &'static str;
    /// The row honours [`Options::batch`].
    const BATCH: bool = false;
    /// The settings that [`Options::deflate`] can name; none if the row cannot compress.
    const DEFLATE: &'static [&'static str] = &[];

    /// Echoes every message to where it came from, for ever.
    ///
    /// # Errors
    /// The server cannot start.
    fn serve(listener: TcpListener, options: Options) -> Result<(), Failure>;
}

/// How to serve.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Answer all that has come already, and only then flush.
    pub batch: bool,
    /// Agree on permessage-deflate, with one of the row's settings.
    pub deflate: Option<String>,
}

/// The same API as the server's, over a stream in memory: no system call, no runtime's reactor.
pub trait Codec {
    /// The function that masks in place, and its name, if it is public. One row of an implementation has it.
    const MASK: Option<(&'static str, Mask)> = None;

    /// Reads so many messages as a server, and says how many bytes they had.
    ///
    /// # Errors
    /// The implementation refuses what it reads.
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure>;

    /// Sends a message so many times, each with a flush.
    ///
    /// # Errors
    /// The implementation refuses to send it.
    fn encode(stream: Endless, role: Role, message: &Sample, count: usize) -> Result<(), Failure>;
}

/// Masks a payload in place.
pub type Mask = fn(&mut [u8], [u8; 4]);

/// A message to send.
#[derive(Clone, Debug)]
pub enum Sample {
    /// As text.
    Text(String),
    /// As binary.
    Binary(Vec<u8>),
    /// As binary that is owned by whom it is sent with, where the API can: clones share it.
    Shared(Bytes),
}

impl Sample {
    /// Its payload.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
            Self::Shared(bytes) => bytes,
        }
    }

    /// Whether it is text.
    pub fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }
}
