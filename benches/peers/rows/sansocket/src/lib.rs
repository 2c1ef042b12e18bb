//! What the rows of this crate share.

use harness::{Endless, Failure, Options, Role, Sample};
use sansocket::handshake::server;
use sansocket::tokio::WebSocket;
use sansocket::{Config, Connection, Deflate, Error, Message, Outgoing};
use std::net::TcpListener;
use std::sync::Arc;
use tokio::net::TcpStream;

/// Serves each connection with a task of tokio's.
///
/// # Errors
/// The setting of compression names no level; or the runtime cannot start.
pub fn serve<F>(
    listener: TcpListener,
    how: &Options,
    echo: impl Fn(TcpStream, Arc<server::Options>) -> F + Copy + Send + 'static,
) -> Result<(), Failure>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    let options = options(how)?;
    harness::tasks(listener, move |stream| echo(stream, Arc::clone(&options)))
}

/// What [`Codec::encode`](harness::Codec::encode) of tokio's front end does.
///
/// # Errors
/// The runtime cannot start, or the message is refused.
pub fn encode(stream: Endless, role: Role, message: &Sample, count: usize) -> Result<(), Failure> {
    harness::block_on(async {
        let mut ws = WebSocket::from_connection(stream, open(role));
        for _ in 0..count {
            ws.send(outgoing(message)).await?;
        }
        Ok(())
    })
}

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
