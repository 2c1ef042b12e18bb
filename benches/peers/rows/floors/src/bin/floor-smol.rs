//! No WebSocket: the same as `floor-tokio` on smol's executor and reactor.

use harness::{Echo, Failure, Options, response};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::{Async, LocalExecutor};
use std::net::{TcpListener, TcpStream};

struct Row;

impl Echo for Row {
    const NAME: &'static str = "floor-smol";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        // One thread, as with tokio: the reactor is polled by the thread that blocks here.
        let executor = LocalExecutor::new();
        smol::block_on(executor.run(async {
            let listener = Async::new(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.get_ref().set_nodelay(true)?;
                // How a connection ends is for the generator to judge.
                executor.spawn(async { drop(echo(stream).await) }).detach();
            }
        }))
    }
}

async fn echo(mut stream: Async<TcpStream>) -> Result<(), Failure> {
    let mut buffer = vec![0; 64 << 10];
    // The request comes with one read, here.
    let n = stream.read(&mut buffer).await?;
    let response = response(&buffer[..n], None).ok_or("no key")?;
    stream.write_all(response.as_bytes()).await?;
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
