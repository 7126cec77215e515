//! `fake_engine --port 8080 --slots 4 --prefill-us 100 --token-us 20000`: an engine that thinks nothing, for load
//! tests. `POST /fault` makes it fail, `GET /figures` tells what it did.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use meddah_fakes::engine::{EngineShape, FakeEngine, Fault};

const USAGE: &str = "fake_engine [--port N] [--slots N] [--prefill-us N] [--token-us N] [--context N] \
                     [--model NAME] [--key KEY] [--fault \"NAME NUMBERS\"]";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match read(&arguments) {
        Some((shape, port, fault)) => {
            let engine = FakeEngine::start_on(shape, port).await;
            if let Some(fault) = fault {
                engine.set_fault(fault);
            }
            say(&engine.base_url);
            std::future::pending().await
        }
        None => {
            say(USAGE);
            ExitCode::from(2)
        }
    }
}

fn read(arguments: &[String]) -> Option<(EngineShape, u16, Option<Fault>)> {
    let (mut shape, mut port, mut fault) = (EngineShape::default(), 0, None);
    for pair in arguments.chunks(2) {
        let [flag, value] = pair else { return None };
        let number = value.parse::<u32>().ok();
        match flag.as_str() {
            "--port" => port = value.parse().ok()?,
            "--slots" => shape.slots = value.parse().ok()?,
            "--prefill-us" => shape.prefill = Duration::from_micros(number?.into()),
            "--token-us" => shape.token = Duration::from_micros(number?.into()),
            "--context" => shape.context_tokens = number?,
            "--model" => shape.model.clone_from(value),
            "--key" => shape.key = Some(value.clone()),
            "--fault" => fault = Some(Fault::parse(value)?),
            _ => return None,
        }
    }
    Some((shape, port, fault))
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}
