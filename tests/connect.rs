//! The ways to a server, with each front end that knows them.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use sansocket::handshake::server;
use sansocket::{Config, Connect, Error, HandshakeError, Message, Proxy, ProxyError, blocking};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};
use support::sockets::serve;

const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);

/// Connects, has a message come back, and closes.
type FrontEnd = fn(Connect) -> Result<(), Error>;

const FRONT_ENDS: &[FrontEnd] = &[
    |to| {
        let mut ws = blocking::connect(to)?;
        ws.send("hello")?;
        assert_eq!(ws.read()?, Some(Message::text("hello")));
        ws.close(None).map(drop)
    },
    #[cfg(feature = "tokio")]
    |to| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut ws = sansocket::tokio::connect(to).await?;
            ws.send("hello").await?;
            assert_eq!(ws.read().await?, Some(Message::text("hello")));
            ws.close(None).await.map(drop)
        })
    },
];

/// Sends every message back; and which host was asked for.
fn echo<S: Read + Write>(stream: S) -> String {
    let mut handshake = blocking::Handshake::new(stream, server::Options::new());
    let host = handshake.read().unwrap().headers()["host"].to_str().unwrap().to_owned();
    let mut ws = handshake.accept().unwrap();
    while let Some(message) = ws.read().unwrap() {
        ws.send(message).unwrap();
    }
    host
}

/// A proxy that says yes to the one request that comes; and the request.
fn relay<S: Read + Write>(mut stream: S) -> (String, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").unwrap();
    let head = String::from_utf8(head).unwrap();
    (head.lines().next().unwrap().to_owned(), echo(stream))
}

#[test]
fn addresses_take_the_place_of_the_resolver() {
    for connect in FRONT_ENDS {
        let (url, server) = serve(echo);
        let address = url.trim_start_matches("ws://").trim_end_matches('/').parse().unwrap();
        connect(Connect::new("ws://a.invalid/").unwrap().addresses([address])).unwrap();
        assert_eq!(server.join().unwrap(), "a.invalid");
    }
}

#[test]
fn a_proxy_is_asked_for_the_host_and_its_port() {
    for connect in FRONT_ENDS {
        let (url, proxy) = serve(relay);
        let to = Connect::new("ws://a.invalid:81/").unwrap();
        connect(to.proxy(Proxy::parse(&url.replacen("ws", "http", 1)).unwrap())).unwrap();
        let (request, host) = proxy.join().unwrap();
        assert_eq!((&*request, &*host), ("CONNECT a.invalid:81 HTTP/1.1", "a.invalid:81"));
    }
}

#[cfg(unix)]
#[test]
fn a_unix_socket_takes_the_place_of_tcp() {
    use std::os::unix::net::UnixListener;

    let directory = std::env::temp_dir().join(format!("sansocket-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    for (i, connect) in FRONT_ENDS.iter().enumerate() {
        let path = directory.join(i.to_string());
        let listener = UnixListener::bind(&path).unwrap();
        let server = thread::spawn(move || {
            let host = echo(listener.accept().unwrap().0);
            (host, relay(listener.accept().unwrap().0).1)
        });
        let to = Connect::new("ws://a.invalid/").unwrap().unix(&path);
        connect(to.clone()).unwrap();
        connect(to.proxy(Proxy::parse("http://b.invalid").unwrap())).unwrap();
        assert_eq!(server.join().unwrap(), ("a.invalid".into(), "a.invalid".into()));

        std::fs::remove_file(&path).unwrap();
        let error = connect(Connect::new("ws://a.invalid/").unwrap().unix(&path)).unwrap_err();
        assert!(matches!(error, Error::Io(error) if error.kind() == io::ErrorKind::NotFound));
    }
    std::fs::remove_dir(directory).unwrap();
}

#[test]
fn one_deadline_holds_for_a_proxy_and_for_a_server_that_say_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let proxy = Proxy::parse(&format!("http://{address}")).unwrap();
    for connect in FRONT_ENDS {
        let config = Config::new().handshake_timeout(SOON);
        let to = Connect::new("ws://a.invalid/").unwrap().config(config);
        for through in [None, Some(&proxy)] {
            let begun = Instant::now();
            let error = connect(match through {
                Some(proxy) => to.clone().proxy(proxy.clone()),
                None => to.clone().addresses([address]),
            });
            match error.unwrap_err() {
                Error::Handshake(HandshakeError::Timeout) if through.is_none() => {}
                Error::Proxy(ProxyError::Timeout) if through.is_some() => {}
                error => panic!("{through:?}: {error:?}"),
            }
            assert!((SOON..LONG).contains(&begun.elapsed()));
        }
    }
}

#[test]
fn nodelay_is_a_choice() {
    for on in [true, false] {
        let (url, server) = serve(|stream: TcpStream| echo(stream));
        let mut ws = blocking::connect(Connect::new(url).unwrap().nodelay(on)).unwrap();
        assert_eq!(ws.get_ref().tcp().unwrap().nodelay().unwrap(), on);
        ws.close(None).unwrap();
        server.join().unwrap();
    }
}
