//! Chores of the repository, run as `cargo xtask NAME`.
//!
//! They are programs and not shell scripts, so that they run on Windows too and have tests.

mod tidy;

use std::process::ExitCode;

const USAGE: &str = "cargo xtask tidy    check what the compiler does not: who may import whom, forbidden \
                     code, file sizes, links";

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tidy"] => tidy::run(),
        _ => {
            tidy::say(USAGE)?;
            Ok(ExitCode::from(2))
        }
    }
}
