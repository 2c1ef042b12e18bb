//! A server that sends every message back, with one thread for each connection.
//!
//! ```text
//! cargo run --release --example echo_server -- --addr 127.0.0.1:9001
//! ```
//!
//! It says `listening on ws://127.0.0.1:9001` when it accepts connections. [`echo`] is all that an
//! application writes; the rest keeps the server alive whatever a peer does.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use sansocket::handshake::server::Options;
use sansocket::{Config, Error, Event, Sender, blocking};
use std::fmt::Display;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Sends every message back.
#[derive(Parser)]
#[command(name = "echo_server")]
struct Args {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9001")]
    addr: String,
    /// What the connections run on
    #[arg(long, value_parser = ["blocking", "tokio", "futures"], default_value = "blocking")]
    front_end: String,
    /// Compress messages (permessage-deflate)
    #[arg(long)]
    deflate: bool,
    /// The largest message, and frame, to accept [default: 16 MiB]
    #[arg(long, value_name = "BYTES")]
    max_message: Option<u64>,
    /// Send larger messages in several frames
    #[arg(long, value_name = "BYTES")]
    fragment_size: Option<usize>,
    /// A subprotocol that the server speaks; may be repeated
    #[arg(long = "protocol", value_name = "NAME")]
    protocols: Vec<String>,
}

fn main() {
    let args = Args::parse();
    if args.deflate || args.front_end != "blocking" {
        let option = if args.deflate { "--deflate" } else { "--front-end other than blocking" };
        exit(ErrorKind::InvalidValue, format!("{option} is not built yet"));
    }
    let mut config = Config::new();
    if let Some(bytes) = args.max_message {
        config = config.max_message_size(bytes).max_frame_size(bytes);
    }
    if let Some(bytes) = args.fragment_size {
        config = config.fragment_size(bytes);
    }
    let options = Arc::new(Options::new().config(config).protocols(args.protocols));

    let Err(error) = listen(&args.addr, &options);
    exit(ErrorKind::Io, format!("cannot listen on {}: {error}", args.addr));
}

/// Takes connections for ever; fails only before the first.
fn listen(addr: &str, options: &Arc<Options>) -> io::Result<std::convert::Infallible> {
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on ws://{}", listener.local_addr()?)?;
    io::stdout().flush()?;
    loop {
        let taken = listener.accept().and_then(|(stream, peer)| {
            let options = Arc::clone(options);
            let serve = move || echo(stream, options).unwrap_or_else(|error| log(peer, error));
            thread::Builder::new().spawn(serve)
        });
        if let Err(error) = taken {
            // Too many open files, or threads: some connection will end and make room.
            log("cannot take a connection", error);
            thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Serves one connection until it is closed.
///
/// Each message is lent, and queued from where it lies. What is queued leaves before the next read waits:
/// a burst of messages is answered by one write.
fn echo(stream: TcpStream, options: Arc<Options>) -> Result<(), Error> {
    let mut ws = blocking::accept_with(stream, options)?;
    let answer = |event: Event<'_>, sender: &mut Sender| match event {
        Event::Text(text) => sender.send(&*text),
        Event::Binary(payload) => sender.send(&*payload),
        _ => Ok(()), // pings and Close frames are answered already
    };
    while let Some(sent) = ws.read_with(answer)? {
        sent?;
    }
    Ok(())
}

/// Says what went wrong. (`eprintln!` panics where nobody listens, and would end the server.)
fn log(what: impl Display, error: impl Display) {
    let _nobody_listens = writeln!(io::stderr(), "{what}: {error}");
}

fn exit(kind: ErrorKind, why: impl Display) -> ! {
    Args::command().error(kind, why).exit()
}
