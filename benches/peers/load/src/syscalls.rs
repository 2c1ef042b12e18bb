use crate::arguments::Arguments;
use crate::echo::Load;
use crate::strace::Strace;
use crate::traffic::Traffic;
use harness::Failure;
use std::thread;
use std::time::Duration;

/// How long a server has to answer all that it was asked.
const SETTLE: Duration = Duration::from_millis(100);

/// System calls of the server, by name, while it answers so many messages.
pub(crate) fn measure(arguments: &Arguments) -> Result<String, Failure> {
    let traffic = Traffic::new(arguments, None)?;
    let mut load = Load::new(arguments, &traffic)?;
    load.run(Duration::from_secs_f64(arguments.warm))?;
    // It comes to rest when nothing is read, with an answered burst on each connection, now and in the end: as many
    // messages are counted that were answered before as are not counted that are answered by then.
    thread::sleep(SETTLE);
    let strace = Strace::attach(arguments.pid)?;
    let before = load.count.messages;
    load.run(Duration::from_secs_f64(arguments.seconds))?;
    thread::sleep(SETTLE);
    let calls = strace.detach()?;
    let calls: Vec<String> = calls.iter().map(|(name, count)| format!(r#""{name}":{count}"#)).collect();
    Ok(format!(r#"{{"messages":{},"calls":{{{}}}}}"#, load.count.messages - before, calls.join(",")))
}
