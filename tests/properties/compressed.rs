//! What two connections say to each other with permessage-deflate, whatever they have agreed on.

use super::{config, delivery, role};
use crate::support::deflating::{Call, How, Prepared, Side, Terms, talk};
use crate::support::delivery::Delivery;
use proptest::prelude::*;
use sansocket::Deflate;

/// Most small, some larger than the largest window.
pub(super) fn size() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0_usize..300, 4 => 0_usize..5_000, 1 => 0_usize..70_000]
}

fn call() -> impl Strategy<Value = Call> {
    let how = prop::sample::select(vec![How::Borrowed, How::Owned, How::Shared]);
    let compress = || prop::bool::weighted(0.8);
    prop_oneof![
        6 => (how, compress(), any::<bool>(), size())
            .prop_map(|(how, compress, is_text, size)| Call::Send { how, compress, is_text, size }),
        2 => (compress(), any::<bool>(), size())
            .prop_map(|(compress, is_text, size)| Call::Fragments { compress, is_text, size }),
        2 => (0_usize..4).prop_map(Call::Prepared),
        1 => (0_usize..=125).prop_map(Call::Ping),
        2 => Just(Call::Release),
        1 => (0_usize..20).prop_map(Call::Steps),
    ]
}

/// Any wishes of one side.
pub(super) fn side() -> impl Strategy<Value = Side> {
    let bits = || prop_oneof![4 => 8_u8..=9, 2 => 10_u8..=14, 1 => Just(15_u8)];
    let threshold = prop::sample::select(vec![0, 1, 64, 1_000]);
    (0_u8..=9, threshold, any::<(bool, bool)>(), bits(), bits()).prop_map(
        |(level, threshold, (server, client), server_bits, client_bits)| {
            let deflate = Deflate::new()
                .level(level)
                .threshold(threshold)
                .server_no_context_takeover(server)
                .client_no_context_takeover(client)
                .server_max_window_bits(server_bits)
                .client_max_window_bits(client_bits);
            Side { deflate, threshold }
        },
    )
}

fn terms() -> impl Strategy<Value = Terms> {
    let fragment_size = prop::option::of(prop_oneof![1_usize..200, 1_000_usize..100_000]);
    let delivery = prop_oneof![5 => delivery(), 1 => Just(Delivery::ByteByByte)];
    let agreed = side().prop_map(|side| side.deflate.params());
    let sides = (side(), side(), agreed);
    (sides, fragment_size, any::<(bool, bool)>(), delivery, 1_usize..100_000).prop_map(
        |((client, server, agreed), fragment_size, (streaming, owning), delivery, capacity)| Terms {
            client,
            server,
            agreed,
            fragment_size,
            streaming,
            owning,
            delivery,
            capacity,
        },
    )
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn what_arrives_is_what_was_sent_whatever_was_agreed_on(
        terms in prop::collection::vec(terms(), 1..4),
        calls in prop::collection::vec((any::<prop::sample::Index>(), role(), call()), 0..24),
        shared in prop::collection::vec((any::<bool>(), size(), prop::bool::weighted(0.8)), 4),
        first in role(),
        seed: u64,
    ) {
        let shared: Vec<_> = shared
            .into_iter()
            .map(|(is_text, size, compress)| Prepared { is_text, size, compress })
            .collect();
        let calls: Vec<_> =
            calls.into_iter().map(|(pair, role, call)| (pair.index(terms.len()), role, call)).collect();
        talk(&terms, &calls, &shared, first, seed);
    }
}
