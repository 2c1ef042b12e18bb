use crate::accounts::Accounts;
use crate::arguments::Arguments;
use crate::crowd::Crowd;
use harness::{Failure, wire};
use sansocket::Opcode;
use sansocket::frame::Header;
use std::time::Instant;

/// The first member says so many messages at once, each of which the server answers to all; and again, when
/// all have all answers.
pub(crate) fn measure(arguments: &Arguments) -> Result<String, Failure> {
    let &Arguments { port, pid, connections, size, ahead, warm, seconds, .. } = arguments;
    let mut crowd = Crowd::storm(port, connections)?;
    let mut said = Vec::new();
    for _ in 0..ahead {
        wire::frame(&mut said, Opcode::Binary, 0, &[0], [1, 2, 3, 4]);
    }
    crowd.send(0, &said)?;
    verify(&mut crowd, &expected(size, ahead))?;

    let mut run = |seconds: f64| {
        let (begun, mut rounds) = (Instant::now(), 0);
        while rounds == 0 || begun.elapsed().as_secs_f64() < seconds {
            crowd.send(0, &said)?;
            crowd.receive(ahead)?;
            rounds += 1;
        }
        Ok::<_, Failure>((f64::from(rounds), begun.elapsed().as_secs_f64()))
    };
    run(warm)?;
    let before = Accounts::read(pid)?;
    let (rounds, took) = run(seconds)?;
    let after = Accounts::read(pid)?;
    let messages = rounds * (ahead * connections) as f64;
    Ok(format!(
        r#"{{"messages":{messages},"rate":{:.0},"ns":{:.1},"server":{:.3},"disturbance":{:.3}}}"#,
        messages / took,
        after.server_since(&before) / messages,
        after.server_since(&before) / 1e9 / took,
        after.disturbance_since(&before, took),
    ))
}

/// What each member gets.
fn expected(size: usize, ahead: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    Header::new(Opcode::Text, size as u64).encode(&mut frame);
    frame.extend_from_slice(wire::ascii(size).as_bytes());
    frame.repeat(ahead)
}

/// All members get these bytes, and no others.
fn verify(crowd: &mut Crowd, expected: &[u8]) -> Result<(), Failure> {
    let mut come = vec![0; crowd.members.len()];
    let mut missing = come.len() * expected.len();
    while missing > 0 {
        crowd.wait(|index, bytes| {
            if !expected[come[index]..].starts_with(bytes) {
                return Err(format!("member {index} gets something else").into());
            }
            come[index] += bytes.len();
            missing -= bytes.len();
            Ok(())
        })?;
    }
    Ok(())
}
