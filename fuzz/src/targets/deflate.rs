//! Two ends that compress: whatever is agreed on and whichever calls are made, what was sent arrives, and the
//! independent reader reads it, too.

use super::octet;
use crate::support::choices::Choices;
use crate::support::deflating::{Call, How, Prepared, Side, Terms, talk};
use crate::support::delivery::Delivery;
use sansocket::{Deflate, Role};

/// More bytes than this are not sent in all, so that a run takes its milliseconds.
const MOST: usize = 48_000;
const ROLES: [Role; 2] = [Role::Client, Role::Server];

pub fn run(data: &[u8]) {
    let mut choices = Choices::from_bytes(data);
    let choices = &mut choices;
    let seed = octet(choices).into();
    let first = choices.pick(&ROLES);
    let terms: Vec<_> = (0..choices.pick(&[1, 1, 2, 3])).map(|_| terms(choices)).collect();
    let mut left = MOST;
    let shared = [(); 4].map(|()| Prepared {
        is_text: choices.below(2) == 1,
        size: size(choices, &mut left),
        compress: choices.below(4) < 3,
    });
    let mut calls = Vec::new();
    while !choices.is_over() && calls.len() < 24 {
        let (at, role) = (choices.below(terms.len()), choices.pick(&ROLES));
        calls.push((at, role, call(choices, &mut left)));
    }
    talk(&terms, &calls, &shared, first, seed);
}

fn terms(choices: &mut Choices<'_>) -> Terms {
    Terms {
        client: side(choices),
        server: side(choices),
        agreed: side(choices).deflate.params(),
        fragment_size: match choices.below(3) {
            0 => None,
            1 => Some(1 + choices.below(200)),
            _ => Some(1_000 + choices.below(60_000)),
        },
        streaming: choices.below(2) == 1,
        owning: choices.below(2) == 1,
        delivery: match choices.below(3) {
            0 => Delivery::Whole,
            1 => Delivery::InTurn([0; 4].map(|_: u16| 16 * u16::from(octet(choices)))),
            _ => Delivery::RandomCuts(octet(choices).into()),
        },
        capacity: choices.pick(&[64 << 10, 100, 1_000, 5_000]),
    }
}

fn side(choices: &mut Choices<'_>) -> Side {
    let bits = |choices: &mut Choices<'_>| choices.pick(&[15, 8, 9, 10, 12, 14]);
    let threshold = choices.pick(&[0, 1, 64, 1_000]);
    let deflate = Deflate::new()
        .level(choices.pick(&[1, 0, 2, 3, 4, 5, 6, 7, 8, 9]))
        .threshold(threshold)
        .server_no_context_takeover(choices.below(2) == 1)
        .client_no_context_takeover(choices.below(2) == 1)
        .server_max_window_bits(bits(choices))
        .client_max_window_bits(bits(choices));
    Side { deflate, threshold }
}

fn call(choices: &mut Choices<'_>, left: &mut usize) -> Call {
    match choices.below(16) {
        0..=6 => Call::Send {
            how: choices.pick(&[How::Borrowed, How::Owned, How::Shared]),
            compress: choices.below(4) < 3,
            is_text: choices.below(2) == 1,
            size: size(choices, left),
        },
        7..=9 => Call::Fragments {
            compress: choices.below(4) < 3,
            is_text: choices.below(2) == 1,
            size: size(choices, left),
        },
        10 | 11 => Call::Prepared(choices.below(4)),
        12 => Call::Ping(choices.below(126)),
        13 | 14 => Call::Release,
        _ => Call::Steps(choices.below(20)),
    }
}

fn size(choices: &mut Choices<'_>, left: &mut usize) -> usize {
    // One in eight may be larger than every window but the largest.
    let most = choices.pick(&[300, 300, 300, 300, 300, 300, 2_000, 40_000]);
    let size = choices.len(most).min(*left);
    *left -= size;
    size
}
