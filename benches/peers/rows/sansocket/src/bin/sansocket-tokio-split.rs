//! The front end for tokio, split into halves: what the reader reads, the writer feeds.

use harness::{Echo, Failure, Options};
use row_sansocket::DEFLATE;
use sansocket::Error;
use sansocket::handshake::server;
use sansocket::tokio::accept_with;
use std::net::TcpListener;
use std::sync::Arc;
use tokio::net::TcpStream;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "sansocket-tokio-split";
    const DEFLATE: &'static [&'static str] = DEFLATE;

    fn serve(listener: TcpListener, how: Options) -> Result<(), Failure> {
        row_sansocket::serve(listener, &how, echo)
    }
}

async fn echo(stream: TcpStream, options: Arc<server::Options>) -> Result<(), Error> {
    let (mut reader, mut writer) = accept_with(stream, options).await?.split();
    while let Some(message) = reader.read().await? {
        writer.feed(message).await?;
    }
    Ok(())
}

fn main() -> Result<(), Failure> {
    harness::echo::<Row>()
}
