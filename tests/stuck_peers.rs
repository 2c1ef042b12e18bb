//! Peers that are silent, or read nothing, while this end wants to be done: the deadlines hold, whoever
//! waits is freed, and nobody spins.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use sansocket::{Config, Error, Keepalive, ProtocolError};
use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use support::sockets::{is_blocked, pair};

const SOON: Duration = Duration::from_millis(200);
/// More than the sockets take from a peer that does not read.
const LARGE: usize = 32 << 20;

fn config() -> Config {
    Config::new().close_timeout(SOON)
}

fn impatient() -> Config {
    config().keepalive(Keepalive { interval: SOON, timeout: SOON })
}

#[test]
fn closing_through_the_lent_sender_starts_the_deadline() {
    for close_again in [false, true] {
        let (mut silent, mut server) = pair(Config::new(), config());
        silent.send("hello").unwrap();
        server.read_with(|_, sender| sender.close(None)).unwrap().unwrap().unwrap();
        let error = if close_again { server.close(None).unwrap_err() } else { server.read().unwrap_err() };
        assert!(matches!(error, Error::Protocol(ProtocolError::CloseTimeout)), "{error:?}");
    }
}

#[test]
fn a_message_that_was_dropped_was_not_sent() {
    let (_deaf, mut server) = pair(Config::new(), impatient());
    let error = server.send(vec![0; LARGE]).unwrap_err();
    assert!(matches!(error, Error::Closed), "{error:?}");
    let error = server.read().unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::PongTimeout)), "reading says why: {error:?}");

    let (_deaf, server) = pair(Config::new(), impatient());
    let (mut reader, writer) = server.split().unwrap();
    let reading = thread::spawn(move || reader.read());
    assert!(writer.send(vec![0; LARGE]).is_err());
    assert!(matches!(reading.join().unwrap(), Err(Error::Protocol(ProtocolError::PongTimeout))));
}

#[test]
fn a_deadline_that_passes_while_writing_is_told_at_once() {
    let (_deaf, mut server) = pair(Config::new(), config());
    server.feed(vec![0; LARGE]).unwrap();
    let error = server.close(None).unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::CloseTimeout)), "{error:?}");
}

#[test]
fn a_stuck_writer_keeps_nobody_from_closing_and_is_freed() {
    let (_deaf, server) = pair(Config::new(), config());
    let (mut reader, writer) = server.split().unwrap();
    let reading = thread::spawn(move || reader.read());
    let stuck = writer.clone();
    let (begun, has_begun) = mpsc::channel();
    let stuck = thread::spawn(move || {
        begun.send(()).unwrap();
        stuck.send(vec![0; LARGE])
    });
    has_begun.recv().unwrap();
    let info = writer.close(None).map(|info| info.clean);
    assert!(!matches!(info, Ok(true)), "{info:?}");
    assert!(stuck.join().unwrap().is_err());
    assert!(reading.join().unwrap().is_err());
}

#[test]
fn the_end_frees_whoever_still_writes() {
    for last_words in [&b"\xC1\x80\0\0\0\0"[..], b"\x88\x80\0\0\0\0"] {
        let (mut deaf, server) = pair(Config::new(), config());
        let (mut reader, writer) = server.split().unwrap();
        let writing = thread::spawn(move || writer.send(vec![0; LARGE]));
        deaf.get_mut().write_all(last_words).unwrap();
        deaf.get_mut().shutdown(std::net::Shutdown::Write).unwrap();
        let _error_or_end = reader.read();
        assert!(writing.join().unwrap().is_err());
    }
}

#[test]
fn a_sockets_own_timeout_counts_from_each_call() {
    let (_silent, mut server) = pair(Config::new(), impatient().close_timeout(50 * SOON));
    server.get_ref().set_read_timeout(Some(SOON / 4)).unwrap();
    for _ in 0..3 {
        let begun = Instant::now();
        assert!(is_blocked(server.close(None)));
        assert!(begun.elapsed() >= SOON / 4);
    }
}

/// The reader leaves the reply to a Close frame to a writer that is busy, and that one's own message is refused
/// now: the reply leaves all the same.
#[test]
fn a_close_frame_is_answered_while_others_write() {
    for _ in 0..300 {
        let (client, mut server) = pair(Config::new(), config().close_timeout(50 * SOON));
        let (mut reader, writer) = client.split().unwrap();
        let writing = thread::spawn(move || while writer.send("one more").is_ok() {});
        let reading = thread::spawn(move || reader.read());
        assert!(server.close(None).unwrap().clean);
        assert_eq!(reading.join().unwrap().unwrap(), None);
        writing.join().unwrap();
    }
}
