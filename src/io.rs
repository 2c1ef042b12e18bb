//! How the front ends are built: one [`Transport`](transport::Transport) seam, one
//! [`Driver`](driver::Driver) over it.
//!
//! ```text
//!   blocking      tokio, futures              what users call
//!       │        └─ asynchronous ─┘           one set of async methods
//!       └──────────────┬──────────────┘
//!                   Driver                    joins a Connection and a Transport; every loop is here
//!                 ┌────┴─────┐
//!           Connection    Transport           the protocol;  read, write, flush, shutdown, deadline
//! ```
//!
//! All state lives in the Driver and none in a call, so a call may end anywhere (`WouldBlock`, a dropped
//! future) and the next one goes on from there.

#[cfg(any(feature = "tokio", feature = "futures"))]
pub mod asynchronous;
pub mod blocking;
pub(crate) mod connect;
mod driver;
#[cfg(feature = "futures")]
pub mod futures;
mod opening;
pub(crate) mod proxy;
mod split;
pub(crate) mod tls;
#[cfg(feature = "tokio")]
pub mod tokio;
#[cfg_attr(
    not(any(feature = "tokio", feature = "futures")),
    expect(unreachable_pub, reason = "only the asynchronous front ends show it")
)]
mod transport;
