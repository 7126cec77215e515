//! So many clients who ask one after the other, for a while.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::load::client::{Ask, Client, Failed, Target, chat};
use crate::load::process::Process;

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub answers: u64,
    pub failed: Vec<String>,
    pub first: Vec<Duration>,
    /// How much later than the engine's pace each token came, from the moment at which the request was sent.
    pub late: Vec<Duration>,
    pub whole: Vec<Duration>,
    pub wall: Duration,
    /// Processor time of the side.
    pub processor: Duration,
}

impl Outcome {
    pub fn add(&mut self, more: Outcome) {
        self.answers += more.answers;
        self.failed.extend(more.failed);
        self.first.extend(more.first);
        self.late.extend(more.late);
        self.whole.extend(more.whole);
        self.wall += more.wall;
        self.processor += more.processor;
    }

    /// Microseconds of processor time for one answer.
    pub fn processor_us(&self) -> f64 {
        self.processor.as_secs_f64() * 1e6 / self.answers.max(1) as f64
    }
}

/// Each client asks at least once.
#[expect(clippy::too_many_arguments, reason = "what a run is, each said once")]
pub async fn run(
    client: &Client,
    target: &Target,
    process: Option<&Process>,
    at_once: usize,
    ask: Ask,
    token: Duration,
    time: Duration,
) -> Outcome {
    let (begun, before) = (Instant::now(), process.and_then(Process::figures));
    let mut clients = JoinSet::new();
    for number in 0..at_once {
        let (client, target) = (client.clone(), target.clone());
        clients.spawn(async move {
            let (mut outcome, mut number) = (Outcome::default(), number);
            loop {
                outcome.note(chat(&client, &target, number, ask).await, token);
                number += at_once;
                if begun.elapsed() >= time {
                    return outcome;
                }
            }
        });
    }
    let mut all = Outcome::default();
    while let Some(outcome) = clients.join_next().await {
        all.add(outcome.unwrap_or_default());
    }
    all.wall = begun.elapsed();
    let after = process.and_then(Process::figures);
    if let Some((before, after)) = before.zip(after) {
        all.processor = after.processor.saturating_sub(before.processor);
    }
    all
}

impl Outcome {
    fn note(&mut self, heard: Result<crate::load::client::Heard, Failed>, token: Duration) {
        let heard = match heard {
            Ok(heard) => heard,
            Err(Failed::Shed) => return self.failed.push("no room".into()),
            Err(Failed::Otherwise(why)) => return self.failed.push(why),
        };
        self.answers += 1;
        self.whole.push(heard.whole);
        self.first.extend(heard.tokens.first());
        for (place, at) in (1..).zip(heard.tokens) {
            self.late.push(at.saturating_sub(token * place));
        }
    }
}
