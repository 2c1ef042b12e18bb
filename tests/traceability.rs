//! The tables that say what holds us to which requirement are as good as they claim: `RFC6455.md`,
//! `RFC7692.md` and `AUTOBAHN.md`, beside this file, and what `SECURITY.md` says of the bugs of others.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// One line of a table: its number, and its cells.
type Row = (usize, Vec<String>);

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the table with these columns.
fn table(document: &str, columns: &[&str]) -> Vec<Row> {
    let text = fs::read_to_string(root().join("tests").join(document)).unwrap();
    let header = format!("| {} |", columns.join(" | "));
    let lines = text.lines().enumerate().skip_while(|(_, line)| *line != header);
    let section = lines.skip(2).take_while(|(_, line)| !line.starts_with('#'));
    let rows: Vec<Row> = section
        .filter(|(_, line)| line.starts_with('|'))
        .map(|(i, line)| {
            let cells = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned());
            (i + 1, cells.collect())
        })
        .collect();
    assert!(!rows.is_empty(), "{document}: no table {header}");
    for (line, cells) in &rows {
        assert_eq!(cells.len(), columns.len(), "{document}:{line}");
        assert!(cells.iter().all(|cell| !cell.is_empty()), "{document}:{line} has an empty cell");
    }
    rows
}

fn requirements(document: &str) -> Vec<Row> {
    table(document, &["§", "Words", "Requirement", "Binds", "Held by"])
}

/// "2 MUST, 1 SHOULD NOT" as numbers.
fn words(cell: &str) -> BTreeMap<&str, u32> {
    let mut words = BTreeMap::new();
    for part in cell.split(", ").filter(|part| *part != "-") {
        let (count, word) = part.split_once(' ').unwrap();
        *words.entry(word).or_default() += count.parse::<u32>().unwrap();
    }
    words
}

/// What stands between backticks and looks like `path.rs: name`.
fn tests(cell: &str) -> Vec<(&str, &str)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted.filter_map(|text| text.split_once(".rs: ").map(|_| text.split_once(": ").unwrap())).collect()
}

/// Whether a file has a test of this name: a function below `#[test]`, or a name in one of the macros that
/// make them.
fn has_test(path: &str, name: &str) -> bool {
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_function = |i: usize| {
        let function = lines[i].trim_start_matches("async ").strip_prefix("fn ");
        function.and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('('))
            && lines[..i]
                .iter()
                .rev()
                .take_while(|line| line.starts_with(['#', '/']))
                .any(|l| l.contains("test"))
    };
    let is_row = |i: usize| {
        lines[i].strip_prefix(name).is_some_and(|rest| rest.starts_with(" {")) && text.contains("rows! {")
    };
    let is_scenario = |i: usize| {
        let after = lines[i].strip_prefix("scenario!(").unwrap_or(lines[i]);
        after == format!("{name},")
            && lines[i.saturating_sub(1)..=i].iter().any(|l| l.starts_with("scenario!("))
    };
    (0..lines.len()).any(|i| is_function(i) || is_row(i) || is_scenario(i))
}

/// Adds up the words of each section, and compares them with the RFC's, which has so many in all.
fn assert_complete(document: &str, all: u32) {
    let mut found: BTreeMap<String, BTreeMap<String, u32>> = BTreeMap::new();
    for (_, cells) in requirements(document) {
        for (word, count) in words(&cells[1]) {
            *found.entry(cells[0].clone()).or_default().entry(word.to_owned()).or_default() += count;
        }
    }
    let expected = table(document, &["§", "Words"]);
    assert_eq!(expected.iter().flat_map(|(_, cells)| words(&cells[1]).into_values()).sum::<u32>(), all);
    for (line, cells) in &expected {
        let section = found.remove(&cells[0]).unwrap_or_default();
        let section: BTreeMap<_, _> = section.iter().map(|(word, count)| (word.as_str(), *count)).collect();
        assert_eq!(section, words(&cells[1]), "{document}:{line}, §{}", cells[0]);
    }
    assert!(found.is_empty(), "{document}: sections that the RFC demands nothing in: {found:?}");
}

#[test]
fn every_requirement_of_the_rfcs_has_a_row() {
    assert_complete("RFC6455.md", 174);
    assert_complete("RFC7692.md", 52);
}

#[test]
fn whatever_binds_an_implementation_names_a_test_or_why_not() {
    for document in ["RFC6455.md", "RFC7692.md"] {
        for (line, cells) in requirements(document) {
            let [_, words_of_row, _, binds, held_by] = &cells[..] else { unreachable!() };
            match &**binds {
                "client" | "server" | "both" => {
                    let must = words(words_of_row).keys().any(|word| word.starts_with("MUST"));
                    let is_excused = !must && held_by.starts_with("not followed: ");
                    assert!(!tests(held_by).is_empty() || is_excused, "{document}:{line} names no test");
                }
                "application" | "nobody here" => {}
                other => panic!("{document}:{line} binds {other}"),
            }
        }
    }
}

#[test]
fn every_test_that_is_named_exists() {
    let autobahn =
        table("AUTOBAHN.md", &["Cases", "Number", "The suite sends", "It takes", "We send", "Held by"]);
    let documents = [
        ("RFC6455.md", requirements("RFC6455.md")),
        ("RFC7692.md", requirements("RFC7692.md")),
        ("AUTOBAHN.md", autobahn),
        ("../SECURITY.md", table("../SECURITY.md", &["Bug", "Kept out by"])),
    ];
    let mut missing = Vec::new();
    for (document, rows) in &documents {
        for (line, cells) in rows {
            for (path, name) in tests(cells.last().unwrap()) {
                if !has_test(path, name) {
                    missing.push(format!("{document}:{line}: {path} has no test {name}"));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The negative cases of version 25.10.1, each with one code, and a row of the catalogue for each.
#[test]
fn every_negative_case_of_autobahn_has_one_code_and_a_test_that_asserts_it() {
    let rows =
        table("AUTOBAHN.md", &["Cases", "Number", "The suite sends", "It takes", "We send", "Held by"]);
    assert_eq!(rows.iter().map(|(_, cells)| cells[1].parse::<u32>().unwrap()).sum::<u32>(), 119);
    let source = fs::read_to_string(root().join(Path::new("tests/catalogue/autobahn.rs"))).unwrap();
    for (line, cells) in rows {
        let code: u16 = cells[4].split(',').next().unwrap().parse().unwrap();
        let [(_, name)] = tests(&cells[5])[..] else { panic!("AUTOBAHN.md:{line} names not one test") };
        let (_, body) = source.split_once(&format!(" {name} {{")).unwrap();
        let body = body.split(" ab_").next().unwrap();
        assert!(body.contains(&format!("{code})")), "AUTOBAHN.md:{line}: {name} asserts no {code}");
        let others = ["1002)", "1007)"].into_iter().filter(|other| body.contains(other)).count();
        assert_eq!(others, 1, "AUTOBAHN.md:{line}: {name} asserts one code");
    }
}
