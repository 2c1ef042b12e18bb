//! This crate's front end for tokio, split into halves.

use crate::Way;
use harness::Failure;
use sansocket::PreparedMessage;
use sansocket::tokio::{Reader, Writer, accept};
use tokio::net::TcpStream;

/// A message that is framed once.
pub(crate) struct Prepared(PreparedMessage);

/// A text that is sent to each by itself.
pub(crate) struct Text(String);

impl Way for Prepared {
    type Reader = Reader<TcpStream>;
    type Writer = Writer<TcpStream>;

    fn new(text: String) -> Self {
        Self(PreparedMessage::text(text))
    }

    async fn open(stream: TcpStream) -> Result<(Self::Reader, Self::Writer), Failure> {
        Ok(accept(stream).await?.split())
    }

    async fn hear(reader: &mut Self::Reader) -> Result<bool, Failure> {
        Ok(reader.read().await?.is_some())
    }

    async fn say(&self, writer: &mut Self::Writer) -> Result<(), Failure> {
        Ok(writer.send_prepared(&self.0).await?)
    }
}

impl Way for Text {
    type Reader = Reader<TcpStream>;
    type Writer = Writer<TcpStream>;

    fn new(text: String) -> Self {
        Self(text)
    }

    async fn open(stream: TcpStream) -> Result<(Self::Reader, Self::Writer), Failure> {
        Prepared::open(stream).await
    }

    async fn hear(reader: &mut Self::Reader) -> Result<bool, Failure> {
        Prepared::hear(reader).await
    }

    async fn say(&self, writer: &mut Self::Writer) -> Result<(), Failure> {
        Ok(writer.send(self.0.as_str()).await?)
    }
}
