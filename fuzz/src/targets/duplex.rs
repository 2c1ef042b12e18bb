//! Two connections, a network that does what it likes, and a clock: the simulation, with a fuzzer's decisions.

use crate::simulation::core;
use crate::support::choices::Choices;

pub fn run(data: &[u8]) {
    core::run(Choices::from_bytes(data));
}
