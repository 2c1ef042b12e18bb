//! Every input that the fuzz targets keep, once more, on stable and without a fuzzer. `fuzz/README.md` says what
//! each target looks for.

#[expect(dead_code, reason = "each test uses a part of it")]
mod reference;
#[expect(dead_code, reason = "each test uses a part of it")]
mod support;
/// The worlds of the simulation.
mod simulation {
    pub(crate) mod core;
    pub(crate) mod driver;
}
#[expect(unreachable_pub, reason = "the fuzz targets are outside")]
#[path = "../fuzz/src/targets/mod.rs"]
mod targets;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A target's body.
type Run = fn(&[u8]);

/// Each target's name and body. `fuzz/fuzz_targets` and `fuzz/corpus` have one entry for each.
const TARGETS: [(&str, Run); 13] = [
    ("client_stream", targets::client_stream::run),
    ("deflate", targets::deflate::run),
    ("driver", targets::driver::run),
    ("duplex", targets::duplex::run),
    ("extensions", targets::extensions::run),
    ("header", targets::header::run),
    ("http_request", targets::http_request::run),
    ("http_response", targets::http_response::run),
    ("inflate", targets::inflate::run),
    ("mask", targets::mask::run),
    ("server_stream", targets::server_stream::run),
    ("url", targets::url::run),
    ("utf8", targets::utf8::run),
];

fn entries(directory: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz").join(directory);
    let mut entries: Vec<_> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort_unstable();
    entries
}

#[test]
fn each_target_has_a_corpus_and_each_corpus_a_target() {
    let names = |directory| -> BTreeSet<_> {
        let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries(directory).into_iter().map(name).collect()
    };
    let targets: BTreeSet<_> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
    for name in targets {
        let corpus = entries(&format!("corpus/{name}"));
        let bytes: u64 = corpus.iter().map(|input| input.metadata().unwrap().len()).sum();
        assert!(!corpus.is_empty(), "{name} has no inputs");
        assert!(corpus.len() <= 120 && bytes <= 200 << 10, "{name}: {} inputs, {bytes} bytes", corpus.len());
    }
}

#[test]
fn every_input_that_is_kept_passes() {
    for (name, run) in TARGETS {
        for input in entries(&format!("corpus/{name}")) {
            println!("{}", input.display());
            run(&fs::read(&input).unwrap());
        }
    }
}
