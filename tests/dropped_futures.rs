//! Every future is polled k times and dropped, for every k until it is ready by itself; then the same is tried
//! again, or something else. Nothing is lost, doubled or torn, and nobody waits for a waker that is gone.
//!
//! | Module   | What is dropped |
//! |----------|-----------------|
//! | calls    | each call of a script, over each network |
//! | tasks    | one of two tasks that share a connection |
//! | openings | the opening handshake |
#![cfg(all(feature = "tokio", feature = "futures"))]

#[path = "dropped_futures/calls.rs"]
mod calls;
#[path = "dropped_futures/case.rs"]
mod case;
#[path = "dropped_futures/openings.rs"]
mod openings;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;
#[path = "dropped_futures/tasks.rs"]
mod tasks;

use sansocket::{Agreement, Config, Connection, Message, Role};
use support::net::Speed;

const ROLES: [Role; 2] = [Role::Client, Role::Server];

const BYTEWISE: Speed = Speed { call: 1, step: 1, capacity: 9, stutters: false, writes_first: false };
/// All at once, and yet each call is pending before.
const STUTTERING: Speed =
    Speed { call: 9000, step: 9000, capacity: 9000, stutters: true, writes_first: false };
const NARROW: Speed = Speed { call: 5, step: 3, capacity: 4, stutters: true, writes_first: false };
/// The peer reads nothing before it has written all, and the network holds little.
const STUBBORN: Speed = Speed { call: 40, step: 3, capacity: 5, stutters: false, writes_first: true };

fn payload(id: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| b'a' + u8::try_from((7 * id + i + i / 251) % 26).unwrap()).collect()
}

/// A message that tells by its bytes where in a script it stands.
fn message(id: usize, len: usize) -> Message {
    let payload = payload(id, len);
    if id.is_multiple_of(2) {
        Message::binary(payload)
    } else {
        Message::text(String::from_utf8(payload).unwrap())
    }
}

fn connection(role: Role) -> Connection {
    // So little may be queued that a second message mostly waits.
    Connection::with_seed(role, Config::new().high_water_mark(30), Agreement::new(), [3; 32])
}

/// tokio's front end has timers, which want a runtime.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}
