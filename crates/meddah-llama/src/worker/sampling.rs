//! Which token comes next.
//!
//! A vocabulary has up to 262,144 entries, and at most a few dozen have a chance: those far below the best
//! are dropped in one pass, before anything is sorted or exponentiated.

use meddah_inference::Sampling;

use crate::ffi::{Candidate, Dry, Token};

/// Natural logarithm of how much less likely than the best a token may be to be looked at when `min_p`
/// does not say more, at temperature 1.
const REACH: f32 = 16.0;
/// Added to what `min_p` allows: the repetition penalty may lower the best.
const PENALTY_ROOM: f32 = 10.0;

/// Draws tokens for one reply.
pub struct Sampler {
    temperature: f32,
    min_p: f32,
    random: fastrand::Rng,
    penalty: Option<Dry>,
    candidates: Vec<Candidate>,
    weights: Vec<f64>,
}

impl Sampler {
    /// With these settings; `penalty` has seen what the character said before.
    pub fn new(sampling: &Sampling, penalty: Option<Dry>) -> Sampler {
        let finite = |value: f32| if value.is_finite() { value } else { 0.0 };
        Sampler {
            temperature: finite(sampling.temperature).max(0.0),
            min_p: finite(sampling.min_p).clamp(0.0, 1.0),
            random: fastrand::Rng::with_seed(sampling.seed),
            penalty,
            candidates: Vec::new(),
            weights: Vec::new(),
        }
    }

    /// A token out of all.
    pub fn sample(&mut self, logits: &[f32]) -> Option<Token> {
        let mut candidates = std::mem::take(&mut self.candidates);
        candidates.clear();
        let reach = if self.min_p > 0.0 { PENALTY_ROOM - self.min_p.ln() } else { REACH };
        // Flat distributions at high temperatures have longer tails.
        let floor = best(logits) - reach * self.temperature.max(1.0);
        let near = logits.iter().enumerate().filter(|(_, logit)| **logit >= floor);
        candidates.extend(near.map(|(token, &logit)| Candidate { token: token as Token, logit }));
        let token = self.draw(&mut candidates);
        self.candidates = candidates;
        token
    }

    /// A token out of those.
    pub fn sample_among(&mut self, candidates: &mut [Candidate]) -> Option<Token> {
        self.draw(candidates)
    }

    /// The token is part of the reply.
    pub fn accept(&mut self, token: Token) {
        if let Some(penalty) = &mut self.penalty {
            penalty.accept(token);
        }
    }

    fn draw(&mut self, candidates: &mut [Candidate]) -> Option<Token> {
        if let Some(penalty) = &mut self.penalty {
            penalty.apply(candidates);
        }
        let top = *candidates.iter().max_by(|left, right| left.logit.total_cmp(&right.logit))?;
        if self.temperature <= f32::EPSILON {
            return Some(first_of(candidates, top.logit));
        }
        let floor = if self.min_p > 0.0 { top.logit + self.min_p.ln() } else { f32::NEG_INFINITY };
        self.weights.clear();
        self.weights.extend(candidates.iter().map(|candidate| {
            let distance = f64::from(candidate.logit - top.logit) / f64::from(self.temperature);
            if candidate.logit < floor { 0.0 } else { distance.exp() }
        }));
        let mut place = self.random.f64() * self.weights.iter().sum::<f64>();
        for (candidate, weight) in candidates.iter().zip(&self.weights) {
            place -= weight;
            if place < 0.0 && *weight > 0.0 {
                return Some(candidate.token);
            }
        }
        Some(top.token)
    }
}

fn best(logits: &[f32]) -> f32 {
    logits.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

/// The first of equals, so that the order of evaluation does not matter.
fn first_of(candidates: &[Candidate], logit: f32) -> Token {
    candidates.iter().find(|candidate| candidate.logit >= logit).map_or(0, |candidate| candidate.token)
}

/// Natural logarithm of the sum of the exponentials: what turns logits into log-probabilities.
pub fn log_sum(logits: &[f32]) -> f32 {
    let best = best(logits);
    if !best.is_finite() {
        return 0.0;
    }
    best + logits.iter().map(|logit| (logit - best).exp()).sum::<f32>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sampler(temperature: f32, min_p: f32) -> Sampler {
        Sampler::new(&Sampling { temperature, min_p, dry_multiplier: 0.0, seed: 7 }, None)
    }

    #[test]
    fn zero_temperature_takes_the_first_of_the_best() {
        assert_eq!(sampler(0.0, 0.0).sample(&[1.0, 3.0, 3.0, -2.0]), Some(1));
    }

    #[test]
    fn tokens_below_min_p_are_never_drawn_and_the_others_in_proportion() {
        let logits = [0.0, (0.5_f32).ln(), (0.05_f32).ln()];
        let mut sampler = sampler(1.0, 0.1);
        let mut counts = [0_u32; 3];
        for _ in 0..30_000 {
            counts[sampler.sample(&logits).unwrap() as usize] += 1;
        }
        assert_eq!(counts[2], 0);
        let share = f64::from(counts[1]) / 30_000.0;
        assert!((share - 1.0 / 3.0).abs() < 0.02, "{share}");
    }

    #[test]
    fn odd_settings_and_logits_do_no_harm() {
        for value in [f32::NAN, f32::INFINITY, -1.0, 1e30] {
            let sampling = Sampling { temperature: value, min_p: value, dry_multiplier: value, seed: 0 };
            assert!(Sampler::new(&sampling, None).sample(&[0.5, 1.0]).is_some());
        }
        assert_eq!(sampler(1.0, 0.1).sample(&[]), None);
    }
}
