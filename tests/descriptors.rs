//! File descriptors: connections give theirs back; and when a server has none left it goes on.
#![cfg(all(
    target_os = "linux",
    feature = "deflate",
    feature = "tokio",
    feature = "futures",
    feature = "rustls"
))]

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use sansocket::handshake::client::Request;
use sansocket::handshake::server::Options;
use sansocket::{Config, Message, blocking};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use support::fronts::{Front, Scenario, play};

/// The descriptors of a process are counted by one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// A conversation and a clean end.
struct Closes;
/// The client just goes, and the server is told in the middle of a message.
struct Leaves;
/// The request is refused.
struct Refused;

impl Scenario for Closes {
    async fn server<F: Front>(stream: TcpStream) {
        let mut ws = F::accept(stream, Options::new()).await.unwrap();
        while let Some(message) = ws.read().await.unwrap() {
            ws.send(message).await.unwrap();
        }
    }
    async fn client<F: Front>(stream: TcpStream, request: Request) {
        let mut ws = F::client(stream, request, Config::new()).await.unwrap();
        ws.send(vec![7; 100_000]).await.unwrap();
        assert!(ws.read().await.unwrap().is_some());
        assert!(ws.close(None).await.unwrap().clean);
    }
}

impl Scenario for Leaves {
    async fn server<F: Front>(stream: TcpStream) {
        let mut ws = F::accept(stream, Options::new()).await.unwrap();
        assert!(ws.read().await.is_err());
        assert!(ws.read().await.is_err());
    }
    async fn client<F: Front>(stream: TcpStream, request: Request) {
        let mut ws = F::client(stream, request, Config::new()).await.unwrap();
        ws.send_fragment("half", false).await.unwrap();
        ws.flush().await.unwrap();
    }
}

impl Scenario for Refused {
    async fn server<F: Front>(stream: TcpStream) {
        assert!(F::accept(stream, Options::new()).await.is_err());
    }
    async fn client<F: Front>(stream: TcpStream, _request: Request) {
        let mut stream = stream;
        stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        assert!(response.starts_with(b"HTTP/1.1 400 "), "{}", F::NAME);
    }
}

fn open_descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[test]
fn r_06_connections_give_their_descriptors_back() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let round = || {
        play::<Closes>();
        play::<Leaves>();
        play::<Refused>();
    };
    round(); // the runtimes open what they keep
    let before = open_descriptors();
    (0..10).for_each(|_| round());
    assert_eq!(open_descriptors(), before);
}

/// Ends the server whatever becomes of the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _gone_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// This crate leaves it to its user to take connections, and shows in the examples how. `cargo test` builds
/// them; where only this test was built, it is skipped.
#[test]
fn t_12_hs_46_an_accept_loop_survives_the_want_of_descriptors() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let binary = std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("examples/echo_server");
    if !binary.exists() {
        println!("skipped: {} is not built", binary.display());
        return;
    }
    for front_end in ["blocking", "tokio", "futures"] {
        let mut limited = Command::new("sh");
        limited.args(["-c", "ulimit -n 40 && exec \"$0\" \"$@\""]).arg(&binary);
        limited.args(["--addr", "127.0.0.1:0", "--front-end", front_end]);
        let mut server = Server(limited.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
        let mut line = String::new();
        BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap().to_owned();
        let address = url.strip_prefix("ws://").unwrap();

        // Handshakes that never begin; more than there are descriptors.
        let unfinished: Vec<_> = (0..60).map(|_| TcpStream::connect(address).unwrap()).collect();
        let mut refused = BufReader::new(server.0.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut complaint = || refused.find(|line| line.starts_with("cannot take a connection")).unwrap();
        let first = complaint();
        let begun = Instant::now();
        (0..4).for_each(|_| drop(complaint()));
        // It tries again now and then, and not all the time.
        assert!(begun.elapsed() >= Duration::from_millis(100), "{front_end}: {first}");

        drop(unfinished);
        let mut ws = blocking::connect(url.as_str()).unwrap();
        ws.send("still there?").unwrap();
        assert_eq!(ws.read().unwrap(), Some(Message::text("still there?")), "{front_end}");
        assert!(server.0.try_wait().unwrap().is_none(), "{front_end}: it has ended");
    }
}
