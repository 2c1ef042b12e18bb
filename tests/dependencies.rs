//! What comes in with a dependency keeps to `deny.toml`: no banned crate, such as a generator of random numbers that
//! can be predicted, no unknown licence, nothing from elsewhere than the registry. `cargo deny check` looks at every
//! platform, and at advisories; this looks at the one it runs on.

use std::path::Path;
use std::process::Command;

/// A crate that is compiled into the library.
#[derive(Debug)]
struct Dependency {
    name: String,
    /// An SPDX expression.
    license: String,
    /// The name stands alone for a crate of the registry; anything else has its source behind the version.
    is_from_registry: bool,
}

/// All dependencies, with every feature but `native-tls`: the tests of whoever has no OpenSSL pass too.
fn dependencies() -> Vec<Dependency> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["tree", "--locked", "--offline", "--edges", "normal,build", "--features", "full"]);
    cargo.args(["--prefix", "none", "--no-dedupe", "--format", "{p}|{l}"]);
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let listed = String::from_utf8(output.stdout).unwrap();
    let dependency = |line: &str| {
        let (package, license) = line.split_once('|').unwrap();
        let mut words = package.split(' ').filter(|word| *word != "(proc-macro)");
        let (name, license) = (words.next().unwrap().to_owned(), license.to_owned());
        Dependency { name, license, is_from_registry: words.count() == 1 }
    };
    // The first is this crate.
    listed.lines().skip(1).map(dependency).collect()
}

/// The strings in the list that begins with this line of `deny.toml`; of a table only its crate.
fn strings(begins: &str) -> Vec<String> {
    let file = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml")).unwrap();
    let (_, list) = file.split_once(&format!("\n{begins} = [\n")).expect("the list is there");
    let (list, _) = list.split_once("\n]").unwrap();
    let quoted = |line: &str| Some(line.split('"').nth(1)?.to_owned());
    list.lines().filter(|line| !line.trim_start().starts_with('#')).filter_map(quoted).collect()
}

#[test]
fn no_banned_crate_is_a_dependency() {
    let (banned, dependencies) = (strings("deny"), dependencies());
    assert!(banned.iter().any(|name| name == "fastrand") && banned.len() > 10, "{banned:?}");
    assert!(dependencies.iter().any(|dependency| dependency.name == "rand"), "{dependencies:?}");
    let found: Vec<_> = dependencies.iter().filter(|dependency| banned.contains(&dependency.name)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn every_licence_is_known_and_every_crate_is_from_the_registry() {
    let known = strings("allow");
    assert!(known.iter().any(|license| license == "MIT"), "{known:?}");
    let is_known = |license: &str| known.iter().any(|known| license == known);
    for Dependency { name, license, is_from_registry } in dependencies() {
        // `(A OR B) AND C`, and in older crates `A/B`.
        let license = license.replace('/', " OR ").replace(['(', ')'], "");
        let allows =
            |all: &str| all.split(" OR ").any(|one| is_known(one.split(" WITH ").next().unwrap().trim()));
        assert!(license.split(" AND ").all(allows), "{name}: {license}");
        assert!(is_from_registry, "{name}");
    }
}
