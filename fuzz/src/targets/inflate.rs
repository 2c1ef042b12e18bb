//! What an endpoint makes of compressed messages, whatever is in them, against the independent reader.

use super::{delivery, octet, octets};
use crate::support::choices::Choices;
use crate::support::delivery::Delivery;
use crate::support::inflating::{Inflating, Script};
use crate::support::random::Xorshift;
use sansocket::Role;

pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let receiver = Inflating {
        role: choices.pick(&[Role::Server, Role::Client]),
        bits: choices.pick(&[15, 8, 9, 10, 11, 12, 13, 14]),
        takeover: choices.pick(&[true, false]),
        max_message_size: choices.pick(&[16 << 20, 0, 1, 100, 1_000, 32 << 10]),
    };
    let (delivery, seed) = (delivery(&mut choices), u64::from(octet(&mut choices)));
    let mut random = Xorshift::new(seed);
    let mut script = Script::new(receiver);
    while !choices.is_over() {
        // The last message has all that is left.
        let (is_last, is_text) = (choices.below(4) == 0, choices.below(4) == 3);
        let payload = match is_last {
            true => choices.rest().to_vec(),
            false => {
                let len = octet(&mut choices).into();
                octets(&mut choices, len)
            }
        };
        if !script.send(is_text, &payload, &mut random) {
            break;
        }
    }
    script.check(&[(Delivery::Whole, None), (delivery, Some(seed))]).unwrap();
}
