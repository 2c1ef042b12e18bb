use harness::Failure;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long it may take to attach.
const PATIENCE: Duration = Duration::from_secs(10);

/// Counts the system calls of a process, of all its threads.
#[derive(Debug)]
pub(crate) struct Strace {
    child: Child,
}

impl Strace {
    /// Runs where the process runs, which waits for it anyway: the generator spins.
    pub(crate) fn attach(pid: u32) -> Result<Self, Failure> {
        let cpus = status(&format!("/proc/{pid}/status"), "Cpus_allowed_list:")?;
        let mut child = Command::new("taskset")
            .args(["--cpu-list", &cpus, "strace", "-f", "-qq", "--summary-only"])
            .args(["--summary-columns=calls,name", "-p", &pid.to_string()])
            .stderr(Stdio::piped())
            .spawn()?;
        let begun = Instant::now();
        while !is_traced(pid)? {
            if child.try_wait()?.is_some() || begun.elapsed() > PATIENCE {
                child.kill()?;
                let said = child.wait_with_output()?.stderr;
                return Err(format!("strace does not attach: {}", String::from_utf8_lossy(&said)).into());
            }
            thread::sleep(Duration::from_millis(1));
        }
        Ok(Self { child })
    }

    /// Names, and how often each was called.
    pub(crate) fn detach(self) -> Result<Vec<(String, u64)>, Failure> {
        // Then it prints what it has counted.
        kill_process(Pid::from_child(&self.child), Signal::INT)?;
        Ok(calls(&String::from_utf8(self.child.wait_with_output()?.stderr)?))
    }
}

fn calls(summary: &str) -> Vec<(String, u64)> {
    let lines = summary.lines().filter_map(|line| line.trim().split_once(' '));
    let calls = lines.filter_map(|(count, name)| Some((name.trim().to_owned(), count.parse().ok()?)));
    calls.filter(|(name, _)| name != "total").collect()
}

/// Whether each of its threads is.
fn is_traced(pid: u32) -> Result<bool, Failure> {
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        let path = thread?.path().join("status");
        if status(&path.to_string_lossy(), "TracerPid:")? == "0" {
            return Ok(false);
        }
    }
    Ok(true)
}

fn status(path: &str, name: &str) -> Result<String, Failure> {
    let status = fs::read_to_string(path)?;
    let value =
        status.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| format!("no {name}"))?;
    Ok(value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::calls;

    #[test]
    fn the_total_is_no_call() {
        let summary = "    calls syscall\n--------- --------\n       12 recvfrom\n        1 epoll_wait\n       13 total\n";
        assert_eq!(calls(summary), [("recvfrom".to_owned(), 12), ("epoll_wait".to_owned(), 1)]);
    }
}
