//! What a server makes of any bytes of a client's.

use super::stream;
use sansocket::Role;

pub fn run(data: &[u8]) {
    stream::run(Role::Server, data);
}
