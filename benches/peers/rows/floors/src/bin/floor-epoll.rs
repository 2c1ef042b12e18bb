//! No WebSocket: writes back what it reads, over epoll.

use harness::{Echo, Failure, Options, response};
use row_floors::{Peer, serve};
use std::net::TcpListener;

struct Row;

impl Echo for Row {
    const NAME: &'static str = "floor-epoll";

    fn serve(listener: TcpListener, _: Options) -> Result<(), Failure> {
        serve::<Bytes>(listener)
    }
}

#[derive(Default)]
struct Bytes {
    is_open: bool,
}

impl Peer for Bytes {
    fn receive(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.is_open {
            out.extend_from_slice(bytes);
        } else {
            out.extend(response(bytes, None).ok_or("no key")?.bytes());
            self.is_open = true;
        }
        Ok(())
    }
}

fn main() -> Result<(), Failure> {
    harness::echo::<Row>()
}
