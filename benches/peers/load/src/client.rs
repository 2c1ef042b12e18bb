use harness::Failure;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

/// The key of the example in RFC 6455 §1.3, and what answers it.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n";
/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// An open connection, and the extensions that the server has agreed to.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    pub(crate) extensions: String,
}

impl Client {
    /// Connects, and offers these extensions.
    pub(crate) fn connect(port: u16, offer: Option<&str>) -> Result<Self, Failure> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(request(offer).as_bytes())?;
        let mut head = Vec::new();
        let mut buffer = [0; 1 << 10];
        // A server says nothing more before it is asked.
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut buffer)? {
                0 => return Err("closed within the handshake".into()),
                n => head.extend_from_slice(&buffer[..n]),
            }
        }
        let head = accepted(&head)?;
        let extensions = head.lines().find_map(|line| line.strip_prefix("sec-websocket-extensions:"));
        let extensions = extensions.unwrap_or_default().trim().to_owned();
        if offer.is_some() && !extensions.contains("permessage-deflate") {
            return Err("the server does not agree to compress".into());
        }
        Ok(Self { stream, extensions })
    }

    /// Whether the client's messages may refer to those before; `None` without compression.
    pub(crate) fn takeover(&self) -> Option<bool> {
        (!self.extensions.is_empty()).then(|| !self.extensions.contains("client_no_context_takeover"))
    }
}

/// The response in lower case, if it accepts.
pub(crate) fn accepted(head: &[u8]) -> Result<String, Failure> {
    let head = String::from_utf8_lossy(head).to_ascii_lowercase();
    if !head.starts_with("http/1.1 101") || !head.contains(ACCEPT) {
        return Err(format!("the handshake was answered with {head}").into());
    }
    Ok(head)
}

/// The request of a client.
pub(crate) fn request(offer: Option<&str>) -> String {
    let extensions = offer.map(|offer| format!("Sec-WebSocket-Extensions: {offer}\r\n")).unwrap_or_default();
    format!(
        "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{extensions}\r\n"
    )
}
