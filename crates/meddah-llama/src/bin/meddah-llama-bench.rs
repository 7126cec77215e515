//! Measures a model and writes the report as JSON.
//!
//! `meddah-llama-bench MODEL WORKER [quick] [f16] [threads=N] [characters=N] [background]`, WORKER being the program that
//! runs the worker.

use std::io::Write;
use std::process::ExitCode;

use meddah_llama::bench::{BenchPlan, run};
use meddah_llama::{KvType, LocalConfig};

fn main() -> ExitCode {
    match report() {
        Ok(report) => {
            writeln!(std::io::stdout(), "{report}").ok(); // nobody reads it
            ExitCode::SUCCESS
        }
        Err(message) => {
            writeln!(std::io::stderr(), "{message}").ok(); // nobody reads it
            ExitCode::FAILURE
        }
    }
}

fn report() -> Result<String, String> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(model), Some(worker)) = (arguments.next(), arguments.next()) else {
        return Err(
            "usage: meddah-llama-bench MODEL WORKER [quick] [f16] [threads=N] [characters=N] [background]"
                .into(),
        );
    };
    let mut config = LocalConfig::new(model, vec![worker]);
    // The game's priority would measure the game.
    config.background = false;
    let mut plan = BenchPlan::full(std::env::temp_dir());
    for argument in arguments {
        match argument.to_str() {
            Some("quick") => plan = BenchPlan::quick(std::env::temp_dir()),
            Some("f16") => config.kv_type = KvType::F16,
            Some("background") => config.background = true,
            Some(text) => {
                let number = |name: &str| text.strip_prefix(name).and_then(|count| count.parse().ok());
                match (number("threads="), number("characters=")) {
                    (Some(threads), _) => config.threads = threads,
                    (_, Some(characters)) => plan.characters = characters,
                    _ => return Err(format!("unknown argument {text:?}")),
                }
            }
            None => return Err("an argument is not valid text".into()),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let report = runtime.block_on(run(&config, &plan)).map_err(|error| format!("{error}\n{}", error.help))?;
    serde_json::to_string_pretty(&report).map_err(|error| error.to_string())
}
