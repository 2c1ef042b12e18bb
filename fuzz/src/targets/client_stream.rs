//! What a client makes of any bytes of a server's.

use super::stream;
use sansocket::Role;

pub fn run(data: &[u8]) {
    stream::run(Role::Client, data);
}
