//! How the front ends are built: one [`Transport`](transport::Transport) seam, one
//! [`Driver`](driver::Driver) over it.
//!
//! ```text
//!   blocking    (tokio, futures: to come)     what users call
//!       └──────────────┬──────────────┘
//!                   Driver                    joins a Connection and a Transport; every loop is here
//!                 ┌────┴─────┐
//!           Connection    Transport           the protocol;  read, write, flush, shutdown
//! ```
//!
//! All state lives in the Driver and none in a call, so a call may end anywhere (`WouldBlock`, a dropped
//! future) and the next one goes on from there.

pub mod blocking;
mod driver;
mod opening;
mod pool;
mod split;
mod transport;
