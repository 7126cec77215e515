//! `cargo xtask tidy`: what this repository promises and no compiler checks.
//!
//! Each check is a pure function from texts to findings. Reading files and asking cargo happens here, so
//! that the checks are tested on made-up texts.

mod code;
mod directions;
mod links;
mod purity;
mod registries;
mod sizes;
mod source;

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, ensure};

use source::RustFile;

/// Something that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file, from the root of the repository.
    path: String,
    /// The line, from 1; 0 for the whole file.
    line: usize,
    /// What is wrong and what to do instead.
    message: String,
}

impl Finding {
    fn new(path: &str, line: usize, message: impl Into<String>) -> Self {
        Finding { path: path.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.message),
            line => write!(f, "{}:{line}: {}", self.path, self.message),
        }
    }
}

/// Runs all checks and prints what they found.
pub fn run() -> anyhow::Result<ExitCode> {
    let root = root()?;
    let mut findings = Vec::new();
    let mut rust_files = Vec::new();
    let paths = source::paths(&root)?;
    for path in &paths {
        let Some(text) = source::read(&root, path)? else { continue };
        findings.extend(registries::check(path, &text));
        if path.ends_with(".md") {
            findings.extend(links::check(path, &text, |target| root.join(target).exists()));
        }
        findings.extend(code::check_path(path));
        if path.ends_with(".rs") {
            match RustFile::parse(path, &text) {
                Ok(file) => rust_files.push(file),
                Err(finding) => findings.push(finding),
            }
        }
    }
    for file in &rust_files {
        findings.extend(code::check(file));
        findings.extend(purity::check_source(file));
    }
    findings.extend(directions::check(&cargo(&root, &["metadata", "--format-version=1", "--no-deps"])?)?);
    findings.extend(purity::check_tree(&cargo(&root, purity::TREE)?));

    let sizes = sizes::Sizes::of(&rust_files);
    findings.extend(sizes.check());
    say(&format!("{} files; {sizes}", paths.len()))?;
    findings.sort();
    for finding in &findings {
        say(&finding.to_string())?;
    }
    say(&if findings.is_empty() { "tidy".to_owned() } else { format!("{} findings", findings.len()) })?;
    Ok(if findings.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line on standard output.
pub fn say(text: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}")
}

fn root() -> anyhow::Result<PathBuf> {
    // As cargo says now: a build that is kept may be of another checkout.
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    here.parent().map(Path::to_owned).context("xtask lies inside the repository")
}

fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(program).args(arguments).current_dir(root).output()?;
    let problem = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo {} failed: {problem}", arguments.join(" "));
    Ok(String::from_utf8(output.stdout)?)
}
