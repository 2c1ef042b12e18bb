//! What sends: a connection, or its writing half, by the same calls.

use super::actor::Transport;
use futures_util::SinkExt;
use sansocket::asynchronous::{WebSocket, Writer};
use sansocket::{CloseFrame, CloseInfo, Error, Message};

/// One call of what sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Feed,
    Send,
    SinkFeed,
    SinkSend,
    Prepared,
    Part,
    Finish,
    /// By a `MessageWriter`, where there is one.
    WritePart,
    WriteFinish,
}

pub(crate) const OPS: [Op; 11] = [
    Op::Feed,
    Op::Send,
    Op::Feed,
    Op::Send,
    Op::SinkFeed,
    Op::SinkSend,
    Op::Prepared,
    Op::Part,
    Op::Finish,
    Op::WritePart,
    Op::WriteFinish,
];

impl Op {
    /// Ready means queued, and dropped that it was not.
    pub(crate) const fn is_exact(self) -> bool {
        matches!(self, Self::Feed | Self::SinkFeed)
    }

    /// Of a message in parts: whether it is the last.
    pub(crate) const fn fin(self) -> Option<bool> {
        match self {
            Self::Part | Self::WritePart => Some(false),
            Self::Finish | Self::WriteFinish => Some(true),
            _ => None,
        }
    }

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Feed => "feed",
            Self::Send => "send",
            Self::SinkFeed => "Sink feed",
            Self::SinkSend => "Sink send",
            Self::Prepared => "send_prepared",
            Self::Part => "send_fragment",
            Self::Finish => "send_fragment fin",
            Self::WritePart => "MessageWriter::write",
            Self::WriteFinish => "MessageWriter::finish",
        }
    }
}

/// Both what sends: a connection and its writing half.
pub(crate) trait Sends {
    async fn make(&mut self, op: Op, message: &Message) -> Result<(), Error>;
    async fn ping(&mut self, payload: &[u8]) -> Result<(), Error>;
    async fn flush(&mut self) -> Result<(), Error>;
    async fn close(&mut self, frame: Option<CloseFrame>) -> Result<CloseInfo, Error>;
    async fn sink_close(&mut self) -> Result<(), Error>;
    fn buffered(&self) -> usize;
}

macro_rules! impl_sends {
    ($name:ident, $part:expr, $finish:expr) => {
        impl Sends for $name<Transport<'_>> {
            async fn make(&mut self, op: Op, message: &Message) -> Result<(), Error> {
                match op {
                    Op::Feed => self.feed(message).await,
                    Op::Send => self.send(message).await,
                    Op::SinkFeed => SinkExt::feed(self, message.clone()).await,
                    Op::SinkSend => SinkExt::send(self, message.clone()).await,
                    Op::Prepared => self.send_prepared(&message.into()).await,
                    Op::Part => self.send_fragment(message, false).await,
                    Op::Finish => self.send_fragment(message, true).await,
                    Op::WritePart => $part(self, message).await,
                    Op::WriteFinish => $finish(self, message).await,
                }
            }

            async fn ping(&mut self, payload: &[u8]) -> Result<(), Error> {
                self.ping(payload).await
            }

            async fn flush(&mut self) -> Result<(), Error> {
                self.flush().await
            }

            async fn close(&mut self, frame: Option<CloseFrame>) -> Result<CloseInfo, Error> {
                self.close(frame).await
            }

            async fn sink_close(&mut self) -> Result<(), Error> {
                SinkExt::close(self).await
            }

            fn buffered(&self) -> usize {
                self.buffered_amount()
            }
        }
    };
}

impl_sends!(
    WebSocket,
    async |ws: &mut Self, part: &Message| match part {
        Message::Text(_) => ws.text_writer().write(part).await,
        Message::Binary(_) => ws.binary_writer().write(part).await,
    },
    async |ws: &mut Self, part: &Message| match part {
        Message::Text(_) => ws.text_writer().finish().await,
        Message::Binary(_) => ws.binary_writer().finish().await,
    }
);
impl_sends!(
    Writer,
    async |writer: &mut Self, part: &Message| writer.send_fragment(part, false).await,
    async |writer: &mut Self, part: &Message| writer.send_fragment(part, true).await
);
