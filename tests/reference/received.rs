//! An endpoint that receives, held against the reference: whatever comes, however it is cut, and by whichever of
//! the calls that amount to the same.

use super::{Reference, Verdict};
use crate::support::delivery::Delivery;
use crate::support::end::{End, Seen, joined};
use crate::support::random::Xorshift;
use sansocket::{Config, ProtocolError};

/// What may be done to a connection while it receives. None of it may show.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    Receive,
    Read,
    /// One or the other; now and then an event is owned, or the buffers are released.
    Mixed(u64),
}

/// Everything that an endpoint shows of what it received.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    seen: Vec<Seen>,
    error: Option<ProtocolError>,
    wire: Vec<u8>,
}

/// What comes out is the same in each of these ways as it is when all comes at once.
pub(crate) fn alike(reference: &Reference, bytes: &[u8], ways: &[(Delivery, Way)]) -> Result<(), String> {
    let shown = |delivery, way| {
        let (End { seen, error, .. }, wire) = deliver(reference, &reference.config(), bytes, delivery, way);
        Shown { seen, error, wire }
    };
    let whole = shown(Delivery::Whole, Way::Receive);
    for &(delivery, way) in ways {
        let other = shown(delivery, way);
        if other != whole {
            return Err(format!("whole: {whole:02x?}\n{delivery:?}, {way:?}: {other:02x?}"));
        }
    }
    Ok(())
}

/// It is what the reference says.
pub(crate) fn judged(
    reference: &Reference,
    bytes: &[u8],
    delivery: Delivery,
    way: Way,
) -> Result<(), String> {
    let (end, wire) = deliver(reference, &reference.config(), bytes, delivery, way);
    reference.judge(bytes).check(&end, &wire)
}

/// The parts of messages that are lent as they arrive are together what the reference says.
pub(crate) fn streamed(
    reference: &Reference,
    bytes: &[u8],
    delivery: Delivery,
    way: Way,
) -> Result<(), String> {
    let (mut end, wire) = deliver(reference, &reference.config().streaming(true), bytes, delivery, way);
    let (messages, begun) = joined(&end.seen);
    end.seen = messages;
    let judgement = reference.judge(bytes);
    judgement.check(&end, &wire)?;
    let Some(kept) = judgement.unfinished.strip_prefix(&begun[..]) else {
        return Err("what was lent is not how the last message begins".into());
    };
    // While all is well nothing is kept back but the beginning of a character.
    if judgement.verdict == Verdict::Open && kept.len() > 3 {
        return Err(format!("{} bytes kept", kept.len()));
    }
    Ok(())
}

fn deliver(
    reference: &Reference,
    config: &Config,
    bytes: &[u8],
    delivery: Delivery,
    way: Way,
) -> (End, Vec<u8>) {
    let mut end = End::new(reference.role, config.clone());
    let mut wire = Vec::new();
    let mut random = Xorshift::new(if let Way::Mixed(seed) = way { seed } else { 0 });
    for piece in delivery.pieces(bytes) {
        end.owning = matches!(way, Way::Mixed(_)) && random.below(2) == 0;
        match (way, random.below(4)) {
            (Way::Receive, _) | (Way::Mixed(_), 0 | 1) => end.receive(piece),
            (Way::Read, _) | (Way::Mixed(_), _) => end.read(piece),
        }
        if matches!(way, Way::Mixed(_)) && random.below(2) == 0 {
            end.connection.release_buffers();
        }
        wire.extend(end.write_all());
    }
    (end, wire)
}
