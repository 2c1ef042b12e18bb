//! What the tests of the core share: a pair of connections with a network between them, ways to deliver
//! bytes, events as values, frames as bytes.

pub(crate) mod delivery;
pub(crate) mod end;
pub(crate) mod pair;
pub(crate) mod random;
pub(crate) mod sockets;
pub(crate) mod wire;
