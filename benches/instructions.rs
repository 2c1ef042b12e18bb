//! How many instructions the key paths take for a message: neither the machine's speed nor its load matters, so a
//! slower path is seen where nanoseconds show nothing.
//!
//! ```text
//! cargo bench --features deflate,tokio,futures --bench instructions                # fails if one rose by 5 %
//! cargo bench --features deflate,tokio,futures --bench instructions -- --update    # writes instructions.txt
//! ```
//!
//! The program runs itself again under valgrind's callgrind, which counts. Each path has been gone before it is
//! counted, so that buffers are there. The counts are those of the instructions that valgrind knows, up to AVX2,
//! and of one compiler: with another minor version of rustc, or on another architecture, nothing is compared. Nor
//! is it without valgrind, unless `SANSOCKET_CALLGRIND` is set: then that is a failure.

use std::collections::HashMap;
use std::env::{self, consts::ARCH};
use std::fmt::Write;
use std::fs;
use std::process::{Command, ExitCode};

use callgrind::{Work, do_what_is_counted};

#[path = "../tests/support/callgrind.rs"]
mod callgrind;

#[path = "instructions/connection.rs"]
mod connection;

#[path = "support/corpus.rs"]
#[expect(dead_code, reason = "one kind of message is enough here")]
mod corpus;

#[path = "support/browser.rs"]
mod browser;

#[path = "support/drain.rs"]
mod drain;

#[path = "instructions/fronts.rs"]
mod fronts;

#[path = "support/look.rs"]
mod look;

#[path = "../tests/support/wire.rs"]
#[expect(dead_code, reason = "frames are only made here")]
mod wire;

/// Of each path, while it is counted.
const MESSAGES: usize = 1 << 10;
/// So many messages come with one read.
const BURST: usize = 32;
/// By how much a count may rise, in per cent; what has fallen by more wants to be written down.
const TOLERANCE: f64 = 5.0;
/// What there was before.
const COUNTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/instructions.txt");

const HEAD: &str = "\
# Instructions a message: see instructions.rs, which compares with this and writes it anew with `-- --update`.
# Made with this compiler:
";
/// Of the column of names.
const WIDTH: usize = 40;

/// A path, and what goes along it [`MESSAGES`] times.
type Row = (&'static str, fn() -> Work);

fn main() -> ExitCode {
    let rows = [connection::ROWS, fronts::ROWS].concat();
    if callgrind::is_counted() {
        rows.iter().for_each(|(_, make)| do_what_is_counted(make()));
        return ExitCode::SUCCESS;
    }
    if cfg!(debug_assertions) || !callgrind::can_count() {
        println!("nothing is counted: this is no release build, or there is no valgrind");
        return ExitCode::SUCCESS;
    }
    let counts = callgrind::instructions(&[], rows.len());
    let counts: Vec<_> =
        rows.iter().zip(counts).map(|(&(name, _), count)| (name, count as f64 / MESSAGES as f64)).collect();
    if env::args().any(|argument| argument == "--update") {
        write(&counts);
        return ExitCode::SUCCESS;
    }
    if is_as_before(&counts) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Says what has become of each count, and whether none has risen too much.
fn is_as_before(counts: &[(&str, f64)]) -> bool {
    let file = fs::read_to_string(COUNTS).unwrap();
    let mut lines = file.lines().skip_while(|line| line.starts_with('#'));
    let (made_with, compiler) = (lines.next().unwrap_or_default(), compiler());
    let before: HashMap<_, f64> = lines
        .filter_map(|line| line.rsplit_once(' '))
        .map(|(name, count)| (name.trim_end(), count.parse().unwrap()))
        .collect();

    let (mut has_risen, mut has_fallen) = (false, before.len() > counts.len());
    for &(name, count) in counts {
        // One that is not in the file has risen beyond all limits.
        let change = before.get(name).map_or(f64::INFINITY, |before| 100.0 * (count / before - 1.0));
        let mark = if change.abs() > TOLERANCE { " !" } else { "" };
        println!("{name:WIDTH$}{count:10.1} {change:+7.1} %{mark}");
        has_risen |= change > TOLERANCE;
        has_fallen |= change < -TOLERANCE;
    }
    if made_with != compiler {
        println!("this is {compiler}, and {COUNTS} is of {made_with}: nothing is compared");
        return true;
    }
    if has_risen {
        println!("a count has risen by more than {TOLERANCE} %: if it has to, run this with `-- --update`");
    } else if has_fallen {
        println!("a count has fallen by more than {TOLERANCE} %, or is gone: run this with `-- --update`");
    }
    !has_risen
}

fn write(counts: &[(&str, f64)]) {
    let mut file = format!("{HEAD}{}\n", compiler());
    for (name, count) in counts {
        writeln!(file, "{name:WIDTH$}{count:10.1}").unwrap();
    }
    fs::write(COUNTS, &file).unwrap();
    print!("{file}");
}

/// What else than this crate decides how many there are: the minor version of the compiler, and the architecture.
fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let (minor, _patch) = version.split(' ').nth(1).unwrap().rsplit_once('.').unwrap();
    format!("rustc {minor}, {ARCH}")
}

/// Goes that way so many times, and hands over the same once more: then it is in steady state.
fn steady(times: usize, mut step: impl FnMut() + 'static) -> Work {
    let mut all = move || (0..times).for_each(|_| step());
    all();
    Box::new(all)
}
