//! No WebSocket: the bytes of the same frame, to tokio's halves of the same streams.

use crate::Way;
use harness::Failure;
use sansocket::Opcode;
use sansocket::frame::Header;
use std::io::ErrorKind;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// By `write_all`.
pub(crate) struct WriteAll(Vec<u8>);

/// By `try_write`, past all that tasks are scheduled with.
pub(crate) struct TryWrite(Vec<u8>);

/// Bytes of what a member says: a masked frame with one byte.
const SAID: usize = 7;

impl Way for WriteAll {
    type Reader = BufReader<OwnedReadHalf>;
    type Writer = OwnedWriteHalf;

    fn new(text: String) -> Self {
        let mut frame = Vec::with_capacity(Header::MAX_LEN + text.len());
        Header::new(Opcode::Text, text.len() as u64).encode(&mut frame);
        frame.extend_from_slice(text.as_bytes());
        Self(frame)
    }

    async fn open(mut stream: TcpStream) -> Result<(Self::Reader, Self::Writer), Failure> {
        harness::upgrade(&mut stream, None).await?;
        let (reader, writer) = stream.into_split();
        Ok((BufReader::with_capacity(SAID << 4, reader), writer))
    }

    async fn hear(reader: &mut Self::Reader) -> Result<bool, Failure> {
        match reader.read_exact(&mut [0; SAID]).await {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            read => Ok(read? > 0),
        }
    }

    async fn say(&self, writer: &mut Self::Writer) -> Result<(), Failure> {
        Ok(writer.write_all(&self.0).await?)
    }
}

impl Way for TryWrite {
    type Reader = BufReader<OwnedReadHalf>;
    type Writer = OwnedWriteHalf;

    fn new(text: String) -> Self {
        let WriteAll(frame) = WriteAll::new(text);
        Self(frame)
    }

    async fn open(stream: TcpStream) -> Result<(Self::Reader, Self::Writer), Failure> {
        WriteAll::open(stream).await
    }

    async fn hear(reader: &mut Self::Reader) -> Result<bool, Failure> {
        WriteAll::hear(reader).await
    }

    async fn say(&self, writer: &mut Self::Writer) -> Result<(), Failure> {
        let written = match writer.try_write(&self.0) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            written => written?,
        };
        if written < self.0.len() {
            writer.write_all(&self.0[written..]).await?;
        }
        Ok(())
    }
}
