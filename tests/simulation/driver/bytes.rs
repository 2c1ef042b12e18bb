//! The same connection as a stream of bytes, of which one task reads and another writes.

use super::actor::{Actor, Half, Kind, Transport};
use sansocket::Error;
use sansocket::asynchronous::ByteStream;
use std::io;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};

type Bytes<'d> = ByteStream<Transport<'d>>;

/// Reads, and at last to the end.
pub(crate) async fn reader<'d>(actor: Actor<'d>, mut half: ReadHalf<Bytes<'d>>) -> Half<'d> {
    loop {
        let is_last = actor.stops().await;
        actor.signal.is_last.set(is_last);
        if !is_last && actor.one_in(4) {
            actor.idle().await;
            continue;
        }
        if !is_last && actor.is_rude() {
            return Half::Gone;
        }
        let len = if is_last { 4096 } else { 1 + actor.below(300) };
        let mut buffer = vec![0; len];
        match actor.act(Kind::Read, "ByteStream read", len, half.read(&mut buffer)).await {
            Some(Ok(n @ 1..)) => actor.books.borrow_mut().ends[1 - actor.end].flow.arrive_bytes(&buffer[..n]),
            Some(read) => {
                if let Err(error) = read {
                    actor.explain_io(&error);
                }
                actor.end().is_over = true;
                return Half::Gone;
            }
            None => {}
        }
    }
}

/// Writes, and at last closes, or goes.
pub(crate) async fn writer<'d>(
    actor: Actor<'d>,
    mut half: WriteHalf<Bytes<'d>>,
    longest: usize,
    closes: bool,
) -> Half<'d> {
    loop {
        let is_last = actor.stops().await;
        actor.signal.is_last.set(is_last);
        if is_last && !closes {
            return Half::Gone;
        }
        let done = match if is_last { 31 } else { actor.below(31) } {
            0..=17 => {
                let len = 1 + actor.wire.borrow_mut().choices.len(longest);
                let bytes = actor.wire.borrow_mut().choices.payload(len);
                let written = actor.act(Kind::Write, "ByteStream write", len, half.write(&bytes)).await;
                if let Some(Ok(n)) = written {
                    assert!(n > 0, "nothing was written");
                    actor.end().flow.send_bytes(&bytes[..n]);
                }
                written.map(|written| written.map(drop))
            }
            18..=20 => actor.act(Kind::Write, "ByteStream flush", 0, half.flush()).await,
            21 if actor.is_rude() => return Half::Gone,
            30 | 31 if is_last || actor.one_in(4) => {
                let closing = async {
                    actor.end().close(false);
                    half.shutdown().await
                };
                let closed = actor.act(Kind::Write, "ByteStream shutdown", 0, closing).await;
                if let Some(Ok(())) = closed {
                    return Half::Gone;
                }
                closed
            }
            _ => {
                actor.idle().await;
                None
            }
        };
        if let Some(Err(error)) = done {
            actor.explain_io(&error);
            return Half::Gone;
        }
    }
}

impl Actor<'_> {
    fn explain_io(&self, error: &io::Error) {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(error) => self.explain(error),
            // The peer has closed with a code that does not say that this was all.
            None if error.kind() == io::ErrorKind::ConnectionAborted => self.explain(&Error::Closed),
            None => self.explain(&Error::Io(error.kind().into())),
        }
    }
}
