//! As many requests as go through: what one costs, without the pace of a model.

use std::time::Duration;

use crate::Plan;
use crate::load::client::{Ask, Client};
use crate::load::programs::Pace;
use crate::load::{load, ms, percentile};
use crate::run::{Manner, Outcome, run};
use crate::sides::Sides;

const AT_ONCE: usize = 16;
/// What is asked for, in words; whether it is streamed; tokens. Only the host makes whole answers of an engine that
/// only streams.
const KINDS: [(&str, bool, u32); 3] =
    [("stream of 1", true, 1), ("stream of 32", true, 32), ("whole, of 32", false, 32)];

pub async fn measure(plan: &Plan) -> Result<(), String> {
    let pace = Pace { slots: 256, token_us: 0, prefill_us: 0 };
    let sides = Sides::start(pace, plan.litellm).await?;
    println!("\n## Requests without pace, {AT_ONCE} at once, {} rounds\n", plan.rounds);
    println!(
        "| answer | side | requests | requests/s | p50 ms | p99 | processor us a request | failed | load |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (kind, stream, tokens) in KINDS {
        let ask = Ask { stream, ..Ask::streamed(tokens) };
        let fits = |name: &str| stream || name == "meddah host";
        let mut outcomes: Vec<Outcome> = sides.sides.iter().map(|_| Outcome::default()).collect();
        for _ in 0..plan.rounds {
            for (side, outcome) in sides.sides.iter().zip(&mut outcomes) {
                if fits(side.target.name) {
                    let (client, time) = (Client::new(), Duration::from_secs(plan.seconds));
                    let process = side.process.as_ref();
                    let none = Duration::ZERO;
                    let manner = Manner { at_once: AT_ONCE, ask, token: none, rest_max: none, time };
                    outcome.add(run(&client, &side.target, process, manner).await);
                }
            }
        }
        for (side, mut outcome) in sides.sides.iter().zip(outcomes).filter(|(side, _)| fits(side.target.name))
        {
            let processor =
                side.process.as_ref().map_or("-".into(), |_| format!("{:.0}", outcome.processor_us()));
            println!(
                "| {kind} | {} | {} | {:.0} | {:.2} | {:.2} | {processor} | {} | {} |",
                side.target.name,
                outcome.answers,
                outcome.answers as f64 / outcome.wall.as_secs_f64(),
                ms(percentile(&mut outcome.whole, 0.5)),
                ms(percentile(&mut outcome.whole, 0.99)),
                outcome.failed.len(),
                load()
            );
            if let Some(why) = outcome.failed.first() {
                println!("\n{} failed, for example: {why}\n", side.target.name);
            }
        }
    }
    sides.end().await;
    Ok(())
}
