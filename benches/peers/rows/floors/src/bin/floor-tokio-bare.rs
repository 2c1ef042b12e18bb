//! No WebSocket: a task for each connection writes back what it reads, and holds no buffer while it waits. What a
//! connection of tokio's costs at least, in resident bytes.

use harness::{Echo, Failure, Options};
use std::cell::RefCell;
use std::io::ErrorKind;
use std::net::TcpListener;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "floor-tokio-bare";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        harness::tasks(listener, echo)
    }
}

// What all tasks of the thread read into.
thread_local!(static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 64 << 10]));

async fn echo(mut stream: TcpStream) -> Result<(), Failure> {
    // Boxed, so that a task's future keeps no room for it.
    Box::pin(harness::upgrade(&mut stream, None)).await?;
    loop {
        stream.readable().await?;
        // What the network does not take at once.
        let rest = BUFFER.with_borrow_mut(|buffer| {
            let n = stream.try_read(buffer)?;
            let written = if n == 0 { 0 } else { unless_blocked(stream.try_write(&buffer[..n]))? };
            Ok((n, buffer[written..n].to_vec()))
        });
        match rest {
            Ok((0, _)) => return Ok(()),
            Ok((_, rest)) if rest.is_empty() => {}
            Ok((_, rest)) => Box::pin(async { stream.write_all(&rest).await }).await?,
            Err(error) => unless_blocked::<()>(Err(error))?,
        }
    }
}

/// Nothing, if not now.
fn unless_blocked<T: Default>(result: std::io::Result<T>) -> std::io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(T::default()),
        result => result,
    }
}

fn main() -> Result<(), Failure> {
    harness::echo::<Row>()
}
