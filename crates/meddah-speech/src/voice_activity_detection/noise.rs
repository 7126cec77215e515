//! How loud it is when nobody speaks.
//!
//! A judge of voices hears some in a crowd, a song or a television, too. The player is nearer to the microphone than
//! those: what is not louder than what is always there is not the player.

use std::collections::VecDeque;

/// What is looked back at: three seconds, which have a pause for breath in them.
const WINDOW_FRAMES: usize = 188;
/// Every speech has as many frames that are nearly silent; so the quietest frames are noise even while somebody speaks.
const QUIET_SHARE: f32 = 0.1;
/// A beginning is noticed late: the frames before it count only when it is sure that none began.
const DELAY_FRAMES: usize = 20;
/// Nothing is quieter, dB below full scale; a microphone that is switched off would make everything else loud.
const SILENCE_DB: f32 = -70.0;

/// Tracks it.
pub struct Noise {
    /// Levels of the last frames.
    levels: VecDeque<f32>,
    /// Levels of the last frames in which nobody spoke.
    quiet: VecDeque<f32>,
    /// Those that may still turn out to be a beginning.
    lately: VecDeque<f32>,
}

impl Noise {
    pub fn new() -> Noise {
        Noise { levels: VecDeque::new(), quiet: VecDeque::new(), lately: VecDeque::new() }
    }

    /// Adds a frame; `speaking` says that it is taken for part of an utterance.
    pub fn add(&mut self, level_db: f32, speaking: bool) {
        let level = level_db.max(SILENCE_DB);
        push(&mut self.levels, level, WINDOW_FRAMES);
        if speaking {
            self.lately.clear();
        } else if let Some(quiet) = push(&mut self.lately, level, DELAY_FRAMES) {
            push(&mut self.quiet, quiet, WINDOW_FRAMES);
        }
    }

    /// The usual level of the noise, and how far above it its loud moments are, dB. Both from when nobody spoke; while
    /// somebody does, noise that became less is noticed.
    pub fn level_and_spread_db(&self) -> (f32, f32) {
        let quietest = at_share(&self.levels, QUIET_SHARE).unwrap_or(SILENCE_DB);
        // In the first moments nothing else is known.
        let usual = at_share(&self.quiet, 0.5).unwrap_or(quietest);
        let loud = at_share(&self.quiet, 0.9).unwrap_or(quietest);
        (usual.min(quietest + (loud - usual).max(3.0)), loud - usual)
    }
}

/// Adds one; gives back the one that it pushes out.
fn push(levels: &mut VecDeque<f32>, level: f32, places: usize) -> Option<f32> {
    let out = if levels.len() == places { levels.pop_front() } else { None };
    levels.push_back(level);
    out
}

fn at_share(levels: &VecDeque<f32>, share: f32) -> Option<f32> {
    let mut sorted: Vec<f32> = levels.iter().copied().collect();
    let place = (sorted.len().saturating_sub(1) as f32 * share) as usize;
    (!sorted.is_empty()).then(|| *sorted.select_nth_unstable_by(place, f32::total_cmp).1)
}

/// The level of sound, dB below full scale.
pub fn level_db(samples: &[f32]) -> f32 {
    let power = samples.iter().map(|sample| sample * sample).sum::<f32>() / samples.len().max(1) as f32;
    10.0 * power.max(1e-12).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_over_noise_does_not_become_noise() {
        let mut noise = Noise::new();
        (0..200).for_each(|n| noise.add(-40.0 + (n % 3) as f32, false));
        let (level, spread) = noise.level_and_spread_db();
        assert!((level + 39.0).abs() < 1.1 && spread <= 1.1, "{level} {spread}");
        (0..200).for_each(|n| noise.add(if n % 5 == 0 { -40.0 } else { -15.0 }, true));
        assert_eq!(noise.level_and_spread_db().0, level);
    }

    #[test]
    fn noise_that_stops_is_forgotten_while_somebody_speaks() {
        let mut noise = Noise::new();
        (0..200).for_each(|_| noise.add(-30.0, false));
        (0..200).for_each(|n| noise.add(if n % 5 == 0 { -60.0 } else { -15.0 }, true));
        assert!(noise.level_and_spread_db().0 < -55.0);
    }
}
