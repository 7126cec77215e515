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

/// How it is asked.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    pub at_once: usize,
    pub ask: Ask,
    /// The engine's pace.
    pub token: Duration,
    /// Before its first request a client rests for any part of an answer's time, and for any part of this later, so
    /// that requests do not all come in one instant.
    pub rest_max: Duration,
    /// Each client asks at least once.
    pub time: Duration,
}

pub async fn run(client: &Client, target: &Target, process: Option<&Process>, manner: Manner) -> Outcome {
    let Manner { at_once, ask, token, rest_max, time } = manner;
    let (begun, before) = (Instant::now(), process.and_then(Process::figures));
    let mut clients = JoinSet::new();
    for number in 0..at_once {
        let (client, target) = (client.clone(), target.clone());
        clients.spawn(async move {
            let (mut outcome, mut number) = (Outcome::default(), number);
            rest(token * ask.tokens, number).await;
            loop {
                outcome.note(chat(&client, &target, number, ask).await, token);
                number += at_once;
                rest(rest_max, number).await;
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

/// Rests for some part of this, to the microsecond. A timer of the runtime ends on a whole millisecond of its clock, as
/// the engine's do: with it, all requests would come at one place between two ticks of the engine, and what a side adds
/// would seem to be whole milliseconds.
async fn rest(most: Duration, number: usize) {
    if most.is_zero() {
        return;
    }
    let scattered = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32; // Fibonacci hashing
    let rest = most.mul_f64(scattered as f64 / f64::from(u32::MAX));
    tokio::time::sleep(rest.saturating_sub(Duration::from_millis(2))).await;
    let fraction = Duration::from_micros(u64::from(rest.subsec_micros() % 1000));
    tokio::task::spawn_blocking(move || std::thread::sleep(fraction)).await.ok(); // only without a runtime
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
