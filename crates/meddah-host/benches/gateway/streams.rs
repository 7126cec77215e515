//! Streams at the pace of a model: how much later everything comes than from the engine itself.

use std::time::Duration;

use crate::Plan;
use crate::load::client::{Ask, Client};
use crate::load::programs::Pace;
use crate::load::{load, ms, percentile};
use crate::run::{Manner, Outcome, run};
use crate::sides::{Side, Sides};

const TOKENS: u32 = 32;
const TOKEN: Duration = Duration::from_millis(20);
const AT_ONCE: [usize; 3] = [1, 16, 64];

pub async fn measure(plan: &Plan) -> Result<(), String> {
    let pace = Pace { slots: 256, token_us: TOKEN.as_micros() as u64, prefill_us: 0 };
    let sides = Sides::start(pace, plan.litellm).await?;
    println!("\n## Streams of {TOKENS} tokens, one each {} ms, {} rounds\n", TOKEN.as_millis(), plan.rounds);
    println!(
        "| at once | side | streams | first token p50 ms | p99 | added p50 | added p99 | token late p50 | p99 | \
         processor us a stream | failed | load |"
    );
    println!("|---|---|---|---|---|---|---|---|---|---|---|---|");
    for at_once in AT_ONCE {
        let mut outcomes: Vec<Outcome> = sides.sides.iter().map(|_| Outcome::default()).collect();
        for _ in 0..plan.rounds {
            for (side, outcome) in sides.sides.iter().zip(&mut outcomes) {
                outcome.add(turn(side, at_once, plan).await);
            }
        }
        tell(at_once, &sides, outcomes);
    }
    sides.end().await;
    Ok(())
}

async fn turn(side: &Side, at_once: usize, plan: &Plan) -> Outcome {
    let client = Client::new();
    let manner = Manner {
        at_once,
        ask: Ask::streamed(TOKENS),
        token: TOKEN,
        rest_max: TOKEN,
        time: Duration::from_secs(plan.seconds),
    };
    // Connections are made before, all at once.
    let first = Manner {
        ask: Ask::streamed(1),
        token: Duration::ZERO,
        rest_max: Duration::ZERO,
        time: Duration::ZERO,
        ..manner
    };
    run(&client, &side.target, None, first).await;
    run(&client, &side.target, side.process.as_ref(), manner).await
}

fn tell(at_once: usize, sides: &Sides, outcomes: Vec<Outcome>) {
    let mut direct = None;
    for (side, mut outcome) in sides.sides.iter().zip(outcomes) {
        let first = [0.5, 0.99].map(|share| ms(percentile(&mut outcome.first, share)));
        let late = [0.5, 0.99].map(|share| ms(percentile(&mut outcome.late, share)));
        let base = *direct.get_or_insert(first);
        let processor =
            side.process.as_ref().map_or("-".into(), |_| format!("{:.0}", outcome.processor_us()));
        println!(
            "| {at_once} | {} | {} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {:.2} | {processor} | {} | {} |",
            side.target.name,
            outcome.answers,
            first[0],
            first[1],
            first[0] - base[0],
            first[1] - base[1],
            late[0],
            late[1],
            outcome.failed.len(),
            load()
        );
        if let Some(why) = outcome.failed.first() {
            println!("\n{} failed, for example: {why}\n", side.target.name);
        }
    }
}
