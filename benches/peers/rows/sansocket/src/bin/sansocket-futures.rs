//! The front end for futures-io, on smol's executor and reactor: `read`, then `feed`.

use harness::{Codec, Echo, Endless, Failure, Options, Role, Sample};
use row_sansocket::{DEFLATE, length, open, options, outgoing};
use sansocket::Error;
use sansocket::futures::{WebSocket, accept_with, with_timer};
use sansocket::handshake::server;
use smol::{Async, LocalExecutor, Timer};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "sansocket-futures";
    const DEFLATE: &'static [&'static str] = DEFLATE;

    fn serve(listener: TcpListener, how: Options) -> Result<(), Failure> {
        let options = options(&how)?;
        // One thread, as with tokio: the reactor is polled by the thread that blocks here.
        let executor = LocalExecutor::new();
        smol::block_on(executor.run(async {
            let listener = Async::new(listener)?;
            loop {
                let (stream, _) = listener.accept().await?;
                stream.get_ref().set_nodelay(true)?;
                let options = Arc::clone(&options);
                // How a connection ends is for the generator to judge.
                executor.spawn(async { drop(echo(stream, options).await) }).detach();
            }
        }))
    }
}

async fn echo(stream: Async<TcpStream>, options: Arc<server::Options>) -> Result<(), Error> {
    let mut ws = accept_with(with_timer(stream, Timer::at), options).await?;
    while let Some(message) = ws.read().await? {
        ws.feed(message).await?;
    }
    Ok(())
}

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        smol::block_on(async {
            let mut ws = WebSocket::from_connection(stream, open(Role::Server));
            let mut bytes = 0;
            for _ in 0..count {
                bytes += length(ws.read().await?)?;
            }
            Ok(bytes)
        })
    }

    fn encode(stream: Endless, role: Role, message: &Sample, count: usize) -> Result<(), Failure> {
        smol::block_on(async {
            let mut ws = WebSocket::from_connection(stream, open(role));
            for _ in 0..count {
                ws.send(outgoing(message)).await?;
            }
            Ok(())
        })
    }
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
