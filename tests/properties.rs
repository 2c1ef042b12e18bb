//! What holds for any messages, any bytes and any way to cut them.

#[path = "properties/any_bytes.rs"]
mod any_bytes;
#[cfg(feature = "deflate")]
#[path = "properties/any_deflate.rs"]
mod any_deflate;
#[cfg(feature = "deflate")]
#[path = "properties/compressed.rs"]
mod compressed;
#[cfg(feature = "deflate")]
#[path = "properties/negotiated.rs"]
mod negotiated;
mod reference;
#[path = "properties/round_trip.rs"]
mod round_trip;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use proptest::prelude::*;
use sansocket::{Message, Role};
use support::delivery::Delivery;
use support::random::Xorshift;

/// 256 cases, or as many as `PROPTEST_CASES` says. A failure becomes a test with a name, not a file.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

fn role() -> impl Strategy<Value = Role> {
    prop_oneof![Just(Role::Client), Just(Role::Server)]
}

fn delivery() -> impl Strategy<Value = Delivery> {
    prop_oneof![Just(Delivery::Whole), any::<u64>().prop_map(Delivery::RandomCuts)]
}

/// Sizes around every threshold up to 200 KB, most of them small.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0_usize..300,
        2 => prop::sample::select(vec![125, 126, 4095, 4096, 8192, 8193, 65_521, 65_535, 65_536, 65_537]),
        1 => 0_usize..200_000,
    ]
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    Binary,
}

impl Kind {
    fn message(self, size: usize, random: &mut Xorshift) -> Message {
        match self {
            Self::Text => Message::text(random.text(size)),
            Self::Binary => Message::binary(random.bytes(size)),
        }
    }
}
