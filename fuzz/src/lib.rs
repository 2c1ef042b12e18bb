//! The fuzz targets of sansocket. What each looks for stands in `README.md`.
//!
//! A target's body is a function of bytes, which `cargo test --test corpora` of the package beside this one runs,
//! too; and it is made of what the tests are made of.

#[expect(dead_code, reason = "the targets use a part of it")]
#[path = "../../tests/reference/mod.rs"]
mod reference;
/// The worlds of the simulation.
#[path = "../../tests/simulation"]
mod simulation {
    pub(crate) mod core;
    pub(crate) mod driver;
}
pub mod targets;

/// Those parts of the tests' `support` that need no runtime.
#[expect(dead_code, reason = "the targets use a part of it")]
#[path = "../../tests/support"]
mod support {
    pub(crate) mod bound;
    pub(crate) mod choices;
    pub(crate) mod deflating;
    pub(crate) mod delivery;
    pub(crate) mod end;
    pub(crate) mod extensions;
    pub(crate) mod heap;
    pub(crate) mod inflate;
    pub(crate) mod inflating;
    pub(crate) mod net;
    pub(crate) mod pair;
    pub(crate) mod random;
    pub(crate) mod repeats;
    pub(crate) mod wire;
}
