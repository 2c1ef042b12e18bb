//! One task for each end; or two that share an unsplit connection by way of `StreamExt::split`.

use super::support::load::{Expected, Load, Progress, watched};
use super::support::pipe::{Pipe, pipe};
use super::{HELD, ROLES, Round, connections, rounds};
use ::tokio::io::{DuplexStream, duplex};
use ::tokio::task::JoinHandle;
use futures_util::{SinkExt, StreamExt};
use sansocket::asynchronous::{self, Transport};
use sansocket::{Message, Role, futures, tokio};

/// Runs a test on four threads of tokio.
pub(crate) fn on_tokio<F: Future>(name: &str, body: impl FnOnce(Progress) -> F + Send + 'static) {
    watched(name, |progress| {
        let runtime = ::tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build();
        runtime.unwrap().block_on(body(progress.clone()));
    });
}

pub(crate) fn tokio_pair() -> [tokio::WebSocket<DuplexStream>; 2] {
    let (client, server) = duplex(HELD);
    let [a, b] = connections();
    [tokio::WebSocket::from_connection(client, a), tokio::WebSocket::from_connection(server, b)]
}

pub(crate) fn futures_pair() -> [futures::WebSocket<Pipe>; 2] {
    let (client, server) = pipe(HELD);
    let [a, b] = connections();
    [futures::WebSocket::from_connection(client, a), futures::WebSocket::from_connection(server, b)]
}

impl Round {
    /// What each end sends and expects.
    pub(crate) fn parts(self, progress: &Progress) -> [(Load, Expected); 2] {
        let [a, b] = self.loads::<1>();
        let expected = [b.clone(), a.clone()].map(|loads| Expected::new(loads, progress));
        let ([[a], [b]], [first, second]) = ([a, b], expected);
        [(a, first), (b, second)]
    }
}

/// Waits for tasks, and fails as soon as one does.
pub(crate) async fn both<T>(tasks: impl IntoIterator<Item = JoinHandle<T>>) {
    futures_util::future::try_join_all(tasks).await.unwrap();
}

/// Closes, by the client's wish, after both have received all.
pub(crate) async fn close<T: Transport>(mut ws: asynchronous::WebSocket<T>, role: Role) {
    match role {
        Role::Client => assert!(ws.close(None).await.unwrap().clean),
        Role::Server => assert_eq!(ws.read().await.unwrap(), None),
    }
}

/// Feeds one message and reads one, in turn.
async fn in_lock_step<T: Transport>(
    mut ws: asynchronous::WebSocket<T>,
    role: Role,
    (mut load, mut expected): (Load, Expected),
) {
    loop {
        let message = load.next();
        if message.is_none() && expected.is_complete() {
            break;
        }
        if let Some(message) = message {
            ws.feed(message).await.unwrap();
        }
        if !expected.is_complete() {
            expected.receive(&ws.read().await.unwrap().unwrap());
        }
    }
    ws.flush().await.unwrap();
    close(ws, role).await;
}

#[test]
fn tokio_in_lock_step() {
    on_tokio("lock step", async |progress| {
        for round in rounds() {
            let ends = tokio_pair().into_iter().zip(ROLES).zip(round.parts(&progress));
            both(ends.map(|((ws, role), parts)| ::tokio::spawn(in_lock_step(ws, role, parts)))).await;
        }
    });
}

#[test]
fn futures_in_lock_step() {
    watched("lock step on smol", |progress| {
        for round in rounds() {
            let ends = futures_pair().into_iter().zip(ROLES).zip(round.parts(progress));
            let tasks = ends.map(|((ws, role), parts)| smol::spawn(in_lock_step(ws, role, parts)));
            smol::block_on(futures_util::future::join_all(tasks));
        }
    });
}

/// Two tasks for each end.
async fn as_stream_and_sink(round: Round, progress: Progress) {
    let ends = tokio_pair().into_iter().zip(ROLES).zip(round.parts(&progress));
    let ends = ends.map(|((ws, role), (load, mut expected))| {
        let (mut sink, mut stream) = StreamExt::split::<Message>(ws);
        let writing = ::tokio::spawn(async move {
            sink.send_all(&mut futures_util::stream::iter(load.map(Ok))).await.unwrap();
            sink
        });
        let reading = ::tokio::spawn(async move {
            while !expected.is_complete() {
                expected.receive(&stream.next().await.unwrap().unwrap());
            }
            stream
        });
        ::tokio::spawn(async move {
            let (sink, stream) = ::tokio::try_join!(writing, reading).unwrap();
            close(stream.reunite(sink).unwrap(), role).await;
        })
    });
    both(ends).await;
}

#[test]
fn tokio_as_stream_and_sink() {
    on_tokio("stream and sink", async |progress| {
        for round in rounds() {
            as_stream_and_sink(round, progress.clone()).await;
        }
    });
}

/// What each end does first, before it sends a large message and then reads one.
async fn both_send_and_then_read(
    progress: Progress,
    first: impl AsyncFn(&mut tokio::WebSocket<DuplexStream>) + Copy,
) {
    for size in [1 << 20, 3 << 20, 8 << 20] {
        let round = Round { seed: 1, total: size, sizes: [size, size] };
        let ends = tokio_pair().into_iter().zip(ROLES).zip(round.parts(&progress));
        let ends = ends.map(async |((mut ws, role), (mut load, mut expected))| {
            first(&mut ws).await;
            ws.send(load.next().unwrap()).await.unwrap();
            expected.receive(&ws.read().await.unwrap().unwrap());
            close(ws, role).await;
        });
        futures_util::future::join_all(ends).await;
    }
}

/// Each reads ahead while it writes.
#[test]
fn both_send_a_large_message_and_then_read() {
    on_tokio("large messages", |progress| both_send_and_then_read(progress, async |_| {}));
}

/// A ping that was read ahead, and waits to be lent, is no reason to read no further.
#[test]
fn a_ping_on_the_way_stops_nobody() {
    on_tokio("a ping, then large messages", |progress| {
        both_send_and_then_read(progress, async |ws| ws.ping(b"!").await.unwrap())
    });
}
