//! A client that sends messages, waits until the server has sent each of them back, and closes.
//!
//! ```text
//! cargo run --release --example echo_client -- ws://127.0.0.1:9001 --message hello --binary 1000000
//! ```
//!
//! One thread reads and another writes ([`WebSocket::split`]): a server that sends a large message back
//! while we still write it would otherwise wait for us to read, and we for it.
//!
//! [`WebSocket::split`]: sansocket::blocking::WebSocket::split

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use rand::{TryRng, rngs::SysRng};
use sansocket::handshake::client::Request;
use sansocket::{CloseCode, CloseFrame, Config, Connect, Message, blocking};
use std::error::Error;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// Sends messages and waits until they come back.
#[derive(Parser)]
#[command(name = "echo_client")]
struct Args {
    /// Where the server is: ws://HOST:PORT/PATH
    url: String,
    /// What the connection runs on
    #[arg(long, value_parser = ["blocking", "tokio", "futures"], default_value = "blocking")]
    front_end: String,
    /// Compress messages (permessage-deflate)
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
}

fn seconds(text: &str) -> Result<Duration> {
    Ok(Duration::try_from_secs_f64(text.parse()?)?)
}

fn main() -> ExitCode {
    let args = match Args::try_parse().and_then(check) {
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

/// Says which options are not there yet.
fn check(args: Args) -> std::result::Result<Args, clap::Error> {
    if args.deflate || args.front_end != "blocking" {
        let option = if args.deflate { "--deflate" } else { "--front-end other than blocking" };
        return Err(Args::command().error(ErrorKind::InvalidValue, format!("{option} is not built yet")));
    }
    Ok(args)
}

fn unfinished(why: RecvTimeoutError) -> &'static str {
    match why {
        RecvTimeoutError::Timeout => "the time is up",
        RecvTimeoutError::Disconnected => "the client panicked",
    }
}

fn run(args: Args) -> Result<()> {
    let mut messages: Vec<_> = args.texts.into_iter().map(Message::text).collect();
    for len in args.binaries {
        let mut bytes = vec![0; len];
        SysRng.try_fill_bytes(&mut bytes)?;
        messages.push(Message::binary(bytes));
    }
    // A server may say something of its own, so the default limit is the least.
    let limit = messages.iter().map(Message::len).fold(16 << 20, usize::max) as u64;
    let mut config = Config::new().max_message_size(limit).max_frame_size(limit);
    config = config.handshake_timeout(args.timeout).close_timeout(args.timeout);
    if let Some(bytes) = args.fragment_size {
        config = config.fragment_size(bytes);
    }
    let request = args.protocols.into_iter().try_fold(Request::new(&args.url)?, Request::protocol)?;

    let ws = blocking::connect(Connect::from(request).config(config))?;
    println!("connected to {}, subprotocol: {}", args.url, ws.protocol().unwrap_or("none"));
    let (mut reader, writer) = ws.split()?;

    let mut missing = messages.clone();
    let (go_on, all_came_back) = mpsc::channel();
    let writing = thread::spawn(move || {
        for message in &messages {
            println!("sending {}", describe(message));
            writer.send(message)?;
        }
        let _reader_ended = all_came_back.recv();
        writer.close(CloseFrame::new(CloseCode::NORMAL, ""))
    });
    loop {
        if missing.is_empty() {
            let _writer_ended = go_on.send(());
        }
        let Some(message) = reader.read()? else { break };
        match missing.iter().position(|sent| *sent == message) {
            Some(i) => println!("back came {}", describe(&missing.remove(i))),
            None => println!("the server says {}", describe(&message)),
        }
    }
    let info = reader.close_info().ok_or("the connection was not closed")?;
    if !missing.is_empty() {
        return Err(
            format!("closed ({}) with {} messages still to come", info.received, missing.len()).into()
        );
    }
    writing.join().map_err(|_| "the writing thread panicked")??;
    println!("closed: {}", info.received);
    if info.clean { Ok(()) } else { Err("the connection was not closed cleanly".into()) }
}

/// A message in one short line.
fn describe(message: &Message) -> String {
    match message {
        Message::Text(text) if text.len() <= 60 => format!("the text {:?}", text.as_str()),
        Message::Text(text) => format!("a text of {} bytes", text.len()),
        Message::Binary(bytes) => format!("{} bytes", bytes.len()),
    }
}
