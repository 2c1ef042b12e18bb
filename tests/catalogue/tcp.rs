//! Real sockets, on the loopback interface.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};

/// Two ends of a connection.
pub(crate) fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// How a peer leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leave {
    /// It ends its writing direction, and can still read.
    Fin,
    /// It resets the connection.
    Rst,
}

impl Leave {
    pub(crate) const BOTH: [Self; 2] = [Self::Fin, Self::Rst];

    /// Lets `peer` leave. Returns it if it still reads.
    pub(crate) fn let_go(self, peer: TcpStream, mut other: &TcpStream) -> Option<TcpStream> {
        match self {
            Self::Fin => {
                peer.shutdown(Shutdown::Write).unwrap();
                Some(peer)
            }
            Self::Rst => {
                // A socket that is closed with something unread is reset.
                other.write_all(b"unread").unwrap();
                assert_eq!(peer.peek(&mut [0]).unwrap(), 1);
                None
            }
        }
    }
}

/// All that comes until the other end has closed or reset.
pub(crate) fn rest(mut stream: &TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes);
    bytes
}
