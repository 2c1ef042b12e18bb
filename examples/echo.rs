//! A server and a client of our own talk to each other in this process, and everything that passes
//! between them is printed: the opening handshake, and every frame both ways.
//!
//!     cargo run --release --example echo

use sansocket::blocking::{self, WebSocket};
use sansocket::frame::inspect::Inspector;
use sansocket::handshake::{client, server};
use sansocket::{CloseCode, CloseFrame, Config, Error, Message};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    println!("a server listens on ws://{address}\n");

    let server = thread::spawn(move || -> Result<(), Error> {
        let options = server::Options::new().protocols(["echo"]);
        let mut ws = blocking::accept_with(listener.accept()?.0, options)?;
        while let Some(message) = ws.read()? {
            ws.feed(message)?;
        }
        Ok(())
    });

    let request = client::Request::new(&format!("ws://{address}/chat"))?.protocol("echo")?;
    let stream = Logged::new(TcpStream::connect(address)?);
    let mut ws = WebSocket::client(stream, request, Config::new().fragment_size(16))?;

    for message in [
        Message::text("Hello"),
        Message::binary(&b"\x00\x01\x02\xFF"[..]),
        Message::text("grüezi, 世界: in fragments"),
    ] {
        ws.send(&message)?;
        assert_eq!(ws.read()?, Some(message), "what comes back is what was sent");
    }
    ws.ping(b"are you there?")?;
    let info = ws.close(CloseFrame::new(CloseCode::NORMAL, "thank you"))?;
    server.join().expect("the server does not panic")?;

    println!("\nclosed {}: {}", if info.clean { "cleanly" } else { "uncleanly" }, info.received);
    Ok(())
}

/// A stream that prints what passes through it.
struct Logged {
    stream: TcpStream,
    sent: Log,
    received: Log,
}

/// One direction: an HTTP head, then frames.
struct Log {
    name: &'static str,
    head: Option<Vec<u8>>,
    frames: Inspector,
}

impl Logged {
    fn new(stream: TcpStream) -> Self {
        Self { stream, sent: Log::new("client -> server"), received: Log::new("server -> client") }
    }
}

impl Log {
    fn new(name: &'static str) -> Self {
        Self { name, head: Some(Vec::new()), frames: Inspector::new() }
    }

    fn print(&mut self, bytes: &[u8]) {
        let mut bytes = bytes.to_vec();
        if let Some(so_far) = &mut self.head {
            so_far.append(&mut bytes);
            let Some(end) = so_far.windows(4).position(|window| window == b"\r\n\r\n") else { return };
            bytes = so_far.split_off(end + 4);
            for line in String::from_utf8_lossy(so_far).trim_end().lines() {
                println!("{} | {line}", self.name);
            }
            println!();
            self.head = None;
        }
        for frame in self.frames.inspect(&bytes) {
            println!("{} | {frame}", self.name);
        }
    }
}

impl Read for Logged {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.stream.read(buffer)?;
        self.received.print(&buffer[..n]);
        Ok(n)
    }
}

impl Write for Logged {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.stream.write(bytes)?;
        self.sent.print(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}
