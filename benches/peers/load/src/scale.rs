use crate::accounts::Accounts;
use crate::arguments::{Arguments, Kind};
use crate::client::Client;
use crate::crowd::Crowd;
use crate::idle::settled;
use crate::traffic::Traffic;
use crate::verify::verify;
use harness::Failure;
use std::time::Instant;

/// Bytes of the message that each connection says once, before what it holds is measured again.
const ONCE: usize = 1 << 10;
/// Rounds that do not count.
const WARM: usize = 2;

/// Opens many connections at once; then all say a message, and the next when all are answered.
pub(crate) fn measure(arguments: &Arguments) -> Result<String, Failure> {
    let &Arguments { port, pid, connections, seconds, .. } = arguments;
    let once =
        Traffic::new(&Arguments { kind: Kind::Text, size: ONCE, ahead: 1, ..arguments.clone() }, None)?;
    let traffic = Traffic::new(&Arguments { ahead: 1, ..arguments.clone() }, None)?;
    verify(Client::connect(port, None)?, &once, 1)?;
    let base = settled(pid)?;

    let (before, begun) = (Accounts::read(pid)?, Instant::now());
    let mut crowd = Crowd::storm(port, connections)?;
    let storm = begun.elapsed().as_secs_f64();
    let stormed = Accounts::read(pid)?;
    let (storm_cpu, storm_disturbed) =
        (stormed.server_since(&before), stormed.disturbance_since(&before, storm));
    let opened = settled(pid)?;

    round(&mut crowd, once.burst(0))?;
    let used = settled(pid)?;

    for _ in 0..WARM {
        round(&mut crowd, traffic.burst(0))?;
    }
    let (before, begun) = (Accounts::read(pid)?, Instant::now());
    let mut rounds = 0;
    while rounds == 0 || begun.elapsed().as_secs_f64() < seconds {
        round(&mut crowd, traffic.burst(0))?;
        rounds += 1;
    }
    let (after, took) = (Accounts::read(pid)?, begun.elapsed().as_secs_f64());

    let all = connections as f64;
    let messages = all * f64::from(rounds);
    let disturbed = storm_disturbed * storm + after.disturbance_since(&before, took) * took;
    Ok(format!(
        r#"{{"storm_rate":{:.0},"storm_ns":{:.0},"opened":{:.0},"used":{:.0},"messages":{messages},"rate":{:.0},"ns":{:.1},"disturbance":{:.3}}}"#,
        all / storm,
        storm_cpu / all,
        (opened - base) / all,
        (used - base) / all,
        messages / took,
        after.server_since(&before) / messages,
        disturbed / (storm + took),
    ))
}

/// All say this, and all are answered.
fn round(crowd: &mut Crowd, burst: &[u8]) -> Result<(), Failure> {
    for index in 0..crowd.members.len() {
        crowd.send(index, burst)?;
    }
    crowd.receive(1)
}
