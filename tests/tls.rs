//! `wss://` with each front end and each TLS library, to servers of rustls with certificates of their own.

#[path = "tls/authority.rs"]
mod authority;
#[path = "tls/hostile.rs"]
mod hostile;

use authority::Authority;
use sansocket::blocking::{self, Stream, WebSocket};
use sansocket::bytes::Buf;
use sansocket::error::TlsError;
use sansocket::handshake::server;
use sansocket::rustls::{self, CertificateError, ServerConfig, ServerConnection, StreamOwned};
use sansocket::{
    CloseCode, Config, Connect, Error, Event, HandshakeError, Keepalive, Message, ProtocolError, State, Tls,
};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(30);
/// More than the sockets take from a peer that does not read.
const LARGE: usize = 15 << 20;
/// RFC 8446 §6: a warning (1): close_notify (0).
const CLOSE_NOTIFY: &[u8] = &[21, 3, 3, 0, 2, 1, 0];

/// Connects, has a message come back, and closes. A front end for asynchronous code runs its own runtime.
type FrontEnd = fn(Connect) -> Result<(), Error>;

const FRONT_ENDS: &[FrontEnd] = &[
    |to| {
        let (message, mut ws) = (message(), blocking::connect(to)?);
        ws.send(&message)?;
        assert_eq!(ws.read()?, Some(message));
        ws.close(None).map(drop)
    },
    #[cfg(feature = "tokio")]
    |to| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let (message, mut ws) = (message(), sansocket::tokio::connect(to).await?);
            ws.send(&message).await?;
            assert_eq!(ws.read().await?, Some(message));
            ws.close(None).await.map(drop)
        })
    },
];

fn message() -> Message {
    Message::binary(vec![7; 300_000])
}

/// Clients that trust the authority and nobody else.
fn libraries(authority: &Authority) -> Vec<Tls> {
    vec![
        authority.client(None).into(),
        #[cfg(feature = "native-tls")]
        authority.native_client(),
    ]
}

type Tunnel = StreamOwned<ServerConnection, TcpStream>;

/// Runs `serve` with the next connection, below TLS.
fn listen<R: Send + 'static>(
    serve: impl FnOnce(TcpStream) -> R + Send + 'static,
) -> (SocketAddr, JoinHandle<R>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, thread::spawn(move || serve(listener.accept().unwrap().0)))
}

/// The server's end of the next connection, with the TLS handshake behind it.
fn handshake(config: ServerConfig, mut stream: TcpStream) -> io::Result<Tunnel> {
    let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// Sends every message back; and what ALPN came to.
fn echo(config: ServerConfig, stream: TcpStream) -> Result<Option<Vec<u8>>, Error> {
    let tunnel = handshake(config, stream)?;
    let protocol = tunnel.conn.alpn_protocol().map(<[u8]>::to_vec);
    let mut handshake = blocking::Handshake::new(tunnel, server::Options::new());
    match handshake.read() {
        // A client that only wanted to see how far it would get.
        Err(Error::Io(_)) => return Ok(protocol),
        read => read.map(drop)?,
    }
    let mut ws = handshake.accept()?;
    // It does not wait until the client has left, because it cannot end one direction of such a stream.
    while ws.state() == State::Open {
        ws.read_with(|event, sender| match event {
            Event::Binary(payload) => sender.send(payload),
            _ => Ok(()),
        })?
        .transpose()?;
    }
    ws.flush()?;
    Ok(protocol)
}

/// A connection over TLS, and the server's end below WebSocket.
fn pair(config: Config) -> (WebSocket<Stream>, WebSocket<Tunnel>) {
    let authority = Authority::new();
    let client = authority.client(None).into();
    pair_with(&authority, client, config)
}

/// The same with this client.
fn pair_with(authority: &Authority, client: Tls, config: Config) -> (WebSocket<Stream>, WebSocket<Tunnel>) {
    let server = authority.identity(&["localhost"]).server();
    let (address, server) = listen(move |stream| {
        let tunnel = handshake(server, stream).unwrap();
        let mut handshake = blocking::Handshake::new(tunnel, server::Options::new());
        handshake.read().unwrap();
        handshake.accept().unwrap()
    });
    let to = Connect::new("wss://localhost").unwrap().addresses([address]).config(config);
    let client = blocking::connect(to.tls(client)).unwrap();
    (client, server.join().unwrap())
}

#[test]
fn whom_the_certificate_names_is_connected_to_and_asked_for_http_1_1() {
    let authority = Authority::new();
    let identity = authority.identity(&["localhost", "127.0.0.1", "::1"]);
    for host in ["localhost", "127.0.0.1", "[::1]"] {
        for tls in libraries(&authority) {
            for connect in FRONT_ENDS {
                let server = identity.server();
                let (address, server) = listen(move |stream| echo(server, stream));
                let to = Connect::new(format!("wss://{host}/")).unwrap().addresses([address]);
                connect(to.tls(tls.clone())).unwrap();
                assert_eq!(server.join().unwrap().unwrap().unwrap(), b"http/1.1", "{host}");
            }
        }
    }
}

/// RFC 6455 §4.1: "Clients MUST use the Server Name Indication extension in the TLS handshake".
#[test]
fn the_client_names_the_server_in_the_tls_handshake() {
    let authority = Authority::new();
    for tls in libraries(&authority) {
        for connect in FRONT_ENDS {
            let config = authority.identity(&["localhost"]).server();
            let (address, server) = listen(move |stream| {
                let tunnel = handshake(config, stream).unwrap();
                tunnel.conn.server_name().map(str::to_owned)
            });
            let to = Connect::new("wss://localhost/").unwrap().addresses([address]);
            assert!(connect(to.tls(tls.clone())).is_err(), "the server leaves");
            assert_eq!(server.join().unwrap().as_deref(), Some("localhost"));
        }
    }
}

#[test]
fn hc_15_a_certificate_that_is_not_good_ends_the_connection() {
    let (authority, other) = (Authority::new(), Authority::new());
    let wrong = [
        ("another host's", authority.identity(&["other.example"])),
        ("expired", authority.expired("localhost")),
        ("nobody knows who signed it", other.identity(&["localhost"])),
    ];
    for (what, identity) in wrong {
        for tls in libraries(&authority) {
            for connect in FRONT_ENDS {
                let server = identity.server();
                let (address, server) = listen(move |stream| echo(server, stream));
                let to = Connect::new("wss://localhost/").unwrap().addresses([address]);
                let error = connect(to.tls(tls.clone())).unwrap_err();
                assert!(matches!(error, Error::Tls(_)), "{what}: {error:?}");
                if let Error::Tls(TlsError::Rustls(error)) = error {
                    let rustls::Error::InvalidCertificate(why) = *error else { panic!("{error:?}") };
                    let expected = match what {
                        "expired" => matches!(why, CertificateError::ExpiredContext { .. }),
                        "another host's" => matches!(why, CertificateError::NotValidForNameContext { .. }),
                        _ => matches!(why, CertificateError::UnknownIssuer | CertificateError::BadSignature),
                    };
                    assert!(expected, "{what}: {why:?}");
                }
                assert!(server.join().unwrap().is_err(), "{what}: the server heard of it");
            }
        }
    }
}

#[test]
fn hc_15_the_default_trusts_no_authority_that_the_platform_does_not_know() {
    let authority = Authority::new();
    for connect in FRONT_ENDS {
        let server = authority.identity(&["localhost"]).server();
        let (address, server) = listen(move |stream| echo(server, stream));
        let error = connect(Connect::new("wss://localhost").unwrap().addresses([address])).unwrap_err();
        assert!(matches!(error, Error::Tls(_)), "{error:?}");
        // There may be no certificates on this machine; then there was no connection.
        let _frees_the_server = TcpStream::connect(address);
        assert!(server.join().unwrap().is_err());
    }
}

#[test]
fn a_client_shows_its_certificate_to_a_server_that_wants_one() {
    let authority = Authority::new();
    for connect in FRONT_ENDS {
        for known in [true, false] {
            let server = authority.strict_server(&authority.identity(&["localhost"]));
            let (address, server) = listen(move |stream| echo(server, stream));
            let own = known.then(|| authority.identity(&["client.example"]));
            let to = Connect::new("wss://localhost/").unwrap().addresses([address]);
            let result = connect(to.tls(authority.client(own)));
            // With TLS 1.3 a client's handshake is over before the server has seen its certificate.
            assert_eq!(server.join().unwrap().is_ok(), known);
            assert!(result.is_ok() || !known, "{result:?}");
        }
    }
}

/// What a server does in place of its part of the TLS handshake.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Instead {
    Close,
    CloseNotify,
    CloseInTheMiddle,
    /// It leaves something unread, which resets the connection.
    Reset,
    ResetInTheMiddle,
    Silence,
    SilenceAfterCloseNotify,
    /// HTTP, such as from a server without TLS.
    Plain,
}

#[test]
fn t_05_t_11_a_server_that_does_not_finish_the_tls_handshake_is_an_error_in_time() {
    use Instead::*;

    let authority = Authority::new();
    for instead in [
        Close,
        CloseNotify,
        CloseInTheMiddle,
        Reset,
        ResetInTheMiddle,
        Silence,
        SilenceAfterCloseNotify,
        Plain,
    ] {
        for tls in libraries(&authority) {
            for connect in FRONT_ENDS {
                let config = authority.identity(&["localhost"]).server();
                let (go_home, over) = mpsc::channel::<()>();
                let (address, server) = listen(move |mut stream| {
                    let mut hello = [0; 4096];
                    let n = match instead {
                        Reset | ResetInTheMiddle => stream.peek(&mut hello).unwrap(),
                        _ => stream.read(&mut hello).unwrap(),
                    };
                    match instead {
                        Close | Reset => {}
                        Plain => stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap(),
                        CloseNotify | SilenceAfterCloseNotify => stream.write_all(CLOSE_NOTIFY).unwrap(),
                        CloseInTheMiddle | ResetInTheMiddle => {
                            stream.write_all(&half_a_flight(config, &hello[..n])).unwrap()
                        }
                        Silence => {}
                    }
                    if matches!(instead, Silence | SilenceAfterCloseNotify) {
                        let _client_has_left = over.recv();
                    }
                });
                let config = Config::new().handshake_timeout(SOON);
                let to = Connect::new("wss://localhost/").unwrap().addresses([address]).config(config);
                let begun = Instant::now();
                // Whoever waits or spins for ever is told apart from whoever does not by the clock alone.
                let error = connect(to.tls(tls.clone())).unwrap_err();
                assert!(begun.elapsed() < LONG, "{instead:?}");
                if instead == Silence {
                    assert!(matches!(error, Error::Handshake(HandshakeError::Timeout)), "{error:?}");
                } else if matches!(instead, Reset | ResetInTheMiddle) {
                    assert!(matches!(error, Error::Io(_) | Error::Tls(_)), "{instead:?}: {error:?}");
                }
                drop(go_home);
                server.join().unwrap();
            }
        }
    }
}

/// The first half of a server's first flight.
fn half_a_flight(config: ServerConfig, mut hello: &[u8]) -> Vec<u8> {
    let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
    connection.read_tls(&mut hello).unwrap();
    connection.process_new_packets().unwrap();
    let mut flight = Vec::new();
    while connection.wants_write() {
        connection.write_tls(&mut flight).unwrap();
    }
    flight.truncate(flight.len() / 2);
    flight
}

#[test]
fn hc_16_an_end_without_a_close_frame_is_unexpected_whether_or_not_tls_says_goodbye() {
    let authority = Authority::new();
    for tls in libraries(&authority) {
        for goodbye in [true, false] {
            let (mut client, server) = pair_with(&authority, tls.clone(), Config::new());
            let (mut tunnel, _) = server.into_parts();
            if goodbye {
                tunnel.conn.send_close_notify();
                tunnel.conn.complete_io(&mut tunnel.sock).unwrap();
            }
            tunnel.sock.shutdown(Shutdown::Write).unwrap();
            let error = client.read().unwrap_err();
            assert!(matches!(error, Error::Protocol(ProtocolError::UnexpectedEof)), "{goodbye}: {error:?}");
            assert!(matches!(client.read(), Err(Error::Closed)));
            assert_eq!(client.close_info().unwrap().received.code, CloseCode::ABNORMAL);
            let (mut stream, _) = client.into_parts();
            for _ in 0..3 {
                assert_eq!(stream.read(&mut [0; 10]).unwrap(), 0, "for ever");
            }
        }
    }
}

#[test]
fn a_clean_end_says_goodbye_in_tls_too() {
    let (mut client, server) = pair(Config::new());
    let (mut tunnel, mut connection) = server.into_parts();
    let server = thread::spawn(move || {
        while connection.state() == State::Open {
            let n = tunnel.read(connection.input()).unwrap();
            connection.filled(n).unwrap();
            while connection.poll_event().unwrap().is_some() {}
        }
        tunnel.write_all(connection.output().chunk()).unwrap();
        tunnel.conn.send_close_notify();
        tunnel.flush().unwrap();
        tunnel.sock.shutdown(Shutdown::Write).unwrap();
        tunnel.read(&mut [0; 10]).unwrap()
    });
    assert!(client.close(None).unwrap().clean);
    assert_eq!(server.join().unwrap(), 0, "rustls finds a close_notify at the end");
}

#[test]
fn of_two_threads_neither_waits_for_the_other() {
    let (client, mut server) = pair(Config::new());
    let server = thread::spawn(move || {
        // It reads nothing before all of this is read, although there is somebody who writes; and then sends
        // nothing until all of that is written, although there is somebody who reads.
        server.send(vec![7; LARGE]).unwrap();
        let message = server.read().unwrap().unwrap();
        server.send("all of it").unwrap();
        message.len()
    });
    let (mut reader, writer) = client.split().unwrap();
    let writing = thread::spawn(move || writer.send(vec![9; LARGE]));
    assert_eq!(reader.read().unwrap().unwrap().len(), LARGE);
    assert_eq!(reader.read().unwrap(), Some(Message::text("all of it")));
    assert_eq!(server.join().unwrap(), LARGE);
    writing.join().unwrap().unwrap();
}

fn unless_blocked(error: Error) -> Result<(), Error> {
    match error {
        Error::Io(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
        error => Err(error),
    }
}

/// The next message from a stream that does not block.
fn patiently(mut read: impl FnMut() -> Result<Option<Message>, Error>) -> Option<Message> {
    loop {
        match read() {
            Err(error) => unless_blocked(error).unwrap(),
            Ok(message) => return message,
        }
        thread::yield_now();
    }
}

/// A client that does not block has sent so much that TLS holds the end of it back; how many messages.
fn fill(client: &mut WebSocket<Stream>) -> usize {
    client.get_ref().set_nonblocking(true).unwrap();
    for sent in 1.. {
        client.feed(vec![7; 50_000]).unwrap();
        if let Err(error) = client.flush() {
            unless_blocked(error).unwrap();
            assert_eq!(client.buffered_amount(), 0, "it waits below");
            return sent;
        }
    }
    0
}

/// Answers when so many messages have come.
fn answer_after(messages: usize, mut server: WebSocket<Tunnel>) {
    for _ in 0..messages {
        server.read().unwrap().unwrap();
    }
    server.send("all of it").unwrap();
}

#[test]
fn what_a_full_socket_kept_back_leaves_with_a_later_read() {
    let (mut client, server) = pair(Config::new());
    let sent = fill(&mut client);
    let server = thread::spawn(move || answer_after(sent, server));
    assert_eq!(patiently(|| client.read()), Some(Message::text("all of it")));
    server.join().unwrap();
}

#[test]
fn what_a_full_socket_kept_back_leaves_with_a_later_read_of_the_reading_half() {
    for sends in [false, true] {
        let (mut client, server) = pair(Config::new());
        let sent = fill(&mut client);
        let (mut reader, writer) = client.split().unwrap();
        if sends {
            writer.send("more").unwrap();
        }
        let server = thread::spawn(move || answer_after(sent + usize::from(sends), server));
        assert_eq!(patiently(|| reader.read()), Some(Message::text("all of it")));
        server.join().unwrap();
    }
}

#[test]
fn a_read_that_times_out_inside_a_record_loses_nothing() {
    let (mut client, server) = pair(Config::new());
    client.get_ref().set_read_timeout(Some(SOON)).unwrap();
    let (mut tunnel, mut connection) = server.into_parts();
    for text in ["once", "twice"] {
        connection.send(text).unwrap();
        let size = connection.buffered_amount();
        let frame = connection.output().copy_to_bytes(size);
        tunnel.conn.writer().write_all(&frame).unwrap();
        let mut record = Vec::new();
        tunnel.conn.write_tls(&mut record).unwrap();
        let (first, rest) = record.split_at(record.len() / 2);
        tunnel.sock.write_all(first).unwrap();
        unless_blocked(client.read().unwrap_err()).unwrap();
        tunnel.sock.write_all(rest).unwrap();
        assert_eq!(client.read().unwrap(), Some(Message::text(text)));
    }
    assert_eq!(client.get_ref().read_timeout().unwrap().map(|timeout| timeout.as_millis()), Some(200));
}

#[test]
fn t_02_deadlines_hold_although_the_peer_reads_nothing() {
    let config = Config::new().keepalive(Keepalive { interval: SOON, timeout: SOON }).close_timeout(SOON);
    let (mut client, _deaf) = pair(config.clone());
    let begun = Instant::now();
    let error = client.send(vec![0; LARGE]).unwrap_err();
    assert!(matches!(error, Error::Closed), "{error:?}");
    let error = client.read().unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::PongTimeout)), "{error:?}");

    let (client, _deaf) = pair(config.clone());
    let (mut reader, writer) = client.split().unwrap();
    let reading = thread::spawn(move || reader.read());
    assert!(writer.send(vec![0; LARGE]).is_err());
    assert!(matches!(reading.join().unwrap(), Err(Error::Protocol(ProtocolError::PongTimeout))));

    let (mut client, _deaf) = pair(config);
    client.feed(vec![0; LARGE]).unwrap();
    let error = client.close(None).unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::CloseTimeout | ProtocolError::PongTimeout)));
    assert!(begun.elapsed() < LONG);
}
