//! A server that sends every message back, on any of the front ends, with TLS or without.
//!
//! ```text
//! cargo run --release --features full --example echo_server -- --addr 127.0.0.1:9001
//! cargo run --release --features full --example echo_server -- --front-end tokio --tls
//! ```
//!
//! It says `listening on ws://127.0.0.1:9001` when it accepts connections. What an application writes is the
//! `echo` in `blocking.rs`, `tokio.rs` or `futures.rs`; the rest keeps the server alive whatever a peer does.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, ValueEnum};
use sansocket::handshake::server::Options;
use sansocket::{Config, Deflate};
use std::convert::Infallible;
use std::error::Error;
use std::fmt::Display;
use std::io::{self, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

mod blocking;
mod futures;
mod tls;
mod tokio;

/// Sends every message back.
#[derive(Parser)]
#[command(name = "echo_server")]
struct Args {
    /// Where to listen; port 0 takes any that is free
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:9001")]
    addr: String,
    /// What the connections run on
    #[arg(long, value_enum, default_value = "blocking")]
    front_end: FrontEnd,
    /// Compress messages, for clients that offer to (permessage-deflate)
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
    /// Encrypt: wss:// instead of ws://, with a certificate for localhost made at start unless there is --cert
    #[arg(long)]
    tls: bool,
    /// The certificate and those between it and its CA (PEM)
    #[arg(long, value_name = "FILE", requires_all = ["tls", "key"])]
    cert: Option<PathBuf>,
    /// The certificate's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Where to write the CA that clients have to trust [default: in the directory for temporary files]
    #[arg(long, value_name = "FILE", requires = "tls", conflicts_with = "cert")]
    ca_out: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FrontEnd {
    Blocking,
    Tokio,
    Futures,
}

fn main() {
    let args = Args::parse();
    let Err(error) = serve(args);
    exit(ErrorKind::Io, error);
}

/// Takes connections for ever; fails only before the first.
fn serve(args: Args) -> Result<Infallible, Box<dyn Error>> {
    let mut config = Config::new();
    if let Some(bytes) = args.max_message {
        config = config.max_message_size(bytes).max_frame_size(bytes);
    }
    if let Some(bytes) = args.fragment_size {
        config = config.fragment_size(bytes);
    }
    if args.deflate {
        config = config.deflate(Deflate::new());
    }
    let options = Arc::new(Options::new().config(config).protocols(args.protocols));
    let tls = match (args.tls, args.cert.zip(args.key)) {
        (false, _) => None,
        (true, Some((cert, key))) => Some(tls::load(&cert, &key)?),
        (true, None) => {
            let ca_file = args.ca_out.unwrap_or_else(|| std::env::temp_dir().join("echo_server_ca.pem"));
            let config = tls::make(&ca_file)?;
            say(format_args!("the CA to trust is in {}", ca_file.display()))?;
            Some(config)
        }
    };

    let listener =
        TcpListener::bind(&args.addr).map_err(|error| format!("cannot listen on {}: {error}", args.addr))?;
    let scheme = if tls.is_some() { "wss" } else { "ws" };
    say(format_args!("listening on {scheme}://{}", listener.local_addr()?))?;
    Ok(match args.front_end {
        FrontEnd::Blocking => blocking::listen(listener, tls, options),
        FrontEnd::Tokio => tokio::listen(listener, tls, options),
        FrontEnd::Futures => futures::listen(listener, tls, options),
    }?)
}

/// How long a client may take for TLS's handshake; the WebSocket's has a time of its own.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait after a connection could not be taken, for want of files or threads: until some other
/// connection has ended and made room.
const PAUSE: Duration = Duration::from_millis(50);

fn say(what: impl Display) -> io::Result<()> {
    writeln!(io::stdout(), "{what}")?;
    io::stdout().flush()
}

/// Says what went wrong. (`eprintln!` panics where nobody listens, and would end the server.)
fn log(what: impl Display, error: impl Display) {
    let _nobody_listens = writeln!(io::stderr(), "{what}: {error}");
}

fn exit(kind: ErrorKind, why: impl Display) -> ! {
    Args::command().error(kind, why).exit()
}
