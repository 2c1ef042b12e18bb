//! Hostile input, and what must become of it. Each test is a row of a list of requirements, and its name
//! begins with the row's id: `cargo test --test catalogue hs_15`.
//!
//! | Rows | About |
//! |------|-------|
//! | HS   | the opening handshake, server side |
//! | HC   | the opening handshake, client side |
//! | F    | frames and the closing handshake |
//! | D    | permessage-deflate |
//! | T    | the transport, and time |
//! | R, M | memory, errors, masks |
//! | AB   | the negative cases of Autobahn's test suite |
//!
//! A row that is a table lists inputs and what they come to, `inputs => expected;`. Its module's `check`
//! delivers each input whole, byte by byte and cut at random, followed by the end of the stream, and says
//! at the top what it holds each outcome to. Whatever comes, and however, a connection holds no more of the heap than
//! `support/bound.rs` says: each call to one is measured.

/// A test for each row: every input of every line has to come to what stands behind the arrow.
macro_rules! rows {
    ($($row:ident { $($inputs:expr => $expected:expr;)* })*) => {$(
        #[test]
        fn $row() {
            $(for input in $inputs {
                check(stringify!($row), input, &$expected);
            })*
        }
    )*};
}

#[path = "catalogue/autobahn.rs"]
mod autobahn;
#[cfg(feature = "deflate")]
#[path = "catalogue/deflate.rs"]
mod deflate;
#[path = "catalogue/frames.rs"]
mod frames;
#[path = "catalogue/hc.rs"]
mod hc;
#[path = "catalogue/head.rs"]
mod head;
#[path = "catalogue/hs.rs"]
mod hs;
#[path = "catalogue/idle.rs"]
mod idle;
#[path = "catalogue/resources.rs"]
mod resources;
#[cfg(feature = "tokio")]
#[path = "catalogue/runtime.rs"]
mod runtime;
#[path = "catalogue/script.rs"]
mod script;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;
#[path = "catalogue/tcp.rs"]
mod tcp;
#[path = "catalogue/transport.rs"]
mod transport;

use support::delivery::Delivery;
use support::heap as memory;

#[global_allocator]
static ALLOCATOR: memory::Counting = memory::Counting;

/// How each input of each table is delivered.
const DELIVERIES: [Delivery; 6] = [
    Delivery::Whole,
    Delivery::ByteByByte,
    Delivery::RandomCuts(1),
    Delivery::RandomCuts(2),
    Delivery::RandomCuts(3),
    Delivery::RandomCuts(4),
];
