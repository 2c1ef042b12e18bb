//! One server, many members: whenever one of them says something, it says the same text to all, one after the
//! other. It runs until it is killed.
//!
//! ```text
//! broadcast prepared | text | write-all | try-write --port N --size N
//! ```

mod floor;
mod websocket;

use floor::{TryWrite, WriteAll};
use harness::{Failure, wire};
use std::env;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use websocket::{Prepared, Text};

/// How members are heard and written to.
trait Way: Send + Sync + 'static {
    type Reader: Send;
    type Writer: Send;

    /// For this text.
    fn new(text: String) -> Self;
    /// Answers the opening handshake.
    fn open(stream: TcpStream) -> impl Future<Output = Result<(Self::Reader, Self::Writer), Failure>> + Send;
    /// Waits until the member has said something. `false`: it is gone.
    fn hear(reader: &mut Self::Reader) -> impl Future<Output = Result<bool, Failure>> + Send;
    /// Writes the text to a member.
    fn say(&self, writer: &mut Self::Writer) -> impl Future<Output = Result<(), Failure>> + Send;
}

fn main() -> Result<(), Failure> {
    let mut arguments = env::args().skip(1);
    let way = arguments.next().ok_or("usage: broadcast WAY --port N --size N")?;
    let (mut port, mut size) = (9001, 1 << 10);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} wants a value"))?;
        match name.as_str() {
            "--port" => port = value.parse()?,
            "--size" => size = value.parse()?,
            _ => return Err(format!("there is no {name}").into()),
        }
    }
    match way.as_str() {
        "prepared" => serve::<Prepared>(port, size),
        "text" => serve::<Text>(port, size),
        "write-all" => serve::<WriteAll>(port, size),
        "try-write" => serve::<TryWrite>(port, size),
        _ => Err(format!("there is no way {way}").into()),
    }
}

fn serve<W: Way>(port: u16, size: usize) -> Result<(), Failure> {
    let way = Arc::new(W::new(wire::ascii(size)));
    let members = Arc::new(Mutex::new(Vec::new()));
    harness::tasks(harness::listen(port)?, move |stream| {
        let (way, members) = (Arc::clone(&way), Arc::clone(&members));
        // How it ends is for the generator to judge.
        async { drop(join(stream, way, members).await) }
    })
}

async fn join<W: Way>(
    stream: TcpStream,
    way: Arc<W>,
    members: Arc<Mutex<Vec<W::Writer>>>,
) -> Result<(), Failure> {
    let (mut reader, writer) = W::open(stream).await?;
    members.lock().await.push(writer);
    while W::hear(&mut reader).await? {
        for member in members.lock().await.iter_mut() {
            way.say(member).await?;
        }
    }
    Ok(())
}
