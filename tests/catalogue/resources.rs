//! Memory, errors, masks.

use crate::idle;
use crate::memory;
use crate::script::Script;
use crate::support::end::{End, Seen};
use crate::support::wire::{close_payload, frame, frames, peer_key};
use bytes::Buf;
use sansocket::blocking::WebSocket;
use sansocket::handshake::client::{Handshake, Request};
use sansocket::{Config, Connection, Error, HandshakeError, ProtocolError, Role};
use std::collections::HashSet;
use std::fs;
use std::path::Path;

const ROLES: [Role; 2] = [Role::Client, Role::Server];

#[test]
fn f_06_nothing_is_allocated_for_a_declared_length() {
    for role in ROLES {
        let header = idle::largest_header(role);
        for piece_len in [1, header.len()] {
            let ((), peak) = memory::peak(|| {
                let mut end = End::new(role, Config::new());
                header.chunks(piece_len).for_each(|piece| end.read(piece));
                assert_eq!(end.error, None);
            });
            assert!(peak < 72 << 10, "{peak} bytes");
        }
    }
}

/// What it costs: tests/linear.rs.
#[test]
fn f_29_a_large_frame_in_one_byte_reads() {
    for role in ROLES {
        let wire = frame(0x81, peer_key(role), &[b'x'; 1 << 20]);
        let mut end = End::new(role, Config::new());
        wire.chunks(1).for_each(|byte| end.read(byte));
        assert_eq!(end.seen, [Seen::Text("x".repeat(1 << 20))]);
    }
}

#[test]
fn f_31_a_large_message_costs_its_own_size() {
    const SIZE: usize = 16 << 20;
    for role in ROLES {
        let wire = frame(0x82, peer_key(role), &vec![7; SIZE]);
        let (one_by_one, rest) = wire.split_at(300_000);
        let (whole, peak) = memory::peak(|| {
            let mut connection = Connection::new(role, Config::new());
            let mut whole = false;
            for piece in one_by_one.chunks(1).chain(rest.chunks(1_460)) {
                let mut piece = piece;
                while !piece.is_empty() {
                    let room = connection.input();
                    let n = room.len().min(piece.len());
                    room[..n].copy_from_slice(&piece[..n]);
                    connection.filled(n).unwrap();
                    whole |= connection.poll_event().unwrap().is_some();
                    piece = &piece[n..];
                }
            }
            whole
        });
        assert!(whole && peak <= SIZE + SIZE / 10, "{peak} bytes");
    }
}

#[test]
fn r_03_no_memory_for_a_message_ends_the_connection_and_not_the_process() {
    for role in ROLES {
        for fragments in [1, 4] {
            let payload = vec![b'x'; (4 << 20) / fragments];
            let mut end = End::new(role, Config::new());
            for i in 0..fragments {
                let first = if i == 0 { 0x01 } else { 0x00 } | if i + 1 == fragments { 0x80 } else { 0 };
                let wire = frame(first, peer_key(role), &payload);
                memory::with_no_more_than(1 << 20, || {
                    wire.chunks(10_000).for_each(|piece| end.read(piece));
                });
            }
            assert_eq!((&*end.seen, end.error), (&[][..], Some(ProtocolError::OutOfMemory)));
            assert_eq!(frames(&end.write_all())[0].payload[..2], 1009_u16.to_be_bytes());
        }
    }
}

/// The crate logs nothing. What an application may log is a connection.
#[test]
fn r_04_a_connection_does_not_show_what_it_carries() {
    for role in ROLES {
        let mut end = End::new(role, Config::new());
        end.connection.send("SECRET").unwrap();
        end.connection.send_fragment("SECRET", false).unwrap();
        end.connection.receive(&frame(0x81, peer_key(role), b"SECRET"));
        let unread = format!("{:?}", end.connection);
        end.poll();
        end.receive(&frame(0x01, peer_key(role), b"SECRET"));
        let collected = format!("{:?}", end.connection);
        for shown in [unread, collected] {
            assert!(!shown.contains("SECRET") && !shown.contains("83, 69, 67, 82, 69, 84"));
        }
    }
}

#[test]
fn r_05_errors_hold_no_more_than_128_bytes_of_the_peers() {
    let long = "\u{7F}x".repeat(4_000);
    for field in ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"] {
        let request = Request::new("ws://a.example/").unwrap();
        let mut handshake = Handshake::with_nonce(request, Config::new(), *b"the sample nonce");
        let response = format!(
            "HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{field}: {}\r\n\r\n",
            long.replace('\u{7F}', "\t")
        );
        match handshake.receive(response.as_bytes()).unwrap_err() {
            HandshakeError::Extension(quoted) | HandshakeError::Protocol(quoted) => {
                assert!(quoted.len() <= 128, "{}", quoted.len());
            }
            other => panic!("{other:?}"),
        }
    }
    for role in ROLES {
        for (first, payload) in [(0x88, close_payload(999, &"Q".repeat(123))), (0x81, vec![0xFF; 9_000])] {
            let mut end = End::new(role, Config::new());
            end.receive(&frame(first, peer_key(role), &payload));
            let error = Error::from(end.error.unwrap());
            assert!(!format!("{error} {error:?}").contains('Q') && format!("{error:?}").len() <= 128);
        }
    }
}

/// Each byte of the heap is counted, so that one that is left in any of 10⁶ connections would be seen.
#[test]
fn r_06_connections_leave_nothing_behind() {
    let cycle = |role, size| {
        let wire = [
            frame(0x81, peer_key(role), &vec![b'x'; size]),
            frame(0x88, peer_key(role), &close_payload(1000, "bye")),
        ];
        let mut ws = WebSocket::from_connection(Script::of(wire), Connection::new(role, Config::new()));
        ws.send(vec![7; size]).unwrap();
        while ws.read().unwrap().is_some() {}
    };
    for (times, size) in [(1_000, 20_000), (499_000, 20)] {
        ROLES.into_iter().for_each(|role| cycle(role, size)); // fills the thread's pool of buffers
        let before = memory::live();
        for _ in 0..times {
            ROLES.into_iter().for_each(|role| cycle(role, size));
        }
        assert_eq!(memory::live(), before);
    }
}

/// The generators that this crate names, and all that what it depends on depends on in turn. Left out is
/// the platform's own TLS, which makes random names of files on one of the platforms.
#[test]
fn m_01_keys_and_nonces_come_from_strong_generators_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    for (path, generator) in
        [("src/connection/random.rs", "{StdRng, SysRng}"), ("src/handshake/client.rs", "SysRng")]
    {
        assert!(read(path).contains(&format!("\nuse rand::rngs::{generator};\n")), "{path}");
    }
    let manifest = read("Cargo.toml");
    assert!(manifest.contains(r#"default-features = false, features = ["std", "std_rng", "sys_rng"]"#));
    let (_, own) = manifest.split_once("\n[dependencies]\n").unwrap();
    let own = own.lines().take_while(|line| !line.is_empty()).map(|line| line.split(' ').next().unwrap());
    let mut names: Vec<String> = own.filter(|name| !name.contains("native-tls")).map(str::to_owned).collect();
    assert!(names.len() >= 10, "{names:?}");
    let lock = read("Cargo.lock");
    let mut seen = HashSet::new();
    while let Some(name) = names.pop() {
        // Several versions of a package count as one.
        for package in
            lock.split("[[package]]").filter(|package| package.contains(&format!("name = \"{name}\"\n")))
        {
            let (_, dependencies) = package.split_once("dependencies = [").unwrap_or_default();
            let quoted = dependencies.split('"').skip(1).step_by(2).filter_map(|name| name.split(' ').next());
            names.extend(quoted.filter(|name| !seen.contains(*name)).map(str::to_owned));
        }
        seen.insert(name);
    }
    assert!(seen.contains("getrandom") && seen.contains("chacha20"), "{seen:?}");
    for weak in ["fastrand", "nanorand", "oorandom", "rand_pcg", "rand_xorshift", "rand_xoshiro", "wyhash"] {
        assert!(!seen.contains(weak), "{weak}");
    }
}

#[test]
fn m_02_c_01_no_chosen_text_appears_on_the_wire() {
    let mut client = Connection::new(Role::Client, Config::new());
    let chosen = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut keys = HashSet::new();
    for _ in 0..100 {
        for _ in 0..1_000 {
            client.send(chosen).unwrap();
        }
        let queued = client.buffered_amount();
        let wire = client.output().copy_to_bytes(queued);
        assert!(!wire.windows(5).any(|window| window == b"GET /"));
        keys.extend(frames(&wire).into_iter().map(|frame| frame.key.unwrap()));
    }
    // Of 100 000 random keys of 32 bits one or two are expected to come twice.
    assert!(keys.len() > 99_900, "{} different keys", keys.len());
}
