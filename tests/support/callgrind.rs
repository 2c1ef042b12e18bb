//! Instructions, counted by valgrind's callgrind: a program runs itself again under it, and does there what is
//! counted.

use std::env;
use std::fs;
use std::process::{self, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is counted.
pub(crate) type Work = Box<dyn FnOnce()>;

/// Set for the process that does the work: it counts nothing itself.
const COUNTED: &str = "SANSOCKET_COUNTED";

/// The string instructions with which some copy count for each byte, and only from some length on.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_movsb_threshold=100000000:glibc.cpu.x86_rep_stosb_threshold=100000000";

/// Callgrind counts what happens in here, by its name.
#[inline(never)]
pub(crate) fn do_what_is_counted(work: Work) {
    work();
}

/// Whether this is the process that does the work.
pub(crate) fn is_counted() -> bool {
    env::var_os(COUNTED).is_some()
}

/// Whether there is a valgrind; there has to be one if `SANSOCKET_CALLGRIND` is set.
pub(crate) fn can_count() -> bool {
    let has_valgrind = Command::new("valgrind").arg("--version").stdout(Stdio::null()).status().is_ok();
    assert!(has_valgrind || env::var_os("SANSOCKET_CALLGRIND").is_none(), "no valgrind");
    has_valgrind
}

/// How many instructions this program, with these arguments, executes in each of so many calls of
/// [`do_what_is_counted`].
pub(crate) fn instructions(arguments: &[&str], calls: usize) -> Vec<u64> {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let folder = env::temp_dir().join(format!("sansocket-callgrind-{}-{run}", process::id()));
    fs::create_dir(&folder).unwrap();
    let profile = folder.join("profile");
    let function = concat!(module_path!(), "::do_what_is_counted");
    let child = Command::new("valgrind")
        .args(["--tool=callgrind", &format!("--toggle-collect={function}")])
        // Then a file for each time.
        .arg(format!("--dump-after={function}"))
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(env::current_exe().unwrap())
        .args(arguments)
        .env(COUNTED, "1")
        .env("GLIBC_TUNABLES", TUNABLES)
        .output()
        .unwrap();
    let said = [child.stdout, child.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    assert!(child.status.success(), "{said:?}");
    let count = |i: usize| -> u64 {
        let profile = fs::read_to_string(profile.with_extension(i.to_string())).unwrap();
        profile.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap().parse().unwrap()
    };
    let counts = (1..=calls).map(count).collect();
    fs::remove_dir_all(folder).unwrap();
    counts
}
