//! `meddah-fakes --dialect openai --case tool-call --port 0`: serves one transcript, to try clients by hand.

use std::io::Write as _;
use std::process::ExitCode;

use meddah_fakes::check::DIALECTS;
use meddah_fakes::{Dialect, Fake, Play, case_names};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str| {
        let place = arguments.iter().position(|argument| argument == flag)?;
        arguments.get(place + 1).map(String::as_str)
    };
    let play = value("--dialect").and_then(Dialect::by_name).and_then(|dialect| {
        let case = value("--case").unwrap_or("turn");
        case_names(dialect.name()).iter().any(|name| name == case).then(|| Play::case(dialect, case))
    });
    let (Some(play), Ok(port)) = (play, value("--port").unwrap_or("0").parse()) else {
        say("meddah-fakes --dialect NAME [--case NAME] [--port NUMBER]");
        for (name, _) in DIALECTS {
            say(&format!("  {name}: {}", case_names(name).join(" ")));
        }
        return ExitCode::from(2);
    };
    let fake = Fake::start_on(play, port).await;
    say(fake.base_url.rsplit(':').next().unwrap_or_default());
    std::future::pending().await
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).ok();
}
