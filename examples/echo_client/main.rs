//! A client that sends messages, waits until the server has sent each of them back, and closes; on any of the
//! front ends, with TLS or without, through a proxy or not.
//!
//! ```text
//! cargo run --release --features full --example echo_client -- ws://127.0.0.1:9001 --message hello --binary 1000000
//! cargo run --release --features full --example echo_client -- wss://localhost:9001 --tls CA.pem --front-end tokio
//! ```
//!
//! It reads and writes at once, in `talk` of `blocking.rs`, `tokio.rs` or `futures.rs`: a server that sends a
//! large message back while we still write it would otherwise wait for us to read, and we for it.

use clap::{Parser, ValueEnum};
use rand::{TryRng, rngs::SysRng};
use rustls_platform_verifier::BuilderVerifierExt;
use sansocket::handshake::client::Request;
use sansocket::rustls::pki_types::{CertificateDer, pem::PemObject};
use sansocket::rustls::{ClientConfig, RootCertStore};
use sansocket::{CloseInfo, Config, Connect, Deflate, Message, Proxy};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

mod blocking;
mod futures;
mod tokio;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Sends messages and waits until they come back.
#[derive(Parser)]
#[command(name = "echo_client")]
struct Args {
    /// Where the server is: ws://HOST:PORT/PATH, or wss:// with TLS
    url: String,
    /// What the connection runs on
    #[arg(long, value_enum, default_value = "blocking")]
    front_end: FrontEnd,
    /// Offer to compress messages (permessage-deflate)
    #[arg(long)]
    deflate: bool,
    /// A text to send; may be repeated
    #[arg(long = "message", value_name = "TEXT")]
    texts: Vec<String>,
    /// How many random bytes to send, after the texts; may be repeated
    #[arg(long = "binary", value_name = "BYTES")]
    binaries: Vec<usize>,
    /// Send larger messages in several frames
    #[arg(long, value_name = "BYTES")]
    fragment_size: Option<usize>,
    /// How long everything together may take
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
    /// A subprotocol to ask for, the preferred one first; may be repeated
    #[arg(long = "protocol", value_name = "NAME")]
    protocols: Vec<String>,
    /// A header field to send with the request; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    headers: Vec<(String, String)>,
    /// The origin to claim
    #[arg(long)]
    origin: Option<String>,
    /// Trust this CA (PEM) for wss://, instead of those that the platform trusts
    #[arg(long, value_name = "CA_FILE")]
    tls: Option<PathBuf>,
    /// Go through this proxy: http://[USER:PASSWORD@]HOST:PORT, or socks5://
    #[arg(long, value_name = "URL")]
    proxy: Option<Proxy>,
    /// Go through the proxy that http_proxy, https_proxy, all_proxy and no_proxy name
    #[arg(long, conflicts_with = "proxy")]
    proxy_from_env: bool,
    /// Connect to this Unix socket, wherever the URL leads
    #[cfg(unix)]
    #[arg(long, value_name = "PATH", conflicts_with_all = ["proxy", "proxy_from_env"])]
    unix: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum FrontEnd {
    Blocking,
    Tokio,
    Futures,
}

fn seconds(text: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

fn header(text: &str) -> Result<(String, String)> {
    let (name, value) = text.split_once(':').ok_or("there is no colon")?;
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _nobody_listens = error.print();
            return if error.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let timeout = args.timeout;
    let (finish, finished) = mpsc::channel();
    thread::spawn(move || finish.send(run(args)));
    match finished.recv_timeout(timeout).unwrap_or_else(|why| Err(unfinished(why).into())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn unfinished(why: RecvTimeoutError) -> &'static str {
    match why {
        RecvTimeoutError::Timeout => "the time is up",
        RecvTimeoutError::Disconnected => "the client panicked",
    }
}

fn run(args: Args) -> Result<()> {
    let messages = messages(&args)?;
    // A server may say something of its own, so the default limit is the least.
    let limit = messages.iter().map(Message::len).fold(16 << 20, usize::max) as u64;
    let mut config = Config::new().max_message_size(limit).max_frame_size(limit);
    config = config.handshake_timeout(args.timeout).close_timeout(args.timeout);
    if let Some(bytes) = args.fragment_size {
        config = config.fragment_size(bytes);
    }
    if args.deflate {
        config = config.deflate(Deflate::new());
    }
    let connect = connect(&args)?.config(config);
    match args.front_end {
        FrontEnd::Blocking => blocking::talk(connect, messages),
        FrontEnd::Tokio => tokio::talk(connect, messages),
        FrontEnd::Futures => futures::talk(connect, &args, messages),
    }
}

/// What to send.
fn messages(args: &Args) -> Result<Vec<Message>> {
    let mut messages: Vec<_> = args.texts.iter().cloned().map(Message::text).collect();
    for &len in &args.binaries {
        let mut bytes = vec![0; len];
        SysRng.try_fill_bytes(&mut bytes)?;
        messages.push(Message::binary(bytes));
    }
    Ok(messages)
}

/// Where to, and how.
fn connect(args: &Args) -> Result<Connect> {
    let mut request = Request::new(&args.url)?;
    for protocol in &args.protocols {
        request = request.protocol(protocol)?;
    }
    for (name, value) in &args.headers {
        request = request.header(name, value)?;
    }
    if let Some(origin) = &args.origin {
        request = request.origin(origin)?;
    }
    let mut connect = Connect::from(request);
    if args.tls.is_some() {
        connect = connect.tls(tls_config(args)?);
    }
    if let Some(proxy) = &args.proxy {
        connect = connect.proxy(proxy.clone());
    }
    if args.proxy_from_env {
        connect = connect.proxy_from_env();
    }
    #[cfg(unix)]
    if let Some(path) = &args.unix {
        connect = connect.unix(path);
    }
    Ok(connect)
}

/// Whom to trust: one CA, or those that the platform trusts.
fn tls_config(args: &Args) -> Result<ClientConfig> {
    let builder = ClientConfig::builder();
    let Some(file) = &args.tls else {
        return Ok(builder.with_platform_verifier()?.with_no_client_auth());
    };
    let mut roots = RootCertStore::empty();
    let ca = CertificateDer::from_pem_file(file).map_err(|error| format!("{}: {error}", file.display()))?;
    roots.add(ca)?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// The messages that have not come back.
struct Missing(Vec<Message>);

impl Missing {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Notes that a message has come.
    fn came(&mut self, message: &Message) {
        match self.0.iter().position(|sent| sent == message) {
            Some(i) => println!("back came {}", describe(&self.0.remove(i))),
            None => println!("the server says {}", describe(message)),
        }
    }

    /// Says how the connection ended.
    fn closed(self, info: Option<CloseInfo>) -> Result<()> {
        let info = info.ok_or("the connection was not closed")?;
        if !self.is_empty() {
            let missing = self.0.len();
            return Err(format!("closed ({}) with {missing} messages still to come", info.received).into());
        }
        println!("closed: {}", info.received);
        if info.clean { Ok(()) } else { Err("the connection was not closed cleanly".into()) }
    }
}

/// Says that the connection is open.
fn connected(protocol: Option<&str>, extensions: &str) {
    let extensions = if extensions.is_empty() { "none" } else { extensions };
    println!("connected, subprotocol: {}, extensions: {extensions}", protocol.unwrap_or("none"));
}

/// A message in one short line.
fn describe(message: &Message) -> String {
    match message {
        Message::Text(text) if text.len() <= 60 => format!("the text {:?}", text.as_str()),
        Message::Text(text) => format!("a text of {} bytes", text.len()),
        Message::Binary(bytes) => format!("{} bytes", bytes.len()),
    }
}
