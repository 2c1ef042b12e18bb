//! The halves of blocking connections, each in threads of its own.

use super::support::load::{Expected, Progress, watched};
use super::support::pipe::pipe;
use super::support::sockets;
use super::{HELD, Round, connections, rounds};
use sansocket::blocking::{Reader, TryClone, WebSocket};
use sansocket::{Config, Message};
use std::io::{Read, Write};
use std::thread::{self, JoinHandle};

/// One thread reads, two write.
fn two_writers<S>(ends: [S; 2], mut round: Round, progress: &Progress)
where
    S: Read + Write + TryClone + Send + 'static,
{
    // Long enough to tell whose they are.
    round.sizes = round.sizes.map(|size| size.max(16));
    let loads = round.loads::<2>();
    let [a, b] = loads.clone();
    let expected = [b, a].map(|loads| Expected::new(loads, progress));
    let ends = ends.into_iter().zip(connections()).zip(loads.into_iter().zip(expected));
    let ends = ends.map(|((stream, connection), (loads, mut expected))| {
        let (mut reader, writer) = WebSocket::from_connection(stream, connection).split().unwrap();
        let writers = loads.map(|load| {
            let writer = writer.clone();
            thread::spawn(move || load.for_each(|message| writer.send(message).unwrap()))
        });
        thread::spawn(move || {
            while !expected.is_complete() {
                expected.receive(&reader.read().unwrap().unwrap());
            }
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            reader
        })
    });
    // Neither is dropped before both are done.
    let ends: Vec<_> = ends.collect();
    let _readers: Vec<_> = ends.into_iter().map(|end| end.join().unwrap()).collect();
}

#[test]
fn over_a_pipe() {
    watched("a pipe", |progress| {
        for round in rounds() {
            two_writers(pipe(HELD).into(), round, progress);
        }
    });
}

#[cfg(unix)]
#[test]
fn over_unix_sockets() {
    watched("Unix sockets", |progress| {
        for round in rounds() {
            two_writers(std::os::unix::net::UnixStream::pair().unwrap().into(), round, progress);
        }
    });
}

/// The closing handshake of streams that cannot end one direction.
#[test]
fn streams_without_shutdown_close() {
    watched("closing", |_| {
        let (client, server) = pipe(HELD);
        let [a, b] = connections();
        let mut server = WebSocket::from_connection(server, b);
        let serving = thread::spawn(move || server.read());
        assert!(WebSocket::from_connection(client, a).close(None).unwrap().clean);
        assert_eq!(serving.join().unwrap().unwrap(), None);
    });
}

/// The same with halves.
#[test]
fn halves_of_streams_without_shutdown_close() {
    watched("closing halves", |_| {
        let (client, server) = pipe(HELD);
        let [a, b] = connections();
        let server = WebSocket::from_connection(server, b).split().unwrap();
        let serving = thread::spawn(move || { server }.0.read());
        let (mut reader, writer) = WebSocket::from_connection(client, a).split().unwrap();
        let reading = thread::spawn(move || reader.read());
        assert!(writer.close(None).unwrap().clean);
        assert_eq!(reading.join().unwrap().unwrap(), None);
        assert_eq!(serving.join().unwrap().unwrap(), None);
    });
}

/// Each end pings so much that its peer's pongs fill the connection.
#[test]
fn both_ping_without_pause() {
    watched("pings", |progress| {
        let (client, server) = sockets::pair(Config::new(), Config::new());
        let (client, server) = (ping(client, progress.clone()), ping(server, progress.clone()));
        // Neither is dropped before both are done.
        let _readers = (client.join().unwrap(), server.join().unwrap());
    });
}

fn ping<S>(ws: WebSocket<S>, progress: Progress) -> JoinHandle<Reader<S>>
where
    S: Read + Write + TryClone + Send + 'static,
{
    let (mut reader, writer) = ws.split().unwrap();
    let pinging = thread::spawn(move || {
        for _ in 0..20_000 {
            writer.ping(&[7; 100]).unwrap();
            progress.add(100);
        }
        writer.send("done").unwrap();
    });
    thread::spawn(move || {
        assert_eq!(reader.read().unwrap(), Some(Message::text("done")));
        pinging.join().unwrap();
        reader
    })
}
