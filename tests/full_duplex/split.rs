//! Connections that are split: one task reads, others write.

use super::messages::{both, close, futures_pair, on_tokio, tokio_pair};
use super::support::load::{Expected, Progress, watched};
use super::{ROLES, Round, rounds};
use sansocket::asynchronous::{self, Transport};

/// One task reads, three write.
async fn three_writers<T: Transport + Send + 'static>(
    ends: [asynchronous::WebSocket<T>; 2],
    mut round: Round,
    progress: Progress,
) {
    // Long enough to tell whose they are.
    round.sizes = round.sizes.map(|size| size.max(16));
    let loads = round.loads::<3>();
    let [a, b] = loads.clone();
    let expected = [b, a].map(|loads| Expected::new(loads, &progress));
    let ends = ends.into_iter().zip(ROLES).zip(loads.into_iter().zip(expected));
    let ends = ends.map(|((ws, role), (loads, mut expected))| {
        let (mut reader, writer) = ws.split();
        let writers = loads.map(|load| {
            let mut writer = writer.clone();
            ::tokio::spawn(async move {
                for (i, message) in load.enumerate() {
                    if i % 3 == 0 {
                        writer.feed(message).await.unwrap();
                    } else {
                        writer.send(message).await.unwrap();
                    }
                }
            })
        });
        let reading = ::tokio::spawn(async move {
            while !expected.is_complete() {
                expected.receive(&reader.read().await.unwrap().unwrap());
            }
            reader
        });
        ::tokio::spawn(async move {
            let [first, second, third] = writers;
            let (reader, ..) = ::tokio::try_join!(reading, first, second, third).unwrap();
            close(reader.reunite(writer).unwrap(), role).await;
        })
    });
    both(ends).await;
}

#[test]
fn tokio_with_three_writers() {
    on_tokio("three writers", async |progress| {
        for round in rounds() {
            three_writers(tokio_pair(), round, progress.clone()).await;
        }
        assert!(progress.total() > 128 << 20);
    });
}

/// The streams wake their tasks and do nothing, every other time.
#[test]
fn futures_over_moody_streams() {
    on_tokio("moody streams", async |progress| {
        for round in rounds().filter(|round| round.total < 2 << 20) {
            let ends = futures_pair();
            ends.iter().for_each(|ws| ws.get_ref().be_moody());
            three_writers(ends, round, progress.clone()).await;
        }
    });
}

#[test]
fn futures_on_smol() {
    watched("split on smol", |progress| {
        for round in rounds() {
            let ends = futures_pair().into_iter().zip(ROLES).zip(round.parts(progress));
            let ends = ends.map(|((ws, role), (load, mut expected))| {
                let (mut reader, mut writer) = ws.split();
                let writing = smol::spawn(async move {
                    for message in load {
                        writer.send(message).await.unwrap();
                    }
                    writer
                });
                smol::spawn(async move {
                    while !expected.is_complete() {
                        expected.receive(&reader.read().await.unwrap().unwrap());
                    }
                    close(reader.reunite(writing.await).unwrap(), role).await;
                })
            });
            smol::block_on(futures_util::future::join_all(ends));
        }
    });
}
