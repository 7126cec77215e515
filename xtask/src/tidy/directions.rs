//! Who may import whom. The dependency graph is the architecture; see docs/decisions/0001.

use anyhow::Context as _;
use serde_json::Value;

use super::Finding;

/// Each crate of the workspace with the crates of the workspace that it may import, for whatever purpose.
/// But for the evaluations no list has `meddah` in it: it joins the others, and what is worth importing belongs into one of them.
const MAY_IMPORT: [(&str, &[&str]); 15] = [
    ("meddah-protocol", &[]),
    ("meddah-engine", &["meddah-protocol"]),
    ("meddah-fakes", &[]),
    ("meddah-inference", &["meddah-fakes"]),
    ("meddah-llama", &["meddah-inference"]),
    ("meddah-embedding", &["meddah-inference"]),
    ("meddah-cards", &["meddah-engine"]),
    ("meddah-speech", &["meddah-fakes", "meddah-inference"]),
    // What it takes of meddah-llama is about workers and this PC, nothing about models that talk.
    ("meddah-whisper", &["meddah-speech", "meddah-llama"]),
    ("meddah-store", &["meddah-engine", "meddah-protocol"]),
    // Its tests use the suite that it has for others.
    ("meddah-host", &["meddah-host", "meddah-fakes", "meddah-protocol", "meddah-inference"]),
    ("meddah-client", &["meddah-protocol"]),
    (
        "meddah",
        &[
            "meddah-protocol",
            "meddah-engine",
            "meddah-fakes",
            "meddah-inference",
            "meddah-llama",
            "meddah-embedding",
            "meddah-cards",
            "meddah-speech",
            "meddah-store",
            "meddah-whisper",
            "meddah-host",
        ],
    ),
    // Measures the program as a whole; nothing that ships imports it.
    (
        "evals",
        &[
            "meddah",
            "meddah-protocol",
            "meddah-engine",
            "meddah-inference",
            "meddah-llama",
            "meddah-embedding",
            "meddah-store",
        ],
    ),
    ("xtask", &[]),
];
/// What only tests may import.
const ONLY_FOR_TESTS: &str = "meddah-fakes";

/// What is wrong with the directions, from `cargo metadata --no-deps`.
pub fn check(metadata: &str) -> anyhow::Result<Vec<Finding>> {
    let metadata: Value = serde_json::from_str(metadata).context("cargo metadata is no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata names no packages")?;
    let members: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let mut findings = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(member, _)| *member == name) else {
            let message =
                "is not among the directions in xtask/src/tidy/directions.rs: say what it may import";
            findings.push(Finding::new(name, 0, message));
            continue;
        };
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let shipped =
            |dependency: &&Value| dependency["name"] == ONLY_FOR_TESTS && dependency["kind"] != "dev";
        if dependencies.clone().any(|dependency| shipped(&dependency)) {
            let message = format!("must not import {ONLY_FOR_TESTS} but for tests");
            findings.push(Finding::new(name, 0, message));
        }
        let imported = dependencies.filter_map(|dependency| dependency["name"].as_str());
        for other in imported.filter(|other| members.contains(other) && !allowed.contains(other)) {
            let message = format!("must not import {other} (docs/decisions/0001)");
            findings.push(Finding::new(name, 0, message));
        }
    }
    Ok(findings)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(packages: &[(&str, &[&str])]) -> Vec<String> {
        let packages: Vec<Value> = packages
            .iter()
            .map(|(name, imports)| {
                let imports = imports.iter().map(|name| serde_json::json!({"name": name, "kind": "dev"}));
                serde_json::json!({"name": name, "dependencies": imports.collect::<Vec<_>>()})
            })
            .collect();
        let metadata = serde_json::json!({ "packages": packages }).to_string();
        check(&metadata).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_shape_of_the_design_passes() {
        let shape: [(&str, &[&str]); 3] = [
            ("meddah-protocol", &["serde"]),
            ("meddah-engine", &["meddah-protocol", "serde"]),
            ("meddah", &["meddah-protocol", "meddah-engine", "tokio"]),
        ];
        assert_eq!(found(&shape), [""; 0]);
    }

    #[test]
    fn nobody_imports_the_binary_and_ports_do_not_know_the_engine() {
        let packages: [(&str, &[&str]); 4] = [
            ("meddah", &[]),
            ("meddah-engine", &[]),
            ("meddah-inference", &["meddah-engine"]),
            ("xtask", &["meddah"]),
        ];
        let expected = [
            "meddah-inference: must not import meddah-engine (docs/decisions/0001)",
            "xtask: must not import meddah (docs/decisions/0001)",
        ];
        assert_eq!(found(&packages), expected);
    }

    #[test]
    fn made_up_servers_are_for_tests_only() {
        let metadata = |kind: Value| {
            let import = serde_json::json!({"name": "meddah-fakes", "kind": kind});
            let package = serde_json::json!({"name": "meddah-inference", "dependencies": [import]});
            serde_json::json!({"packages": [package, {"name": "meddah-fakes"}]}).to_string()
        };
        assert_eq!(check(&metadata("dev".into())).unwrap().len(), 0);
        assert_eq!(check(&metadata(Value::Null)).unwrap().len(), 1);
    }

    #[test]
    fn a_new_crate_must_say_what_it_may_import() {
        assert!(found(&[("meddah-new", &[])])[0].contains("say what it may import"));
    }

    #[test]
    fn output_of_another_kind_is_an_error_and_not_a_pass() {
        assert!(check("{}").is_err());
        assert!(check("error: no").is_err());
    }
}
