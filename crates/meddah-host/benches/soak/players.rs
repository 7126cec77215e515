//! Players with ordinary habits: they ask, listen, think for a while, and now and then go away in the middle.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand_distr::{Distribution as _, Exp};
use rand_pcg::Pcg64Mcg;
use rand_pcg::rand_core::{Rng as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::load::client::{Ask, Client, Failed, Target, chat};
use crate::load::programs::Pace;

pub const PLAYERS: usize = 64;
pub const SLOTS: u32 = 16;
pub const PACE: Pace = Pace { slots: SLOTS, token_us: 20_000, prefill_us: 100 };
/// An answer of the made-up engine has 16 to 128 tokens, and some are cut: a slot is busy for 1.3 s on average. So
/// that 64 players keep 0.8 of 16 slots busy, each is quiet for 64 * 1.3 s / (0.8 * 16) - 1.3 s.
const QUIET_MEAN: f64 = 5.2;
const QUIET_MAX: Duration = Duration::from_secs(60);
/// Of a hundred: who leaves in the middle, and what is not urgent.
const LEAVES: u32 = 8;
const SESSION: u32 = 15;
const AMBIENT: u32 = 15;

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Part {
    pub answers: u64,
    pub left: u64,
    pub shed: u64,
    pub failed: Vec<String>,
    /// Time to the first token of talk that somebody waits for.
    pub first: Vec<Duration>,
    /// How long slots were at work, from the first token to the last.
    pub busy: Duration,
}

/// What all players have met, since the last look and in all.
#[derive(Default)]
pub struct Talk {
    now: Mutex<Part>,
    total: Mutex<Part>,
}

impl Talk {
    /// All players begin; they end by themselves at `until`.
    pub fn begin(target: &Target, seed: u64, until: Instant) -> (Arc<Talk>, JoinSet<()>) {
        let (talk, mut playing) = (Arc::new(Talk::default()), JoinSet::new());
        let client = Client::new();
        for player in 0..PLAYERS {
            let (talk, client, target) = (talk.clone(), client.clone(), target.clone());
            playing.spawn(async move { talk.play(&client, &target, player, seed, until).await });
        }
        (talk, playing)
    }

    async fn play(&self, client: &Client, target: &Target, player: usize, seed: u64, until: Instant) {
        let mut random = Pcg64Mcg::seed_from_u64(seed.wrapping_mul(1_000_003) ^ player as u64);
        let quiet = Exp::new(1.0 / QUIET_MEAN).expect("a rate above 0");
        loop {
            let rest = Duration::from_secs_f64(quiet.sample(&mut random)).min(QUIET_MAX);
            if Instant::now() + rest >= until {
                return;
            }
            tokio::time::sleep(rest).await;
            let class = match random.next_u32() % 100 {
                number if number < SESSION => "session",
                number if number < SESSION + AMBIENT => "ambient",
                _ => "live",
            };
            let leaves = (random.next_u32() % 100 < LEAVES).then(|| 1 + random.next_u32() % 16);
            let seed = Some(u64::from(random.next_u32()));
            let ask = Ask { stream: true, tokens: 256, seed, class, leaves_after: leaves };
            let heard = chat(client, target, player, ask).await;
            self.note(&heard, class);
        }
    }

    fn note(&self, heard: &Result<crate::load::client::Heard, Failed>, class: &str) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        match heard {
            Ok(heard) => {
                if heard.left {
                    now.left += 1;
                } else {
                    now.answers += 1;
                }
                let first = heard.tokens.first().copied().unwrap_or(heard.whole);
                now.busy += heard.whole.saturating_sub(first);
                if class == "live" {
                    now.first.push(first);
                }
            }
            Err(Failed::Shed) => now.shed += 1,
            Err(Failed::Otherwise(why)) => now.failed.push(why.clone()),
        }
    }

    /// What happened since the last time.
    pub fn take(&self) -> Part {
        let part = std::mem::take(&mut *self.now.lock().unwrap_or_else(PoisonError::into_inner));
        let mut total = self.total.lock().unwrap_or_else(PoisonError::into_inner);
        total.answers += part.answers;
        total.left += part.left;
        total.shed += part.shed;
        total.busy += part.busy;
        total.failed.extend(part.failed.iter().cloned());
        part
    }

    /// What happened in all.
    pub fn total(&self) -> Part {
        self.take();
        self.total.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
