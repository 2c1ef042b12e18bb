//! The core does no I/O, and the layers' arrows point down: so it builds wherever there is memory, such as on
//! wasm32, and each layer is of use without the one above.

use std::fs;
use std::path::{Path, PathBuf};

/// What each layer must not name, outside its tests.
const FORBIDDEN: [(&str, &[&str]); 8] = [
    ("frame", &["crate::connection", "crate::handshake", "crate::io", "crate::message"]),
    ("utf8", &["crate::connection", "crate::handshake", "crate::io", "crate::message"]),
    ("deflate", &["crate::connection", "crate::handshake", "crate::io", "crate::message"]),
    ("message", &["crate::handshake", "crate::io"]),
    ("connection", &["crate::handshake", "crate::io"]),
    ("handshake", &["crate::io"]),
    ("io/driver", &["::tokio", "futures_io", "std::net", "std::thread"]),
    ("io/opening", &["::tokio", "futures_io", "std::net", "std::thread"]),
];

/// What needs an operating system: sockets, threads, files, clocks, the environment.
const OUTSIDE: [&str; 10] = [
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "ToSocketAddrs",
    "std::thread",
    "thread::",
    "std::fs",
    "std::env",
    "Instant::now",
    "SystemTime",
];

/// The layers without I/O.
const CORE: [&str; 6] = ["frame", "utf8", "deflate", "message", "connection", "handshake"];

#[test]
fn the_core_names_nothing_that_needs_an_operating_system() {
    let mut found = Vec::new();
    for layer in CORE {
        for (path, line) in lines(layer) {
            found.extend(
                OUTSIDE.iter().filter(|name| line.contains(*name)).map(|name| complaint(&path, name)),
            );
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_arrows_point_down() {
    let mut found = Vec::new();
    for (layer, above) in FORBIDDEN {
        for (path, line) in lines(layer) {
            found.extend(above.iter().filter(|name| line.contains(*name)).map(|name| complaint(&path, name)));
        }
    }
    assert!(found.is_empty(), "{found:#?}");
}

fn complaint(path: &Path, name: &str) -> String {
    format!("{} names {name}", path.display())
}

/// The lines of code of a layer: its file and what lies in its folder, without comments and tests.
fn lines(layer: &str) -> Vec<(PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(layer);
    let mut files = vec![source.with_extension("rs")];
    let mut folders = vec![source];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.ends_with("tests") || path.ends_with("tests.rs") {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    let mut lines = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.extend(code.map(|line| (file.clone(), line.to_owned())));
    }
    assert!(lines.len() > 50, "{layer} is not where it was");
    lines
}
