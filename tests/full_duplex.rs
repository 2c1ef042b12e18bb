//! Both ends send all the time, through a connection that holds very little: nothing is lost, doubled, torn or
//! overtaken, and nobody waits for ever. A test that gets stuck fails, and says how far it came.

#[path = "full_duplex/blocking.rs"]
mod blocking;
#[cfg(all(feature = "tokio", feature = "futures"))]
#[path = "full_duplex/bytes.rs"]
mod bytes;
#[cfg(all(feature = "tokio", feature = "futures"))]
#[path = "full_duplex/messages.rs"]
mod messages;
#[cfg(all(feature = "tokio", feature = "futures"))]
#[path = "full_duplex/split.rs"]
mod split;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use sansocket::{Config, Connection, Role};
use support::load::Load;

/// What a connection holds in each direction, in bytes.
const HELD: usize = 256;

/// What each end sends.
#[derive(Clone, Copy, Debug)]
struct Round {
    seed: u64,
    /// So many bytes in all.
    total: usize,
    /// A message has so many bytes at least, and at most.
    sizes: [usize; 2],
}

/// The rounds of a test: the last moves 64 MiB each way.
fn rounds() -> impl Iterator<Item = Round> {
    let short = |seed| {
        let round = move |total, sizes| Round { seed, total, sizes };
        [
            round(5 << 10, [1, 1]),
            round(100 << 10, [1, 300]),
            round(1 << 20, [100, 70_000]),
            round(2 << 20, [1, 1 << 20]),
            round(2 << 20, [1 << 20, 1 << 20]),
        ]
    };
    let long = Round { seed: 0, total: 64 << 20, sizes: [1, 1 << 20] };
    (1..=6).flat_map(short).chain([long])
}

const ROLES: [Role; 2] = [Role::Client, Role::Server];

fn connections() -> [Connection; 2] {
    ROLES.map(|role| Connection::new(role, Config::new()))
}

impl Round {
    /// What each end sends, by so many writers.
    fn loads<const N: usize>(self) -> [[Load; N]; 2] {
        let Self { seed, total, sizes: [smallest, largest] } = self;
        [0, 1].map(|end| {
            std::array::from_fn(|i| {
                let seed = 1000 * seed + 100 * end + i as u64;
                Load::new(seed, total / N, smallest, largest)
            })
        })
    }
}
