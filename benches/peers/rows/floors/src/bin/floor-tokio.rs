//! No WebSocket: a task for each connection writes back what it reads, from a buffer of its own.

use harness::{Echo, Failure, Options};
use std::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "floor-tokio";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        harness::tasks(listener, echo)
    }
}

async fn echo(mut stream: TcpStream) -> Result<(), Failure> {
    harness::upgrade(&mut stream, None).await?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}

fn main() -> Result<(), Failure> {
    harness::echo::<Row>()
}
