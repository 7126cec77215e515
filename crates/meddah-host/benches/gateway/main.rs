//! What a host costs, beside a plain proxy and LiteLLM, in front of the same made-up engine.
//!
//! `cargo bench --workspace --bench gateway -- [--rounds N] [--seconds N] [--only PART] [--no-litellm]`
//!
//! Parts are `streams` (paced as a model talks), `requests` (as many as go through), `memory` (a thousand streams) and
//! `idle` (ten thousand quiet connections). Everything is a process of its own on this machine, whose clients take
//! processor time too: compare rows with each other, on a machine that does nothing else.
//!
//! `… --bench gateway -- --websockets URL TOKEN [COUNT] [PID] [SECONDS]` opens WebSockets to a host that has a world.

#![expect(clippy::print_stdout, reason = "a bench that prints tables")]

mod idle;
mod litellm;
#[path = "../load/mod.rs"]
#[expect(dead_code, reason = "the soak uses the rest")]
mod load;
mod memory;
mod pass_through;
mod requests;
mod run;
mod sides;
mod streams;
mod websockets;

use std::process::ExitCode;

/// What was asked for on the command line.
pub struct Plan {
    /// All sides take turns so many times.
    pub rounds: u64,
    /// One turn of one side.
    pub seconds: u64,
    pub litellm: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match &words[..] {
        ["--pass-through", engine] => pass_through::serve(engine).await,
        ["--websockets", url, token, rest @ ..] => websockets::hold(url, token, rest).await,
        _ => compare(&arguments).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            println!("FAILED: {why}");
            ExitCode::FAILURE
        }
    }
}

async fn compare(arguments: &[String]) -> Result<(), String> {
    let plan = Plan {
        rounds: load::number(arguments, "--rounds", 3)?.max(1),
        seconds: load::number(arguments, "--seconds", 4)?.max(1),
        litellm: !arguments.iter().any(|argument| argument == "--no-litellm"),
    };
    let only =
        arguments.iter().position(|argument| argument == "--only").and_then(|place| arguments.get(place + 1));
    let wanted = |part: &str| only.is_none_or(|only| only == part);
    load::programs::build().await?;
    if plan.litellm && (wanted("streams") || wanted("requests")) {
        litellm::install().await;
    }
    if wanted("streams") {
        streams::measure(&plan).await?;
    }
    if wanted("requests") {
        requests::measure(&plan).await?;
    }
    if wanted("memory") {
        memory::measure().await?;
    }
    if wanted("idle") {
        idle::measure().await?;
    }
    Ok(())
}
