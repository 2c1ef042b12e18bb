//! What the tests of the core share: a pair of connections with a network between them, ways to deliver
//! bytes, events as values, frames as bytes; and what those of the front ends do.

pub(crate) mod bound;
pub(crate) mod callgrind;
pub(crate) mod choices;
pub(crate) mod deflate;
#[cfg(feature = "deflate")]
pub(crate) mod deflating;
pub(crate) mod delivery;
pub(crate) mod end;
pub(crate) mod extensions;
#[cfg(all(feature = "tokio", feature = "futures"))]
pub(crate) mod fronts;
pub(crate) mod heap;
pub(crate) mod inflate;
#[cfg(feature = "deflate")]
pub(crate) mod inflating;
pub(crate) mod load;
#[cfg(all(feature = "tokio", feature = "futures"))]
pub(crate) mod net;
pub(crate) mod pair;
pub(crate) mod pipe;
pub(crate) mod random;
pub(crate) mod repeats;
pub(crate) mod sockets;
pub(crate) mod wire;
