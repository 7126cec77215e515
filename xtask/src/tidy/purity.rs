//! The engine is pure: no I/O, no clock, no randomness, no async. That is what makes a character's mind
//! testable without a model, and a recorded turn repeatable.

use super::Finding;
use super::source::{RustFile, reads};

/// Arguments of cargo that list what the engine is linked with, one package a line.
pub const TREE: &[&str] =
    &["tree", "--package=meddah-engine", "--edges=normal,no-proc-macro", "--prefix=none", "--format={p}"];

/// Runtimes, sockets, web clients and servers, databases, models, sources of chance and time. `getrandom` is
/// not among them: hash tables of the schema validator seed themselves with it.
const IMPURE_CRATES: [&str; 32] = [
    "async-std",
    "axum",
    "chrono",
    "curl",
    "curl-sys",
    "diesel",
    "hyper",
    "isahc",
    "libsqlite3-sys",
    "llama-cpp-sys-2",
    "mio",
    "native-tls",
    "openssl",
    "postgres",
    "rand",
    "reqwest",
    "rusqlite",
    "rustls",
    "sled",
    "smol",
    "socket2",
    "sqlx",
    "sqlx-core",
    "tempfile",
    "time",
    "tokio",
    "tokio-postgres",
    "tonic",
    "tungstenite",
    "ureq",
    "walkdir",
    "web-time",
];
/// Modules of the standard library that reach outside.
const IMPURE_MODULES: [&str; 5] = ["env", "fs", "net", "process", "thread"];
/// Clocks, and what waits.
const IMPURE_WORDS: [&str; 4] = ["Instant", "SystemTime", "async", "await"];

const ENGINE: &str = "crates/meddah-engine/src/";

/// What the engine must not be linked with, from the output of [`TREE`].
pub fn check_tree(tree: &str) -> Vec<Finding> {
    let names = tree.lines().filter_map(|line| line.split_whitespace().next());
    if tree.lines().next().is_none_or(|line| !line.starts_with("meddah-engine ")) {
        return vec![Finding::new("meddah-engine", 0, "cargo tree does not list it, so nothing was checked")];
    }
    let mut impure: Vec<&str> = names.filter(|name| IMPURE_CRATES.contains(name)).collect();
    impure.sort_unstable();
    impure.dedup();
    let message = |name| {
        format!("must stay pure, but is linked with {name}; `cargo tree -p meddah-engine -i {name}` says why")
    };
    impure.into_iter().map(|name| Finding::new("meddah-engine", 0, message(name))).collect()
}

/// Where the engine's own code reaches outside. Its tests may.
pub fn check_source(file: &RustFile) -> Vec<Finding> {
    if !file.path.starts_with(ENGINE) {
        return Vec::new();
    }
    let tokens = file.shipped();
    let mut findings = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        let imported =
            if reads(&tokens[place..], &["std", ":", ":"]) { modules(file, place + 3) } else { vec![] };
        let impure = imported.into_iter().filter(|name| IMPURE_MODULES.contains(&name.as_str()));
        let word = IMPURE_WORDS.contains(&token.text.as_str()).then(|| token.text.clone());
        for name in impure.map(|name| format!("std::{name}")).chain(word) {
            let message = format!("the engine is pure: take what `{name}` gives as an argument");
            findings.push(Finding::new(&file.path, token.line, message));
        }
    }
    findings
}

/// The modules named at this place: `fs`, or both of `{fs, env}`.
fn modules(file: &RustFile, place: usize) -> Vec<String> {
    let tokens = file.tokens.get(place..).unwrap_or(&[]);
    if !reads(tokens, &["{"]) {
        return tokens.iter().take(1).map(|token| token.text.clone()).collect();
    }
    let mut depth = 0;
    let mut names = Vec::new();
    for pair in tokens.windows(2) {
        match pair[0].text.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        if depth == 1 && matches!(pair[0].text.as_str(), "{" | ",") {
            names.push(pair[1].text.clone());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, code: &str) -> usize {
        check_source(&RustFile::parse(path, code).unwrap()).len()
    }

    #[test]
    fn a_runtime_that_comes_in_by_the_back_door_is_found_once() {
        let tree = "meddah-engine v0.1.0 (/x)\nserde v1.0.0\ntokio v1.2.3\nmio v1.0.0\ntokio v1.2.3 (*)\n";
        let found: Vec<String> = check_tree(tree).iter().map(ToString::to_string).collect();
        assert_eq!(found.len(), 2);
        assert!(
            found[1].starts_with("meddah-engine: must stay pure, but is linked with tokio;"),
            "{found:?}"
        );
    }

    #[test]
    fn a_pure_tree_passes_and_an_empty_one_does_not() {
        let pure = "meddah-engine v0.1.0 (/x)\nserde v1.0.0\ntokio-less v1.0.0\n";
        assert_eq!(check_tree(pure), []);
        assert_eq!(check_tree("").len(), 1);
    }

    #[test]
    fn the_engine_reads_no_file_and_no_clock() {
        let path = "crates/meddah-engine/src/emotion.rs";
        let reach_outside = [
            "use std::fs;",
            "use std::time::Instant;",
            "use std::{collections::{BTreeMap}, env};",
            "fn f() { std::net::lookup() }",
            "async fn f() {}",
            "fn f() -> std::time::SystemTime { now() }",
        ];
        for code in reach_outside {
            assert_eq!(found(path, code), 1, "{code}");
            assert_eq!(found("crates/meddah/src/turn.rs", code), 0, "{code}");
        }
    }

    #[test]
    fn what_is_pure_passes_and_tests_may_reach_outside() {
        let path = "crates/meddah-engine/src/world/mod.rs";
        assert_eq!(found(path, "use std::path::Path; use std::time::Duration; fn fs(env: u8) {}"), 0);
        assert_eq!(found(path, "use std::{fmt::{self, fs}, path::Path};"), 0);
        assert_eq!(found(path, "#[cfg(test)]\nmod tests { use std::fs; }"), 0);
    }
}
