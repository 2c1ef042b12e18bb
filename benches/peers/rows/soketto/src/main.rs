//! soketto, between a `BufReader` and a `BufWriter`, as its documentation recommends. Validating text is left to
//! the caller there. It has no row with compression: with flate2 1.1.11 it takes every message's end for an error.

use futures_util::io::{BufReader, BufWriter};
use harness::{Codec, Echo, Endless, Failure, Mask, Options, Role, Sample};
use soketto::base::{Header, OpCode};
use soketto::connection::Builder;
use soketto::handshake::{Server, server::Response};
use soketto::{Data, Mode, Receiver, Sender};
use std::net::TcpListener;
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

struct Row;

type Buffered<S> = BufReader<BufWriter<S>>;

/// Bytes that a message may have.
const LIMIT: usize = 64 << 20;

impl Echo for Row {
    const NAME: &'static str = "soketto";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        harness::tasks(listener, |stream| async {
            if let Ok((sender, receiver)) = Box::pin(accept(stream)).await {
                drop(echo(sender, receiver).await);
            }
        })
    }
}

type Halves = (Sender<Buffered<Compat<TcpStream>>>, Receiver<Buffered<Compat<TcpStream>>>);

async fn accept(stream: TcpStream) -> Result<Halves, Failure> {
    let mut server = Server::new(BufReader::new(BufWriter::new(stream.compat())));
    let key = server.receive_request().await?.key();
    server.send_response(&Response::Accept { key, protocol: None }).await?;
    let mut builder = server.into_builder();
    builder.set_max_message_size(LIMIT);
    builder.set_max_frame_size(LIMIT);
    Ok(builder.finish())
}

async fn echo(
    mut sender: Sender<Buffered<Compat<TcpStream>>>,
    mut receiver: Receiver<Buffered<Compat<TcpStream>>>,
) -> Result<(), Failure> {
    let mut message = Vec::new();
    loop {
        message.clear();
        match receiver.receive_data(&mut message).await? {
            Data::Binary(_) => sender.send_binary_mut(&mut message).await?,
            Data::Text(_) => sender.send_text(str::from_utf8(&message)?).await?,
        }
        sender.flush().await?;
    }
}

impl Codec for Row {
    const MASK: Option<(&'static str, Mask)> = Some(("soketto: Codec::apply_mask", |payload, key| {
        let mut header = Header::new(OpCode::Binary);
        header.set_masked(true).set_mask(u32::from_be_bytes(key));
        soketto::base::Codec::apply_mask(&header, payload);
    }));

    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let (_, mut receiver) = open(stream, Mode::Server);
            let (mut message, mut bytes) = (Vec::new(), 0);
            for _ in 0..count {
                message.clear();
                if receiver.receive_data(&mut message).await?.is_text() {
                    str::from_utf8(&message)?;
                }
                bytes += message.len();
            }
            Ok(bytes)
        })
    }

    fn encode(stream: Endless, role: Role, sample: &Sample, count: usize) -> Result<(), Failure> {
        let mode = match role {
            Role::Server => Mode::Server,
            Role::Client => Mode::Client,
        };
        harness::block_on(async {
            let (mut sender, _) = open(stream, mode);
            for _ in 0..count {
                match sample {
                    Sample::Text(text) => sender.send_text(text).await?,
                    _ => sender.send_binary(sample.bytes()).await?,
                }
                sender.flush().await?;
            }
            Ok(())
        })
    }
}

fn open(stream: Endless, mode: Mode) -> (Sender<Buffered<Endless>>, Receiver<Buffered<Endless>>) {
    let mut builder = Builder::new(BufReader::new(BufWriter::new(stream)), mode);
    builder.set_max_message_size(LIMIT);
    builder.finish()
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
