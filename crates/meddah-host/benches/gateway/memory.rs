//! A thousand streams at once: memory for each.

use std::time::Duration;

use crate::load::client::{Ask, Client};
use crate::load::programs::Pace;
use crate::run::{Manner, run};
use crate::sides::Sides;

const STREAMS: usize = 1_000;
const TOKENS: u32 = 32;
/// Slow enough that the client, the engine and the side keep up on two processors.
const TOKEN: Duration = Duration::from_millis(250);
/// When all have begun, and none has ended.
const LOOK_AFTER: Duration = Duration::from_secs(5);

pub async fn measure() -> Result<(), String> {
    let pace = Pace { slots: STREAMS as u32 + 24, token_us: TOKEN.as_micros() as u64, prefill_us: 0 };
    let sides = Sides::start(pace, false).await?;
    println!("\n## {STREAMS} streams at once, a token each {} ms\n", TOKEN.as_millis());
    println!("| side | before MB | with all MB | kB a stream | streams | failed |");
    println!("|---|---|---|---|---|---|");
    for side in &sides.sides {
        let Some(process) = &side.process else { continue };
        let client = Client::new();
        let memory = || process.figures().map_or(0.0, |figures| figures.memory as f64);
        let before = memory();
        // All at once: there is no rest, and nobody asks how late tokens are.
        let none = Duration::ZERO;
        let (ask, at_once) = (Ask::streamed(TOKENS), STREAMS);
        let manner = Manner { at_once, ask, token: none, rest_max: none, time: none };
        let running = run(&client, &side.target, None, manner);
        let looking = async {
            tokio::time::sleep(LOOK_AFTER).await;
            memory()
        };
        let (outcome, with_all) = tokio::join!(running, looking);
        println!(
            "| {} | {:.1} | {:.1} | {:.1} | {} | {} |",
            side.target.name,
            before / 1e6,
            with_all / 1e6,
            (with_all - before) / 1e3 / STREAMS as f64,
            outcome.answers,
            outcome.failed.len()
        );
        if let Some(why) = outcome.failed.first() {
            println!("\n{} failed, for example: {why}\n", side.target.name);
        }
    }
    sides.end().await;
    Ok(())
}
