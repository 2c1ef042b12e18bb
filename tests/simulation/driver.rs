//! Two asynchronous front ends with a network between them, hand-polled, on a clock that moves when it is told to.
//! Who does what and what goes wrong is chance; what may come of it is not.
//!
//! What arrives is what was sent, in order, once. Nobody waits for ever, and nobody who could go on waits at all.
//! What ended a connection is told once, and something explains it; and if nothing went wrong, everything has
//! arrived and both ends agree on how it ended.

#[path = "driver/actor.rs"]
mod actor;
#[path = "driver/books.rs"]
mod books;
#[path = "driver/bytes.rs"]
mod bytes;
#[path = "driver/model.rs"]
mod model;
#[path = "driver/sends.rs"]
mod sends;
#[path = "driver/step.rs"]
mod step;
#[path = "driver/wire.rs"]
mod wire;
#[path = "driver/world.rs"]
mod world;

use crate::support::choices::Choices;
use tokio::runtime::{Builder, Runtime};

thread_local! {
    /// It takes longer to make than most worlds last.
    static RUNTIME: Runtime =
        Builder::new_current_thread().enable_time().start_paused(true).build().expect("a runtime");
}

/// Runs a world to its end.
///
/// # Panics
/// Something is wrong with it. What happened until then is printed.
pub(crate) fn run(choices: Choices<'_>) {
    // No task has a budget, so that none is pending because of it.
    RUNTIME.with(|runtime| runtime.block_on(tokio::task::unconstrained(world::run(choices))));
}
