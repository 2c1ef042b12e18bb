use bytes::Buf;
use sansocket::Connection;
use std::hint::black_box;

/// Takes all that waits to be written, as a socket with room would.
#[inline(always)]
pub(crate) fn drain(connection: &mut Connection) {
    let output = connection.output();
    black_box(output.chunk());
    output.advance(output.remaining());
}
