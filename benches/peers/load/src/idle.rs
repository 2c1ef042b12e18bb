use crate::accounts::resident;
use crate::answers::Answers;
use crate::arguments::{Arguments, Kind};
use crate::client::Client;
use crate::traffic::Traffic;
use harness::Failure;
use std::io::{Read, Write};
use std::thread;
use std::time::Duration;

/// How long a server has to come to rest.
const SETTLE: Duration = Duration::from_millis(300);

/// The first byte of a frame, and no more.
const BEGUN: [u8; 1] = [0x82];

/// Resident bytes for each connection: once many are open, once each has echoed a message, and once a byte of the
/// next has come.
pub(crate) fn measure(arguments: &Arguments) -> Result<String, Failure> {
    let offer = arguments.deflate.as_deref();
    let first = Client::connect(arguments.port, offer)?;
    let (extensions, takeover) = (first.extensions.clone(), first.takeover());
    drop(first);
    let base = settled(arguments.pid)?;
    let mut clients = Vec::new();
    for _ in 0..arguments.connections {
        clients.push(Client::connect(arguments.port, offer)?);
    }
    let opened = settled(arguments.pid)?;

    let traffic = Traffic::new(&Arguments { kind: Kind::Text, ahead: 1, ..arguments.clone() }, takeover)?;
    let mut buffer = vec![0; 64 << 10];
    for client in &mut clients {
        client.stream.write_all(traffic.burst(0))?;
        let mut answers = Answers::default();
        loop {
            match client.stream.read(&mut buffer)? {
                0 => return Err("the server has closed the connection".into()),
                n if answers.read(&buffer[..n])? > 0 => break,
                _ => {}
            }
        }
    }
    let used = settled(arguments.pid)?;
    for client in &mut clients {
        client.stream.write_all(&BEGUN)?;
    }
    let begun = settled(arguments.pid)?;
    let each = |resident: f64| (resident - base) / arguments.connections as f64;
    Ok(format!(
        r#"{{"base":{base},"opened":{:.0},"used":{:.0},"begun":{:.0},"connections":{},"extensions":{extensions:?}}}"#,
        each(opened),
        each(used),
        each(begun),
        arguments.connections,
    ))
}

/// Resident bytes, once the server has come to rest.
pub(crate) fn settled(pid: u32) -> Result<f64, Failure> {
    thread::sleep(SETTLE);
    resident(pid)
}
