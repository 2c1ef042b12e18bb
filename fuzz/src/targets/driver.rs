//! Two asynchronous ends, futures that are dropped, and I/O that is pending, short or fails: the simulation, with a
//! fuzzer's decisions.

use crate::simulation::driver;
use crate::support::choices::Choices;

pub fn run(data: &[u8]) {
    driver::run(Choices::from_bytes(data));
}
