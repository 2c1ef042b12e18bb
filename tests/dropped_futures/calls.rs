use super::case::{Case, Coming, Op, Subject};
use super::support::net::{Line, Speed};
use super::{BYTEWISE, NARROW, ROLES, STUBBORN, STUTTERING, message, payload, runtime};
use futures_util::future::join;
use futures_util::{AsyncWriteExt, SinkExt, StreamExt};
use sansocket::asynchronous::{Futures, Reader, Tokio, Transport, WebSocket, Writer};
use sansocket::{
    Agreement, CloseCode, CloseFrame, CloseInfo, Config, Connection, Error, Event, Message, Role, State,
};

const COARSE: Speed = Speed { call: 3000, step: 2000, capacity: 4000, stutters: true, writes_first: false };
const LARGE: Speed =
    Speed { call: 30_000, step: 20_000, capacity: 40_000, stutters: false, writes_first: true };

/// What the peer sends, and what is done: for small messages.
const SMALL: [(&[Coming], &[Op]); 9] = [
    (&[Coming::Message(3), Coming::Message(0), Coming::Message(9)], &[Op::Read, Op::Next, Op::Read]),
    (
        &[Coming::Ping(2), Coming::Parts(&[4, 0]), Coming::Message(1), Coming::Ping(0), Coming::Message(6)],
        &[Op::ReadWith, Op::Read, Op::ReadWith],
    ),
    (&[Coming::Message(8)], &[Op::Feed(5), Op::Feed(30), Op::Feed(40), Op::Flush, Op::Read]),
    (&[Coming::Message(8)], &[Op::Send(5), Op::Send(30), Op::Read, Op::Prepared(6)]),
    (&[Coming::Ping(4)], &[Op::Part(4, false), Op::Part(33, false), Op::Ping(3), Op::Part(2, true)]),
    (&[], &[Op::Write(35), Op::Write(6), Op::Finish, Op::WriteBytes(34), Op::WriteBytes(7), Op::FinishBytes]),
    (&[Coming::Message(4)], &[Op::SinkFeed(32), Op::SinkSend(4), Op::SinkFeed(3), Op::SinkFlush, Op::Next]),
    (&[Coming::Message(4)], &[Op::Feed(32), Op::Close, Op::Send(3)]),
    (&[Coming::Message(5)], &[Op::Send(7), Op::SinkClose, Op::Read]),
];

/// The same for messages that have storage of their own.
const BIG: [(&[Coming], &[Op]); 4] = [
    (&[Coming::Message(70_000)], &[Op::Send(90_000), Op::Read, Op::Feed(5000), Op::Send(10)]),
    (
        &[Coming::Message(5000)],
        &[Op::Feed(40), Op::SendLent(70_000), Op::Read, Op::SendLent(4096), Op::Send(10)],
    ),
    (
        &[Coming::Parts(&[20_000, 1, 30_000])],
        &[Op::Feed(9000), Op::Prepared(20_000), Op::Next, Op::Part(9000, true)],
    ),
    (
        &[Coming::Message(50_000)],
        &[Op::Write(20_000), Op::WriteBytes(30_000), Op::Finish, Op::ReadWith, Op::Close],
    ),
];

/// Plays all scripts over these networks, with the connection whole and in halves.
fn play_all(scripts: &[(&'static [Coming], &'static [Op])], speeds: &[Speed]) {
    let runtime = runtime();
    let _entered = runtime.enter();
    for &speed in speeds {
        for &(coming, ops) in scripts {
            let case = Case { speed, coming, ops };
            for role in ROLES {
                let ways = case.play_all::<Futures<Line>, WebSocket<_>>(role)
                    + case.play_all::<Tokio<Line>, WebSocket<_>>(role)
                    + case.play_all::<Futures<Line>, (Reader<_>, Writer<_>)>(role)
                    + case.play_all::<Tokio<Line>, (Reader<_>, Writer<_>)>(role);
                println!("{ways:6} ways {role:?} {case:?}");
            }
        }
    }
}

#[test]
fn t_07_small_messages() {
    play_all(&SMALL, &[BYTEWISE, STUTTERING, NARROW, STUBBORN]);
}

#[test]
fn t_07_large_messages() {
    play_all(&BIG, &[COARSE, LARGE]);
}

#[test]
fn t_07_parts_of_a_text() {
    for speed in [BYTEWISE, STUTTERING, NARROW, STUBBORN] {
        for k in 0..100 {
            let line = Line::new(Role::Server, speed);
            let sent = "aé€😀".repeat(10);
            line.net().peer.connection.send(&sent).unwrap();
            let connection =
                Connection::with_seed(Role::Server, Config::new().streaming(true), Agreement::new(), [3; 32]);
            let mut ws = WebSocket::<Futures<Line>>::from_connection(line.clone(), connection);
            // Much of it is found while this waits to write.
            let was_dropped = line.poll(k, ws.send(payload(0, 90))).is_none();
            let mut got = String::new();
            let mut read = |event: Event<'_>| match event {
                Event::TextPart { part, fin } => {
                    got.push_str(&part);
                    fin
                }
                event => panic!("{event:?}"),
            };
            while !line.finish(ws.read_with(|event, _| read(event))).unwrap().unwrap() {}
            assert_eq!(got, sent);
            if !was_dropped {
                break;
            }
        }
    }
}

impl<T: Transport + From<Line> + Unpin> Subject<T> for WebSocket<T> {
    fn new(line: Line, connection: Connection) -> Self {
        Self::from_connection(line, connection)
    }

    fn again(self, line: Line) -> Self {
        Self::from_connection(line, self.into_parts().1)
    }

    async fn act(&mut self, id: usize, op: Op, got: &mut Vec<Message>) -> Result<(), Error> {
        match op {
            Op::Read => got.extend(self.read().await?),
            Op::Next => got.extend(self.next().await.transpose()?),
            Op::ReadWith => got.extend(self.read_with(|event, _| event.into_message()).await?.flatten()),
            Op::Feed(len) => self.feed(message(id, len)).await?,
            Op::Send(len) => self.send(message(id, len)).await?,
            Op::SendLent(len) => self.send(&message(id, len)).await?,
            Op::SinkSend(len) => SinkExt::send(self, message(id, len)).await?,
            Op::SinkFeed(len) => SinkExt::feed(self, message(id, len)).await?,
            Op::Prepared(len) => self.send_prepared(&(&message(id, len)).into()).await?,
            Op::Part(len, fin) => self.send_fragment(&payload(id, len), fin).await?,
            Op::Write(len) => self.binary_writer().write(&payload(id, len)).await?,
            Op::Finish => self.binary_writer().finish().await?,
            Op::WriteBytes(len) => {
                let n = AsyncWriteExt::write(&mut self.binary_writer(), &payload(id, len)).await.unwrap();
                assert_eq!(n, len);
            }
            Op::FinishBytes => AsyncWriteExt::close(&mut self.binary_writer()).await.unwrap(),
            Op::Ping(len) => self.ping(&payload(id, len)).await?,
            Op::Flush => self.flush().await?,
            Op::SinkFlush => SinkExt::flush(self).await?,
            Op::Close => assert!(self.close(CloseFrame::from(CloseCode::GOING_AWAY)).await?.clean),
            Op::SinkClose => SinkExt::close(self).await?,
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<Message>, Error> {
        self.read().await
    }

    fn state(&self) -> State {
        self.state()
    }

    fn info(&self) -> Option<CloseInfo> {
        self.close_info().cloned()
    }
}

impl<T: Transport + From<Line>> Subject<T> for (Reader<T>, Writer<T>) {
    fn new(line: Line, connection: Connection) -> Self {
        WebSocket::from_connection(line, connection).split()
    }

    fn again(self, _: Line) -> Self {
        let (reader, writer) = self;
        reader.reunite(writer).unwrap().split()
    }

    async fn act(&mut self, id: usize, op: Op, got: &mut Vec<Message>) -> Result<(), Error> {
        let (reader, writer) = self;
        match op {
            Op::Read | Op::ReadWith => got.extend(reader.read().await?),
            Op::Next => got.extend(reader.next().await.transpose()?),
            Op::Feed(len) => writer.feed(message(id, len)).await?,
            Op::Send(len) => writer.send(message(id, len)).await?,
            Op::SendLent(len) => writer.send(&message(id, len)).await?,
            Op::SinkSend(len) => SinkExt::send(writer, message(id, len)).await?,
            Op::SinkFeed(len) => SinkExt::feed(writer, message(id, len)).await?,
            Op::Prepared(len) => writer.send_prepared(&(&message(id, len)).into()).await?,
            Op::Part(len, fin) => writer.send_fragment(&payload(id, len), fin).await?,
            Op::Write(len) | Op::WriteBytes(len) => writer.clone().feed(&payload(id, len)).await?,
            Op::Finish | Op::FinishBytes => writer.clone().send(&[]).await?,
            Op::Ping(len) => writer.ping(&payload(id, len)).await?,
            Op::Flush => writer.flush().await?,
            Op::SinkFlush => SinkExt::flush(writer).await?,
            // A writer waits for the reader to see the end.
            Op::Close | Op::SinkClose => {
                let reading = async {
                    while let Some(message) = reader.read().await? {
                        got.push(message);
                    }
                    Ok(())
                };
                let closing = async {
                    if op == Op::SinkClose {
                        return SinkExt::close(writer).await;
                    }
                    assert!(writer.close(CloseFrame::from(CloseCode::GOING_AWAY)).await?.clean);
                    Ok(())
                };
                let (read, closed) = join(reading, closing).await;
                read.and(closed)?;
            }
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Option<Message>, Error> {
        self.0.read().await
    }

    fn state(&self) -> State {
        self.0.state()
    }

    fn info(&self) -> Option<CloseInfo> {
        self.0.close_info()
    }
}
