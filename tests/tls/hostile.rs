//! Certificates that almost fit, and servers that use TLS as nobody does.

use super::{Authority, FRONT_ENDS, Tunnel, handshake, libraries, listen};
use sansocket::blocking;
use sansocket::error::TlsError;
use sansocket::handshake::server;
use sansocket::rustls::{self, CertificateError};
use sansocket::{Config, Connect, Error, ProtocolError, State};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than anything here takes, and shorter than for ever.
const LONG: Duration = Duration::from_secs(30);

/// The name stands only where names stood before there was a field for them.
const COMMON_NAME: &str = "the common name";

#[test]
fn hc_15_a_certificate_that_almost_fits_ends_the_connection() {
    let authority = Authority::new();
    for (what, host, identity) in [
        ("a name for an address", "127.0.0.1", authority.identity(&["localhost"])),
        ("an address for a name", "localhost", authority.identity(&["127.0.0.1"])),
        ("another address", "127.0.0.1", authority.identity(&["127.0.0.2"])),
        ("names around this one", "localhost", authority.identity(&["localhost.example", "a.localhost"])),
        ("for clients only", "localhost", authority.for_clients("localhost")),
        (COMMON_NAME, "localhost", authority.in_the_common_name("localhost")),
    ] {
        // OpenSSL, behind `native-tls`, still looks there, and `native-tls` has no way to tell it not to.
        let trusted = if what == COMMON_NAME { 1 } else { usize::MAX };
        for tls in libraries(&authority).into_iter().take(trusted) {
            for connect in FRONT_ENDS {
                let config = identity.server();
                let (address, server) = listen(move |stream| {
                    // With TLS 1.3 a server's handshake may be over before it hears of it.
                    let mut rest = Vec::new();
                    let _refused =
                        handshake(config, stream).and_then(|mut tunnel| tunnel.read_to_end(&mut rest));
                    rest
                });
                let to = Connect::new(format!("wss://{host}/")).unwrap().addresses([address]);
                let error = connect(to.tls(tls.clone())).unwrap_err();
                assert!(matches!(error, Error::Tls(_)), "{what}: {error:?}");
                if let Error::Tls(TlsError::Rustls(error)) = error {
                    let rustls::Error::InvalidCertificate(why) = *error else { panic!("{error:?}") };
                    let unfit = matches!(
                        why,
                        CertificateError::NotValidForNameContext { .. }
                            | CertificateError::NotValidForName
                            | CertificateError::InvalidPurposeContext { .. }
                            | CertificateError::InvalidPurpose
                    );
                    assert!(unfit, "{what}: {why:?}");
                }
                assert_eq!(server.join().unwrap(), b"", "{what}: no request was sent");
            }
        }
    }
}

/// What this crate's types and functions are called must say so where it makes a check optional.
#[test]
fn hc_15_nothing_here_turns_the_checks_off() {
    for file in ["src/io/tls.rs", "src/io/connect.rs", "src/io/blocking/tls.rs"] {
        let source = std::fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for switch in ["danger", "accept_invalid", "use_sni(false", "ServerCertVerified"] {
            assert!(!source.contains(switch), "{file}: {switch}");
        }
    }
}

/// A stream that does something before each of its writes, and writes no more than so many bytes of it.
struct Odd {
    tunnel: Tunnel,
    before: fn(&mut Tunnel),
    most: usize,
    /// After so many writes it becomes ordinary.
    writes: usize,
}

impl Read for Odd {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.tunnel.read(buffer)
    }
}

impl Write for Odd {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(left) = self.writes.checked_sub(1) else { return self.tunnel.write(bytes) };
        self.writes = left;
        (self.before)(&mut self.tunnel);
        let n = self.tunnel.write(&bytes[..bytes.len().min(self.most)])?;
        self.tunnel.flush()?; // so that it is a record of its own
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.tunnel.flush()
    }
}

/// An echo over such a stream works as over any other. A library may also find it too odd, and end in an error.
fn echo_oddly(before: fn(&mut Tunnel), most: usize, writes: usize, is_too_odd: fn(usize) -> bool) {
    let authority = Authority::new();
    for (library, tls) in libraries(&authority).into_iter().enumerate() {
        for connect in FRONT_ENDS {
            let config = authority.identity(&["localhost"]).server();
            let (address, server) = listen(move |stream| -> Result<(), Error> {
                let odd = Odd { tunnel: handshake(config, stream)?, before, most, writes };
                let mut handshake = blocking::Handshake::new(odd, server::Options::new());
                handshake.read()?;
                let mut ws = handshake.accept()?;
                while ws.state() == State::Open {
                    if let Some(message) = ws.read()? {
                        ws.send(message)?;
                    }
                }
                ws.flush()
            });
            let begun = Instant::now();
            let to = Connect::new("wss://localhost/").unwrap().addresses([address]);
            let echoed = connect(to.tls(tls.clone()));
            assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
            let served = server.join().unwrap();
            assert!((echoed.is_ok() && served.is_ok()) || is_too_odd(library), "{echoed:?}, {served:?}");
        }
    }
}

#[test]
fn t_11_records_of_one_byte() {
    echo_oddly(|_| {}, 1, 20_000, |_| false);
}

#[test]
fn t_11_a_flood_of_key_updates() {
    let update = |tunnel: &mut Tunnel| (0..20).for_each(|_| tunnel.conn.refresh_traffic_keys().unwrap());
    // OpenSSL, behind `native-tls`, counts them.
    echo_oddly(update, 1_000, 200, |library| library > 0);
}

/// TLS ends inside a message, and the socket stays open; or the socket ends, and TLS says nothing.
#[test]
fn hc_16_t_11_an_end_inside_a_frame() {
    let authority = Authority::new();
    for (tls, says_goodbye) in
        libraries(&authority).into_iter().flat_map(|tls| [(tls.clone(), true), (tls, false)])
    {
        for connect in FRONT_ENDS {
            let config = authority.identity(&["localhost"]).server();
            let (address, server) = listen(move |stream| {
                let mut handshake =
                    blocking::Handshake::new(handshake(config, stream).unwrap(), server::Options::new());
                handshake.read().unwrap();
                let mut ws = handshake.accept().unwrap();
                ws.flush().unwrap();
                let (mut tunnel, _) = ws.into_parts();
                tunnel.write_all(&[0x82, 100, 1, 2, 3]).unwrap();
                if says_goodbye {
                    tunnel.conn.send_close_notify();
                    tunnel.flush().unwrap();
                } else {
                    tunnel.flush().unwrap();
                    tunnel.sock.shutdown(Shutdown::Write).unwrap();
                }
                // Until the client has left.
                let _reset_or_end = io::copy(&mut tunnel.sock, &mut io::sink());
            });
            let begun = Instant::now();
            let config = Config::new().close_timeout(Duration::from_millis(200));
            let to = Connect::new("wss://localhost/").unwrap().addresses([address]).config(config);
            let error = connect(to.tls(tls.clone())).unwrap_err();
            assert!(matches!(error, Error::Protocol(ProtocolError::UnexpectedEof)), "{error:?}");
            assert!(begun.elapsed() < LONG, "{:?}", begun.elapsed());
            server.join().unwrap();
        }
    }
}

/// TLS is the application's on this side: here it happens inside our first read.
#[test]
fn t_05_a_client_that_resets_or_leaves_inside_its_tls_handshake() {
    let authority = Authority::new();
    for resets in [true, false] {
        let config = authority.identity(&["localhost"]).server();
        let (address, server) = listen(move |stream| {
            let tunnel = Tunnel::new(rustls::ServerConnection::new(Arc::new(config)).unwrap(), stream);
            let mut handshake = blocking::Handshake::new(tunnel, server::Options::new());
            let first = handshake.read().map(drop).unwrap_err();
            (first, handshake.read().map(drop).unwrap_err())
        });
        let mut client = TcpStream::connect(address).unwrap();
        let name = "localhost".try_into().unwrap();
        let mut tls = rustls::ClientConnection::new(Arc::new(authority.client(None)), name).unwrap();
        tls.write_tls(&mut client).unwrap();
        // The server's part has come. Left unread, it resets the connection.
        assert_eq!(client.peek(&mut [0]).unwrap(), 1);
        if resets {
            drop(client);
        } else {
            client.shutdown(Shutdown::Write).unwrap();
            let _end = io::copy(&mut client, &mut io::sink());
        }
        let (first, again) = server.join().unwrap();
        let kind = if resets { io::ErrorKind::ConnectionReset } else { io::ErrorKind::UnexpectedEof };
        assert!(matches!(&first, Error::Io(error) if error.kind() == kind), "{first:?}");
        assert!(matches!(again, Error::Io(_) | Error::Handshake(_) | Error::Closed), "{again:?}");
    }
}
