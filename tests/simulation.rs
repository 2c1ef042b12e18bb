//! Whole conversations between two ends, decided by a seed: what is said, how it is cut, lost and delayed, and what
//! time it is. Whatever happens, what arrives is what was sent, in order and once; each end says once how it ended;
//! and the limits hold.
//!
//! 10 000 seeds of each world are run. `SIMULATION_SEEDS=1000000` runs so many, and `SIMULATION_SEED=1234` one, with
//! the log of what happened. (`SIMULATION_FIRST=10000` begins there.)

#[path = "simulation/core.rs"]
mod core;
#[cfg(all(feature = "tokio", feature = "futures"))]
#[path = "simulation/driver.rs"]
mod driver;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use std::env;
use support::choices::Choices;
use support::heap::Counting;

/// What an end holds is counted.
#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The worlds: the name of each test, and what it runs for each seed.
macro_rules! worlds {
    ($($(#[$gate:meta])* $world:ident: $run:path,)+) => {$(
        $(#[$gate])*
        #[test]
        fn $world() {
            simulate(stringify!($world), $run);
        }
    )+};
}

worlds! {
    core_world: core::run,
    #[cfg(all(feature = "tokio", feature = "futures"))]
    driver_world: driver::run,
}

/// Says in a panic how to repeat it.
struct Repeat {
    world: &'static str,
    seed: u64,
}

impl Drop for Repeat {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let Self { world, seed } = self;
            eprintln!(
                "failed: SIMULATION_SEED={seed} cargo test --all-features --test simulation {world} -- --nocapture"
            );
        }
    }
}

fn simulate(world: &'static str, run: fn(Choices<'_>)) {
    let number = |name| {
        let value = env::var(name).ok()?;
        Some(value.parse::<u64>().unwrap_or_else(|_| panic!("{name} is no number: {value}")))
    };
    let seeds = match number("SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => {
            let first = number("SIMULATION_FIRST").unwrap_or(0);
            first..first + number("SIMULATION_SEEDS").unwrap_or(10_000)
        }
    };
    for seed in seeds {
        let _repeat = Repeat { world, seed };
        run(Choices::from_seed(seed));
    }
}
