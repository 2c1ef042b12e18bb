//! Scenarios: two connections, the network between them, and a clock.

#[expect(dead_code, reason = "each test uses a part of it")]
mod support;

use sansocket::{CloseCode, CloseFrame, Config, Keepalive, ProtocolError, Role, SendError, State};
use std::time::Duration;
use support::delivery::Delivery;
use support::end::Seen;
use support::pair::Pair;
use support::random::Xorshift;
use support::wire::{frame, frames, peer_key};

const SECOND: Duration = Duration::from_secs(1);
const KEEPALIVE: Keepalive =
    Keepalive { interval: Duration::from_secs(30), timeout: Duration::from_secs(10) };
const ROLES: [Role; 2] = [Role::Client, Role::Server];
const DELIVERIES: [Delivery; 3] = [Delivery::Whole, Delivery::ByteByByte, Delivery::RandomCuts(7)];

fn pair(config: &Config) -> Pair {
    Pair::new(config, Delivery::RandomCuts(1))
}

/// Both ends are closed, neither saw an error, and both agree on how it ended.
#[track_caller]
fn assert_closed_cleanly(pair: &mut Pair) {
    for role in ROLES {
        let end = pair.end(role);
        assert_eq!((end.connection.state(), end.error), (State::Closed, None), "{role:?}");
        assert!(end.connection.close_info().unwrap().clean, "{role:?}");
        assert!(end.at_eof, "{role:?}");
    }
}

#[test]
fn whoever_closes_first_the_server_closes_the_transport() {
    for delivery in DELIVERIES {
        for first in ROLES {
            let mut pair = Pair::new(&Config::new(), delivery);
            pair.end(first).connection.close(CloseFrame::new(4001, "bye")).unwrap();
            pair.run();
            assert_closed_cleanly(&mut pair);
            assert_eq!(pair.shut_down, [Role::Server, Role::Client], "§7.1.1");
            for role in ROLES {
                let info = pair.end(role).connection.close_info().unwrap().clone();
                assert_eq!(info.first, Some(first));
                assert_eq!((info.sent.code, info.received.code), (4001.into(), 4001.into()));
            }
            assert_eq!(pair.end(first.peer()).seen, [Seen::Close(Some((4001, "bye".into())))]);
        }
    }
}

#[test]
fn closing_at_the_same_time_is_clean() {
    let mut pair = pair(&Config::new());
    pair.client.connection.close(CloseFrame::new(4001, "mine")).unwrap();
    pair.server.connection.close(CloseFrame::from(CloseCode::GOING_AWAY)).unwrap();
    pair.run();
    assert_closed_cleanly(&mut pair);
    assert_eq!(pair.client.seen, [Seen::Close(Some((1001, String::new())))]);
    assert_eq!(pair.server.seen, [Seen::Close(Some((4001, "mine".into())))]);
    let info = pair.client.connection.close_info().unwrap();
    assert_eq!((info.sent.code, info.received.code), (4001.into(), CloseCode::GOING_AWAY));
}

#[test]
fn what_was_sent_before_the_close_frame_still_arrives() {
    for first in ROLES {
        let mut pair = pair(&Config::new());
        pair.end(first).connection.send("from the first").unwrap();
        pair.end(first.peer()).connection.send("from the other").unwrap();
        pair.end(first).connection.close(None).unwrap();
        assert_eq!(pair.end(first).connection.send("late"), Err(SendError::Closed));
        pair.run();
        assert_closed_cleanly(&mut pair);
        let text = |text: &str| Seen::Text(text.into());
        assert_eq!(pair.end(first.peer()).seen, [text("from the first"), Seen::Close(None)]);
        assert_eq!(pair.end(first).seen, [text("from the other"), Seen::Close(None)]);
    }
}

#[test]
fn a_close_frame_without_an_answer_is_waited_for_as_long_as_configured() {
    for first in ROLES {
        let mut pair = pair(&Config::new().close_timeout(3 * SECOND));
        pair.end(first.peer()).incoming.stalled = true;
        pair.advance(SECOND);
        pair.end(first).connection.close(CloseFrame::from(CloseCode::NORMAL)).unwrap();
        pair.advance(Duration::ZERO);
        pair.advance(3 * SECOND - Duration::from_nanos(1));
        assert_eq!((pair.end(first).connection.state(), pair.end(first).error), (State::Closing, None));
        pair.advance(Duration::from_nanos(1));
        assert_eq!(pair.end(first).connection.state(), State::Closed);
        assert_eq!(pair.end(first).error, Some(ProtocolError::CloseTimeout));
        assert_eq!(pair.shut_down, [first]);
        let info = pair.end(first).connection.close_info().unwrap().clone();
        assert_eq!((info.received.code, info.clean), (CloseCode::ABNORMAL, false));
    }
}

#[test]
fn nothing_follows_our_close_frame() {
    for role in ROLES {
        let mut pair = pair(&Config::new());
        pair.end(role).connection.close(CloseFrame::from(CloseCode::NORMAL)).unwrap();
        let close = pair.end(role).write_all();
        pair.end(role).receive(&frame(0x89, peer_key(role), b"too late to answer"));
        pair.end(role).receive(&frame(0x81, peer_key(role), b"still delivered"));
        pair.end(role).receive(&frame(0x83, peer_key(role), b""));
        let end = pair.end(role);
        let expected = [Seen::Ping(b"too late to answer".into()), Seen::Text("still delivered".into())];
        assert_eq!((&end.seen[..], end.error), (&expected[..], Some(ProtocolError::ReservedOpcode(3))));
        assert_eq!(frames(&close).len(), 1);
        assert_eq!(end.write_all(), []);
    }
}

#[test]
fn a_lost_transport_is_no_close() {
    let mut pair = pair(&Config::new());
    pair.client.connection.send_fragment("never finished", false).unwrap();
    pair.client.connection.ping(b"before").unwrap();
    pair.run();
    pair.server.incoming.fin = true;
    pair.run();
    assert_eq!(pair.server.seen, [Seen::Ping(b"before".into())]);
    assert_eq!(pair.server.error, Some(ProtocolError::UnexpectedEof));
    // The server gives up its own side too, and the client is told no more than that.
    assert_eq!(pair.client.seen, [Seen::Pong(b"before".into())]);
    assert_eq!(pair.client.error, Some(ProtocolError::UnexpectedEof));
    for role in ROLES {
        let info = pair.end(role).connection.close_info().unwrap().clone();
        assert_eq!((info.received.code, info.first, info.clean), (CloseCode::ABNORMAL, None, false));
    }
}

#[test]
fn keepalive_pings_a_silent_peer_for_ever_and_never_a_busy_one() {
    let mut pair = Pair::with_configs(&Config::new(), &Config::new().keepalive(KEEPALIVE), Delivery::Whole);
    for _ in 0..100 {
        pair.advance(29 * SECOND);
        pair.client.connection.send("busy").unwrap();
        pair.run();
    }
    assert_eq!(pair.client.seen, []);
    pair.advance(3600 * SECOND);
    assert_eq!(pair.client.seen.len(), 120);
    assert!(pair.client.seen.iter().all(|seen| matches!(seen, Seen::Ping(payload) if payload.len() == 8)));
    assert_eq!((pair.server.error, pair.server.connection.state()), (None, State::Open));
}

#[test]
fn keepalive_gives_up_a_dead_peer_after_interval_and_timeout() {
    for role in ROLES {
        let mut pair = pair(&Config::new().keepalive(KEEPALIVE));
        pair.client.connection.send("the last sign of life").unwrap();
        pair.server.connection.send("the last sign of life").unwrap();
        pair.run();
        pair.client.incoming.stalled = true;
        pair.server.incoming.stalled = true;
        pair.advance(40 * SECOND - Duration::from_nanos(1));
        assert_eq!((pair.end(role).connection.state(), pair.end(role).error), (State::Open, None));
        pair.advance(Duration::from_nanos(1));
        assert_eq!(pair.end(role).connection.state(), State::Closed);
        assert_eq!(pair.end(role).error, Some(ProtocolError::PongTimeout));
        assert_eq!(pair.end(role).connection.buffered_amount(), 0);
        assert_eq!(pair.end(role).connection.send("late"), Err(SendError::Closed));
        let info = pair.end(role).connection.close_info().unwrap().clone();
        assert_eq!((info.sent.code, info.received.code), (CloseCode::ABNORMAL, CloseCode::ABNORMAL));
    }
}

#[test]
fn only_the_pong_that_was_asked_for_answers_the_keepalive() {
    for role in ROLES {
        let mut pair = pair(&Config::new().keepalive(KEEPALIVE));
        pair.end(role).incoming.stalled = true;
        pair.advance(35 * SECOND); // the ping leaves at 30 s
        for unasked in [&b""[..], b"unasked!", &[0; 125]] {
            pair.end(role).receive(&frame(0x8A, peer_key(role), unasked));
        }
        pair.advance(5 * SECOND - Duration::from_nanos(1));
        assert_eq!((pair.end(role).error, pair.end(role).connection.round_trip_time()), (None, None));
        pair.advance(Duration::from_nanos(1));
        assert_eq!(pair.end(role).error, Some(ProtocolError::PongTimeout));
    }
}

#[test]
fn the_round_trip_time_is_that_of_the_keepalive_ping() {
    let mut pair =
        Pair::with_configs(&Config::new().keepalive(KEEPALIVE), &Config::new(), Delivery::ByteByByte);
    assert_eq!(pair.client.connection.round_trip_time(), None);
    pair.client.incoming.stalled = true;
    pair.advance(37 * SECOND); // the ping leaves at 30 s, its pong is held up
    pair.client.incoming.stalled = false;
    pair.run();
    assert_eq!(pair.client.connection.round_trip_time(), Some(7 * SECOND));
    pair.server.connection.pong(b"unasked!").unwrap();
    pair.advance(60 * SECOND);
    assert_eq!(pair.client.connection.round_trip_time(), Some(Duration::ZERO));
}

#[test]
fn a_pong_may_take_as_long_as_the_message_before_it() {
    let mut pair = Pair::with_configs(&Config::new().keepalive(KEEPALIVE), &Config::new(), Delivery::Whole);
    pair.client.incoming.capacity = 1000;
    pair.client.incoming.stalled = true;
    pair.server.connection.send(&[0; 100_000]).unwrap();
    pair.advance(35 * SECOND); // pinged; the pong stands behind the message
    for _ in 0..100 {
        pair.client.incoming.stalled = false;
        pair.step();
        pair.client.incoming.stalled = true;
        pair.advance(5 * SECOND);
    }
    assert_eq!((pair.client.error, pair.client.seen.len()), (None, 0));
    pair.client.incoming.stalled = false;
    pair.run();
    assert_eq!(pair.client.seen.len(), 2, "the message, and the pong");
}

#[test]
fn a_message_that_trickles_in_fails_with_1008() {
    let mut pair = pair(&Config::new().message_timeout(10 * SECOND));
    pair.client.connection.send_fragment("begun", false).unwrap();
    pair.run();
    for _ in 0..9 {
        pair.client.connection.send_fragment(".", false).unwrap();
        pair.advance(SECOND);
    }
    assert_eq!(pair.server.error, None);
    pair.advance(SECOND);
    assert_eq!(pair.server.error, Some(ProtocolError::MessageTimeout));
    let [Seen::Close(Some((1008, _)))] = &pair.client.seen[..] else { panic!("{:?}", pair.client.seen) };
    assert_eq!(
        (pair.client.connection.state(), pair.server.connection.state()),
        (State::Closed, State::Closed)
    );
}

#[test]
fn a_full_queue_refuses_messages_and_loses_none() {
    for sender in ROLES {
        let mark = 10_000;
        let mut pair = pair(&Config::new().high_water_mark(mark));
        pair.end(sender.peer()).incoming.stalled = true;
        pair.end(sender.peer()).incoming.capacity = 5_000;
        let mut random = Xorshift::new(3);
        let mut sent = Vec::new();
        let mut refused = 0;
        while sent.len() < 200 {
            let len = random.below(2_000);
            let message = random.bytes(len);
            match pair.end(sender).connection.send(&message) {
                Ok(()) => sent.push(Seen::Binary(message)),
                Err(error) => {
                    assert_eq!(error, SendError::QueueFull);
                    let waiting = pair.end(sender).connection.buffered_amount();
                    assert!((mark..mark + 2_000 + 14).contains(&waiting), "{waiting}");
                    refused += 1;
                    // The reader takes what there is, and stops again.
                    pair.end(sender.peer()).incoming.stalled = false;
                    pair.run();
                    pair.end(sender.peer()).incoming.stalled = true;
                }
            }
        }
        assert!(refused > 5, "{refused}");
        pair.end(sender.peer()).incoming.stalled = false;
        pair.run();
        assert_eq!(pair.end(sender.peer()).seen, sent);
    }
}

#[test]
fn a_pong_leaves_though_the_application_only_reads() {
    for role in ROLES {
        let mut pair = pair(&Config::new());
        let pinger = role.peer();
        // Nothing fits into the pipe when the pong is queued.
        pair.end(pinger).incoming.capacity = 0;
        pair.end(pinger).connection.ping(b"still there?").unwrap();
        pair.run();
        assert_eq!(pair.end(pinger).seen, []);
        assert!(pair.end(role).connection.buffered_amount() > 0);
        pair.end(pinger).incoming.capacity = 3;
        pair.run();
        assert_eq!(pair.end(pinger).seen, [Seen::Pong(b"still there?".into())]);
    }
}

#[test]
fn of_the_pings_that_met_a_full_queue_the_newest_is_answered() {
    let mut pair = pair(&Config::new().high_water_mark(usize::MAX));
    pair.client.incoming.capacity = 0;
    pair.server.connection.send(&[0; 100_000]).unwrap();
    for i in 0..=99 {
        pair.client.connection.ping(&[i]).unwrap();
        pair.run();
    }
    let waiting = pair.server.connection.buffered_amount();
    assert!(waiting <= 100_000 + 10 + 131, "{waiting}");
    pair.client.incoming.capacity = 64 << 10;
    pair.run();
    assert_eq!(pair.client.seen.last(), Some(&Seen::Pong(vec![99])));
    assert_eq!(pair.client.seen.len(), 2);
}

#[test]
fn the_close_frame_has_room_in_a_full_queue() {
    let mut pair = pair(&Config::new().high_water_mark(1_000));
    pair.client.incoming.capacity = 0;
    pair.server.connection.send(&[7; 20_000]).unwrap();
    for payload in [b"passed", b"newest"] {
        pair.client.connection.ping(payload).unwrap();
        pair.run();
    }
    assert_eq!(pair.server.connection.send("no"), Err(SendError::QueueFull));
    pair.server.connection.close(CloseFrame::from(CloseCode::TRY_AGAIN_LATER)).unwrap();
    pair.client.incoming.capacity = 10;
    pair.run();
    let pong = Seen::Pong(b"newest".into());
    let close = Seen::Close(Some((1013, String::new())));
    assert!(pair.client.seen == [Seen::Binary(vec![7; 20_000]), pong, close]);
    assert_closed_cleanly(&mut pair);
}

#[test]
fn two_large_messages_pass_each_other_in_small_pipes() {
    for delivery in [Delivery::Whole, Delivery::RandomCuts(5)] {
        let mut pair = Pair::new(&Config::new(), delivery);
        let mut random = Xorshift::new(9);
        let (up, down) = (random.bytes(500_000), random.text(500_000));
        pair.client.incoming.capacity = 1_000;
        pair.server.incoming.capacity = 700;
        pair.client.connection.send(&up).unwrap();
        pair.server.connection.send(&down).unwrap();
        pair.server.connection.close(None).unwrap();
        pair.run();
        assert_eq!(pair.server.seen, [Seen::Binary(up), Seen::Close(None)]);
        assert_eq!(pair.client.seen, [Seen::Text(down), Seen::Close(None)]);
        assert_closed_cleanly(&mut pair);
    }
}

#[test]
fn a_peer_at_fault_is_told_why_and_then_left() {
    let small = Config::new().max_message_size(10);
    let mut pair = Pair::with_configs(&Config::new(), &small, Delivery::ByteByByte);
    pair.client.connection.send("0123456789").unwrap();
    pair.client.connection.send("0123456789a").unwrap();
    pair.client.connection.send("never seen").unwrap();
    pair.run();
    assert_eq!(pair.server.seen, [Seen::Text("0123456789".into())]);
    assert_eq!(pair.server.error, Some(ProtocolError::MessageTooLarge));
    let [Seen::Close(Some((1009, _)))] = &pair.client.seen[..] else { panic!("{:?}", pair.client.seen) };
    assert_eq!(pair.shut_down, [Role::Server, Role::Client]);
    assert_eq!(pair.client.error, None);
    assert!(!pair.server.connection.close_info().unwrap().clean);
}

#[test]
fn a_pong_may_wait_behind_many_messages() {
    let mut pair = Pair::with_configs(&Config::new().keepalive(KEEPALIVE), &Config::new(), Delivery::Whole);
    pair.client.incoming.capacity = 1000;
    pair.client.incoming.stalled = true;
    for _ in 0..100 {
        pair.server.connection.send(&[0; 996]).unwrap();
    }
    pair.advance(35 * SECOND); // the client has pinged, and the pong is behind the messages
    for _ in 0..100 {
        pair.client.incoming.stalled = false;
        pair.step();
        pair.client.incoming.stalled = true;
        pair.advance(5 * SECOND);
        assert_eq!(pair.client.error, None);
    }
}
