//! The tables that say what holds us to which requirement are as good as they claim: `RFC6455.md`,
//! `RFC7692.md`, `AUTOBAHN.md` and `CATALOGUE.md`, beside this file, and what `SECURITY.md` says of the bugs of
//! others.

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
        ("CATALOGUE.md", table("CATALOGUE.md", &["Row", "What comes, and what is held", "Tests"])),
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

/// The sections of the catalogue, and how many rows each has.
const SECTIONS: [(&str, usize); 8] =
    [("HS", 47), ("HC", 17), ("F", 41), ("D", 19), ("T", 14), ("M", 3), ("R", 6), ("C", 1)];

/// The rows that a test's name begins with: `f_25_t_06_a_failed_write` is of F-25 and T-06.
fn rows_of(mut name: &str) -> Vec<String> {
    let mut rows = Vec::new();
    let id = |name: &str| {
        let (section, rest) = name.split_once('_')?;
        let (number, rest) = rest.split_once('_')?;
        let is_section = SECTIONS.iter().any(|(known, _)| known.to_lowercase() == section);
        let is_number = number.len() == 2 && number.bytes().all(|digit| digit.is_ascii_digit());
        (is_section && is_number).then(|| (format!("{}-{number}", section.to_uppercase()), rest.len()))
    };
    while let Some((row, rest)) = id(name) {
        rows.push(row);
        name = &name[name.len() - rest..];
    }
    rows
}

/// All Rust files of a folder, by their paths from the root.
fn sources(folder: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            sources(&path, found);
        } else if path.ends_with(".rs") {
            found.push(path);
        }
    }
}

/// For each row of the catalogue the tests that are named after it, as a cell of the table has them.
fn tests_by_row() -> BTreeMap<String, Vec<String>> {
    let (mut files, mut by_row) = (Vec::new(), BTreeMap::<_, Vec<_>>::new());
    ["src", "tests"].into_iter().for_each(|folder| sources(folder, &mut files));
    files.sort();
    for path in files {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        for line in text.lines().map(str::trim) {
            let line = line.trim_start_matches("async ");
            let line = line.strip_prefix("fn ").or_else(|| line.strip_prefix("scenario!(")).unwrap_or(line);
            let end = line.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(line.len());
            let name = &line[..end];
            let rows = rows_of(name);
            assert!(
                rows.is_empty() || has_test(&path, name),
                "{path}: {name} is named as a test, and is none"
            );
            for row in rows {
                by_row.entry(row).or_default().push(format!("`{path}: {name}`"));
            }
        }
    }
    by_row
}

#[test]
fn every_row_of_the_catalogue_has_its_tests_and_the_table_names_them_all() {
    let mut by_row = tests_by_row();
    let mut ids =
        SECTIONS.iter().flat_map(|(section, count)| (1..=*count).map(move |i| format!("{section}-{i:02}")));
    let path = root().join("tests/CATALOGUE.md");
    let document = fs::read_to_string(&path).unwrap();
    let current: String = document
        .lines()
        .map(|line| {
            let Some((id, words)) = line.strip_prefix("| ").and_then(|line| line.split_once(" | ")) else {
                return format!("{line}\n");
            };
            if id == "Row" {
                return format!("{line}\n");
            }
            assert_eq!(Some(id), ids.next().as_deref(), "the rows stand in their order, and each once");
            let tests = by_row.remove(id).unwrap_or_else(|| panic!("{id} has no test"));
            format!("| {id} | {} | {} |\n", words.split(" | ").next().unwrap(), tests.join(", "))
        })
        .collect();
    assert_eq!(ids.next(), None, "the table ends too early");
    assert!(by_row.is_empty(), "tests of rows that do not exist: {by_row:?}");
    if std::env::var_os("WRITE_TABLES").is_some() {
        fs::write(&path, &current).unwrap();
    }
    let differ = document.lines().zip(current.lines()).find(|(is, should)| is != should);
    assert!(document == current || std::env::var_os("WRITE_TABLES").is_some(), "not current: {differ:#?}");
}

#[test]
fn a_name_tells_its_rows() {
    assert_eq!(rows_of("hs_15_malformed_keys"), ["HS-15"]);
    assert_eq!(rows_of("f_25_t_06_a_failed_write"), ["F-25", "T-06"]);
    assert!(
        ["ab_2_5_a_ping", "http_1_1_is", "of_8_bits", "t_1_x", "f_25"]
            .into_iter()
            .all(|name| rows_of(name).is_empty())
    );
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
