//! The least opening handshake, for floors, and for implementations that bring none.

use crate::Failure;
use sansocket::handshake::accept_key;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The most bytes that a request may have.
const MAX_HEAD: usize = 2 << 10;

/// Reads a request, and answers it with these extensions, if any. The client says nothing more until it has
/// the answer.
///
/// # Errors
/// The request is none, or the stream fails.
pub async fn upgrade(stream: &mut TcpStream, extensions: Option<&str>) -> Result<(), Failure> {
    let mut head = Vec::with_capacity(MAX_HEAD);
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_HEAD || stream.read_buf(&mut head).await? == 0 {
            return Err("no request".into());
        }
    }
    let response = response(&head, extensions).ok_or("no key")?;
    Ok(stream.write_all(response.as_bytes()).await?)
}

/// The response to a whole request; `None` if it has no key.
pub fn response(head: &[u8], extensions: Option<&str>) -> Option<String> {
    let key = str::from_utf8(head).ok()?.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    })?;
    let accept = accept_key(key.as_bytes());
    let extensions =
        extensions.map(|value| format!("Sec-WebSocket-Extensions: {value}\r\n")).unwrap_or_default();
    Some(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{extensions}\r\n"
    ))
}
