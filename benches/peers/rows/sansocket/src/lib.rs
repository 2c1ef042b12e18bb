//! What the rows of this crate share.

use harness::{Failure, Options, Role, Sample};
use sansocket::handshake::server;
use sansocket::{Config, Connection, Deflate, Message, Outgoing};
use std::sync::Arc;

/// The settings of permessage-deflate: a level, and whether each message stands alone, without context takeover.
pub const DEFLATE: &[&str] = &["1", "6", "1-alone", "6-alone"];

/// The options of a server: nothing but the defaults, and perhaps compression.
///
/// # Errors
/// The setting names no level.
pub fn options(options: &Options) -> Result<Arc<server::Options>, Failure> {
    let deflate = options.deflate.as_deref().map(deflate).transpose()?;
    Ok(Arc::new(server::Options::new().config(Config::new().deflate(deflate))))
}

fn deflate(setting: &str) -> Result<Deflate, Failure> {
    let (level, alone) = match setting.strip_suffix("-alone") {
        Some(level) => (level, true),
        None => (setting, false),
    };
    let deflate = Deflate::new().level(level.parse()?);
    Ok(deflate.server_no_context_takeover(alone).client_no_context_takeover(alone))
}

/// A connection that is open already, over a stream in memory.
pub fn open(role: Role) -> Connection {
    Connection::new(role, Config::new())
}

/// The bytes of a message that has to be there: the stream is endless.
///
/// # Errors
/// It is not.
pub fn length(message: Option<Message>) -> Result<usize, Failure> {
    Ok(message.ok_or("the stream has ended")?.len())
}

/// A sample as `send` borrows it, or shares it.
pub fn outgoing(sample: &Sample) -> Outgoing<'_> {
    match sample {
        Sample::Text(text) => text.as_str().into(),
        Sample::Binary(bytes) => bytes.as_slice().into(),
        Sample::Shared(bytes) => bytes.clone().into(),
    }
}
