//! The client that the fuzzing server of Autobahn's test suite tests: it asks how many cases there are, sends
//! back what comes in each of them, and asks for the report. `autobahn/run.sh client` runs it.
//!
//! ```text
//! cargo run --release --features full --example autobahn_client -- ws://127.0.0.1:9001 --agent me --front-end tokio
//! ```

use clap::{Parser, ValueEnum};
use sansocket::{Config, Connect, Deflate, blocking, futures};
use smol::Timer;
use smol::net::TcpStream;
use tokio::runtime::Runtime;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Runs the cases of a fuzzing server.
#[derive(Parser)]
#[command(name = "autobahn_client")]
struct Args {
    /// Where the fuzzing server is: ws://HOST:PORT
    url: String,
    /// What to be called in the report
    #[arg(long, default_value = "sansocket")]
    agent: String,
    /// What the connections of the cases run on
    #[arg(long, value_enum, default_value = "blocking")]
    front_end: FrontEnd,
    /// Offer to compress messages (permessage-deflate)
    #[arg(long)]
    deflate: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FrontEnd {
    Blocking,
    Tokio,
    Futures,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let (url, agent) = (args.url.trim_end_matches('/'), &args.agent);
    let mut config = Config::new();
    if args.deflate {
        config = config.deflate(Deflate::new());
    }

    let count =
        ask(&format!("{url}/getCaseCount"))?.ok_or("the server does not say how many cases there are")?;
    for case in 1..=count.parse()? {
        let connect =
            Connect::new(format!("{url}/runCase?case={case}&agent={agent}"))?.config(config.clone());
        let result = match args.front_end {
            FrontEnd::Blocking => blocking_echo(connect),
            FrontEnd::Tokio => Runtime::new()?.block_on(tokio_echo(connect)),
            FrontEnd::Futures => smol::block_on(futures_echo(connect)),
        };
        // Many cases are there to cause an error; whether it was the right one, the report says.
        if let Err(error) = result {
            println!("case {case} of {count}: {error}");
        }
    }
    ask(&format!("{url}/updateReports?agent={agent}"))?;
    Ok(())
}

/// What the server says about this URL, if it says anything.
fn ask(url: &str) -> Result<Option<String>> {
    let mut ws = blocking::connect(url)?;
    let mut answer = None;
    while let Some(message) = ws.read()? {
        answer = message.as_text().map(str::to_owned);
    }
    Ok(answer)
}

fn blocking_echo(connect: Connect) -> Result<()> {
    let mut ws = blocking::connect(connect)?;
    while let Some(message) = ws.read()? {
        ws.feed(message)?;
    }
    Ok(())
}

async fn tokio_echo(connect: Connect) -> Result<()> {
    let mut ws = sansocket::tokio::connect(connect).await?;
    while let Some(message) = ws.read().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

async fn futures_echo(connect: Connect) -> Result<()> {
    let url = connect.request().url();
    let stream = TcpStream::connect((url.host(), url.port())).await?;
    stream.set_nodelay(true)?;
    let mut ws = futures::connect(futures::with_timer(stream, Timer::at), connect).await?;
    while let Some(message) = ws.read().await? {
        ws.feed(message).await?;
    }
    Ok(())
}
