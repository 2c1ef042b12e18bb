//! The load generator: one thread, TCP, frames that were made before, epoll. It spins and never sleeps, so a
//! server never pays for waking it; `busy` says for what share of the time it had something to do.
//!
//! ```text
//! load echo      --port N --pid N [--connections N] [--size N] [--ahead N] [--kind binary|text|json]
//!                [--deflate OFFER] [--warm SECONDS] [--seconds SECONDS]
//! load syscalls  --port N --pid N [--connections N] [--size N] [--ahead N] [--warm SECONDS] [--seconds SECONDS]
//! load handshake --port N --pid N [--connections N] [--count N]
//! load idle      --port N --pid N [--connections N] [--size N] [--deflate OFFER]
//! load scale     --port N --pid N [--connections N] [--size N] [--seconds SECONDS]
//! load broadcast --port N --pid N [--connections N] [--size N] [--ahead N] [--warm SECONDS] [--seconds SECONDS]
//! ```
//!
//! It prints one line of JSON.

mod accounts;
mod answers;
mod arguments;
mod broadcast;
mod client;
mod crowd;
mod echo;
mod handshake;
mod histogram;
mod idle;
mod scale;
mod strace;
mod syscalls;
mod traffic;
mod verify;

use arguments::Arguments;
use harness::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    match run() {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!(r#"{{"error":{:?}}}"#, error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, Failure> {
    let arguments = Arguments::read()?;
    match arguments.command.as_str() {
        "echo" => echo::measure(&arguments),
        "syscalls" => syscalls::measure(&arguments),
        "handshake" => handshake::measure(&arguments),
        "idle" => idle::measure(&arguments),
        "scale" => scale::measure(&arguments),
        "broadcast" => broadcast::measure(&arguments),
        other => Err(format!("there is no {other}").into()),
    }
}
