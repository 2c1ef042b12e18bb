use super::{BYE, Log, config, options, request};
use crate::support::net::Line;
use futures_util::future::join;
use sansocket::asynchronous::{Futures, Handshake, Tokio, WebSocket};
use sansocket::{Agreement, CloseFrame, CloseInfo, Connection, Error, Message, Role, blocking};
use std::io::ErrorKind;

/// A connection, by one of the front ends. A blocking call is a future that is ready at once.
pub(crate) trait Front: Sized {
    /// An interrupted call is made again.
    const RETRIES: bool;
    /// A stream can say that it has read more than it was asked for.
    const CAN_LIE: bool;

    fn over(line: &Line, role: Role) -> Self;
    async fn client(line: &Line) -> Result<Self, Error>;
    async fn accept(line: &Line) -> Result<Self, Error>;
    async fn read(&mut self) -> Result<Option<Message>, Error>;
    async fn send(&mut self, message: &Message) -> Result<(), Error>;
    async fn flush(&mut self) -> Result<(), Error>;
    async fn close(&mut self) -> Result<CloseInfo, Error>;
    fn info(&self) -> Option<CloseInfo>;
    fn buffered(&self) -> usize;
    /// Splits it; one half echoes what the other reads, until the end.
    async fn echo_in_halves(self, log: &mut Log);
}

macro_rules! asynchronous {
    ($transport:ident, $can_lie:literal) => {
        impl Front for WebSocket<$transport<Line>> {
            const RETRIES: bool = false;
            const CAN_LIE: bool = $can_lie;

            fn over(line: &Line, role: Role) -> Self {
                Self::from_connection(
                    line.clone(),
                    Connection::with_seed(role, config(), Agreement::new(), [3; 32]),
                )
            }

            async fn client(line: &Line) -> Result<Self, Error> {
                Self::client(line.clone(), request(), config()).await
            }

            async fn accept(line: &Line) -> Result<Self, Error> {
                let mut handshake = Handshake::new(line.clone(), options());
                if let Err(error) = handshake.read().await {
                    // It comes to an end, whatever that is.
                    let _again = handshake.read().await;
                    return Err(error);
                }
                handshake.accept().await
            }

            async fn read(&mut self) -> Result<Option<Message>, Error> {
                self.read().await
            }

            async fn send(&mut self, message: &Message) -> Result<(), Error> {
                self.send(message).await
            }

            async fn flush(&mut self) -> Result<(), Error> {
                self.flush().await
            }

            async fn close(&mut self) -> Result<CloseInfo, Error> {
                self.close(CloseFrame::from(BYE)).await
            }

            fn info(&self) -> Option<CloseInfo> {
                self.close_info().cloned()
            }

            fn buffered(&self) -> usize {
                self.buffered_amount()
            }

            async fn echo_in_halves(self, log: &mut Log) {
                let (mut reader, mut writer) = self.split();
                let mut other = writer.clone();
                loop {
                    let message = reader.read().await;
                    let sent = match &message {
                        Ok(Some(message)) => join(writer.feed(message), other.flush()).await,
                        _ => (Ok(()), writer.flush().await),
                    };
                    if !log.note_read(message, [sent.0, sent.1]) {
                        break;
                    }
                }
                assert!(matches!(reader.read().await, Ok(None) | Err(Error::Closed)));
                assert_eq!(writer.buffered_amount(), 0);
                log.info = reader.close_info();
            }
        }
    };
}

asynchronous!(Futures, true);
asynchronous!(Tokio, false);

pub(crate) struct Blocking(blocking::WebSocket<Line>, Line);

/// Calls again as long as it would block.
fn retry<R>(line: &Line, mut call: impl FnMut() -> Result<R, Error>) -> Result<R, Error> {
    for _ in 0..1000 {
        match call() {
            Err(Error::Io(error)) if error.kind() == ErrorKind::WouldBlock => line.net().step(),
            result => return result,
        };
    }
    panic!("it would block for ever");
}

impl Front for Blocking {
    const RETRIES: bool = true;
    const CAN_LIE: bool = true;

    fn over(line: &Line, role: Role) -> Self {
        let connection = Connection::with_seed(role, config(), Agreement::new(), [3; 32]);
        Self(blocking::WebSocket::from_connection(line.clone(), connection), line.clone())
    }

    async fn client(line: &Line) -> Result<Self, Error> {
        Ok(Self(blocking::WebSocket::client(line.clone(), request(), config())?, line.clone()))
    }

    async fn accept(line: &Line) -> Result<Self, Error> {
        let mut handshake = blocking::Handshake::new(line.clone(), options());
        retry(line, || handshake.read().map(|_| ()))?;
        Ok(Self(handshake.accept()?, line.clone()))
    }

    async fn read(&mut self) -> Result<Option<Message>, Error> {
        retry(&self.1, || self.0.read())
    }

    async fn send(&mut self, message: &Message) -> Result<(), Error> {
        retry(&self.1, || self.0.send(message))
    }

    async fn flush(&mut self) -> Result<(), Error> {
        retry(&self.1, || self.0.flush())
    }

    async fn close(&mut self) -> Result<CloseInfo, Error> {
        retry(&self.1, || self.0.close(CloseFrame::from(BYE)))
    }

    fn info(&self) -> Option<CloseInfo> {
        self.0.close_info().cloned()
    }

    fn buffered(&self) -> usize {
        self.0.buffered_amount()
    }

    async fn echo_in_halves(self, log: &mut Log) {
        let Self(ws, line) = self;
        let (mut reader, writer) = ws.split().unwrap();
        loop {
            let message = retry(&line, || reader.read());
            let sent = match &message {
                Ok(Some(message)) => retry(&line, || writer.send(message)),
                _ => Ok(()),
            };
            if !log.note_read(message, [sent, retry(&line, || writer.flush())]) {
                break;
            }
        }
        assert!(matches!(reader.read(), Ok(None) | Err(Error::Closed)));
        assert_eq!(writer.buffered_amount(), 0);
        log.info = reader.close_info();
    }
}
