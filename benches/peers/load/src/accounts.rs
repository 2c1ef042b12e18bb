//! What the kernel counts for a process, and for the machine.

use harness::Failure;
use std::fs;

/// Ticks a second, in which `/proc/stat` counts.
const TICKS: f64 = 100.0;

/// CPU time, at one instant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Accounts {
    /// Of all threads of the server: nanoseconds.
    server: f64,
    /// Its minor page faults.
    faults: f64,
    /// Of everything on the machine: seconds.
    machine: f64,
    /// What the hypervisor gave to others: seconds.
    stolen: f64,
}

impl Accounts {
    pub(crate) fn read(pid: u32) -> Result<Self, Failure> {
        let stat = fs::read_to_string("/proc/stat")?;
        let ticks: Vec<f64> = stat
            .lines()
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .filter_map(|n| n.parse().ok())
            .collect();
        let [user, nice, system, _idle, _wait, irq, softirq, stolen, ..] = ticks[..] else {
            return Err("/proc/stat cannot be read".into());
        };
        let machine = (user + nice + system + irq + softirq) / TICKS;
        Ok(Self { server: cpu_time(pid)?, faults: faults(pid)?, machine, stolen: stolen / TICKS })
    }

    /// Nanoseconds of the server's since then.
    pub(crate) fn server_since(&self, before: &Self) -> f64 {
        self.server - before.server
    }

    /// Page faults of the server's since then that no disk was needed for.
    pub(crate) fn faults_since(&self, before: &Self) -> f64 {
        self.faults - before.faults
    }

    /// By how many CPUs the sample was disturbed in these seconds: whatever else ran beside the server and the
    /// generator, which takes one, and what the hypervisor took.
    pub(crate) fn disturbance_since(&self, before: &Self, seconds: f64) -> f64 {
        let others = (self.machine - before.machine) - self.server_since(before) / 1e9 - seconds;
        (others.max(0.0) + self.stolen - before.stolen) / seconds
    }
}

fn cpu_time(pid: u32) -> Result<f64, Failure> {
    let mut nanoseconds = 0.0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may have ended meanwhile.
        let Ok(schedule) = fs::read_to_string(thread?.path().join("schedstat")) else { continue };
        nanoseconds += schedule.split(' ').next().unwrap_or_default().parse::<f64>()?;
    }
    Ok(nanoseconds)
}

/// Of all threads.
fn faults(pid: u32) -> Result<f64, Failure> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name before it may have any character in it; the third field, the state, comes first here.
    let (_, fields) = stat.rsplit_once(')').ok_or("no name")?;
    Ok(fields.split_whitespace().nth(7).ok_or("no minflt")?.parse()?)
}

/// Bytes of memory that the server has resident.
pub(crate) fn resident(pid: u32) -> Result<f64, Failure> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    let kilobytes: f64 = line.split_whitespace().next().unwrap_or_default().parse()?;
    Ok(kilobytes * 1024.0)
}
