//! wtx.

use harness::{Codec, Echo, Endless, Failure, Options, Role, Sample};
use std::io::{self, IoSlice};
use std::net::TcpListener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use wtx::collection::Vector;
use wtx::rng::{Xorshift64, simple_seed};
use wtx::stream::{Stream, StreamReader, StreamWriter};
use wtx::web_socket::compression::{Flate2, NegotiatedCompression, WindowBits};
use wtx::web_socket::{
    DeflateConfig, Frame, OpCode, WebSocket, WebSocketAcceptor, WebSocketBuffer, WebSocketPayloadOrigin,
};

struct Row;

impl Echo for Row {
    const NAME: &'static str = "wtx";
    const DEFLATE: &'static [&'static str] = &["default"];

    fn serve(listener: TcpListener, options: Options) -> Result<(), Failure> {
        let deflate = options.deflate.is_some();
        harness::local_tasks(listener, move |stream| async move {
            if deflate {
                drop(compressed(stream).await);
            } else {
                drop(plain(stream).await);
            }
        })
    }
}

async fn plain(stream: TcpStream) -> wtx::Result<()> {
    echo(WebSocketAcceptor::default().accept(stream).await?).await
}

async fn compressed(stream: TcpStream) -> wtx::Result<()> {
    let config = DeflateConfig {
        client_max_window_bits: WindowBits::Fifteen,
        server_max_window_bits: WindowBits::Fifteen,
        ..DeflateConfig::default()
    };
    echo(WebSocketAcceptor::default().compression(Flate2::from(config)).accept(stream).await?).await
}

async fn echo<C: NegotiatedCompression, S: Stream>(
    mut ws: WebSocket<C, Xorshift64, S, WebSocketBuffer, false>,
) -> wtx::Result<()> {
    let (mut common, mut reader, mut writer) = ws.split_mut();
    let mut buffer = Vector::new();
    loop {
        let mut frame = reader.read_frame(&mut buffer, &mut common, WebSocketPayloadOrigin::Adaptive).await?;
        match frame.op_code() {
            OpCode::Binary | OpCode::Text => writer.write_frame(&mut common, &mut frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

/// The stream in memory, with the traits that the crate wants.
struct Memory(Endless);

impl StreamReader for Memory {
    async fn read(&mut self, bytes: &mut [u8]) -> wtx::Result<usize> {
        Ok(self.0.read(bytes).await?)
    }
}

impl StreamWriter for Memory {
    async fn write_all(&mut self, bytes: &[u8]) -> wtx::Result<()> {
        Ok(self.0.write_all(bytes).await?)
    }

    async fn write_all_vectored(&mut self, bytes: &[&[u8]]) -> wtx::Result<()> {
        let mut slices = [IoSlice::new(&[]); 8];
        for (slice, bytes) in slices.iter_mut().zip(bytes) {
            *slice = IoSlice::new(bytes);
        }
        let length = bytes.iter().map(|bytes| bytes.len()).sum();
        match self.0.write_vectored(&slices[..bytes.len()]).await? {
            written if written == length => Ok(()),
            _ => Err(io::Error::from(io::ErrorKind::WriteZero).into()),
        }
    }
}

fn open<const IS_CLIENT: bool>(
    stream: Endless,
) -> WebSocket<(), Xorshift64, Memory, WebSocketBuffer, IS_CLIENT> {
    let random = Xorshift64::from(simple_seed());
    WebSocket::new((), false, random, Memory(stream), WebSocketBuffer::new())
}

impl Codec for Row {
    fn decode(stream: Endless, count: usize) -> Result<usize, Failure> {
        harness::block_on(async {
            let (mut ws, mut buffer, mut bytes) = (open::<false>(stream), Vector::new(), 0);
            for _ in 0..count {
                let frame = ws.read_frame(&mut buffer, WebSocketPayloadOrigin::Adaptive).await;
                bytes += frame.map_err(message)?.payload().len();
            }
            Ok(bytes)
        })
    }

    fn encode(stream: Endless, role: Role, sample: &Sample, count: usize) -> Result<(), Failure> {
        harness::block_on(async {
            match role {
                Role::Server => send(open::<false>(stream), sample, count).await,
                Role::Client => send(open::<true>(stream), sample, count).await,
            }
        })
    }
}

async fn send<const IS_CLIENT: bool>(
    mut ws: WebSocket<(), Xorshift64, Memory, WebSocketBuffer, IS_CLIENT>,
    sample: &Sample,
    count: usize,
) -> Result<(), Failure> {
    let opcode = if sample.is_text() { OpCode::Text } else { OpCode::Binary };
    // It masks in place, so what goes out differs from one time to the next.
    let mut payload = sample.bytes().to_vec();
    for _ in 0..count {
        ws.write_frame(&mut Frame::new_fin(opcode, &mut payload[..])).await.map_err(message)?;
    }
    Ok(())
}

fn message(error: wtx::Error) -> Failure {
    format!("{error:?}").into()
}

fn main() -> Result<(), Failure> {
    harness::echo_and_codec::<Row>()
}
