//! How a character feels: one of ten labels, which the model picks, and three numbers, which code moves.
//!
//! A model, however small, can say which word fits; it cannot keep a mood steady over an evening. So the
//! label is a jolt, and the numbers glide: from where the mood is, back toward how the character usually
//! is, and from there toward the jolt. Time is an argument, the same steps give the same mood.

mod label;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use label::{EmotionLabel, UnknownEmotion, adjective};

/// Seconds after which half of an emotion is gone. Ours: a quarrel should colour the next few sentences
/// and be nearly over when the player comes back from the next room.
pub const HALF_LIFE_S: f32 = 90.0;
/// Below this intensity the label is the character's usual one again, 0 to 1.
const FADED_INTENSITY: f32 = 0.15;

/// Pleasure, arousal and dominance, each -1 to 1: Mehrabian's three axes of mood.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pad {
    /// Unpleasant to pleasant.
    pub pleasure: f32,
    /// Calm to stirred up.
    pub arousal: f32,
    /// At another's mercy to in control.
    pub dominance: f32,
}

impl Pad {
    /// The point at `share` (0 to 1) of the way from here to `other`.
    fn toward(self, other: Pad, share: f32) -> Pad {
        let mix = |from: f32, to: f32| (from + (to - from) * share).clamp(-1.0, 1.0);
        Pad {
            pleasure: mix(self.pleasure, other.pleasure),
            arousal: mix(self.arousal, other.arousal),
            dominance: mix(self.dominance, other.dominance),
        }
    }
}

/// How a character feels at a moment. On the wire its fields stand side by side.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Emotion {
    /// The word for it.
    pub label: EmotionLabel,
    /// 0 to 1.
    pub intensity: f32,
    /// The mood behind the word.
    #[serde(flatten)]
    pub mood: Pad,
}

impl Default for Emotion {
    fn default() -> Self {
        Emotion::usual(EmotionLabel::Neutral)
    }
}

impl Emotion {
    /// How a character usually feels, from the label in its file. A usual mood is a mild one, so that
    /// there is room above it: a cheerful innkeeper can still be overjoyed.
    pub fn usual(label: EmotionLabel) -> Emotion {
        let intensity = if label == EmotionLabel::Neutral { 0.0 } else { 0.4 };
        Emotion { label, intensity, mood: label.pad(intensity) }
    }

    /// With three digits behind the point, which is more than anybody can feel.
    pub fn rounded(self) -> Emotion {
        let round = |number: f32| (number * 1000.0).round() / 1000.0;
        let Pad { pleasure, arousal, dominance } = self.mood;
        let mood = Pad { pleasure: round(pleasure), arousal: round(arousal), dominance: round(dominance) };
        Emotion { label: self.label, intensity: round(self.intensity), mood }
    }
}

/// How a character feels after `elapsed`, when it now feels `label` at `intensity` (0 to 1).
///
/// First the old mood decays exponentially toward `baseline` (half of the way in [`HALF_LIFE_S`]), then the
/// new feeling pulls the mood toward its place, the harder the stronger it is.
pub fn step(
    current: &Emotion,
    baseline: &Emotion,
    label: EmotionLabel,
    intensity: f32,
    elapsed: Duration,
) -> Emotion {
    let rested = decay(current, baseline, elapsed);
    let intensity = finite(intensity).clamp(0.0, 1.0);
    if label == EmotionLabel::Neutral {
        // "Nothing in particular" is not a feeling that replaces one: the old one goes on fading.
        return rested;
    }
    // A feeling on top of the same feeling adds up, with diminishing returns.
    let carried = if rested.label == label { rested.intensity * (1.0 - intensity) * 0.5 } else { 0.0 };
    let intensity = (intensity + carried).clamp(0.0, 1.0);
    Emotion { label, intensity, mood: rested.mood.toward(label.pad(1.0), intensity) }
}

/// How a character feels after `elapsed` in which nothing stirred it.
pub fn decay(current: &Emotion, baseline: &Emotion, elapsed: Duration) -> Emotion {
    let left = 0.5_f32.powf(elapsed.as_secs_f32() / HALF_LIFE_S);
    let intensity = baseline.intensity + (finite(current.intensity) - baseline.intensity) * left;
    let mood = baseline.mood.toward(current.mood, left);
    let faded = current.intensity * left < FADED_INTENSITY;
    if faded || current.label == baseline.label {
        let floor = if current.label == baseline.label { intensity } else { baseline.intensity };
        return Emotion { label: baseline.label, intensity: floor.clamp(0.0, 1.0), mood };
    }
    Emotion { label: current.label, intensity: (current.intensity * left).clamp(0.0, 1.0), mood }
}

/// A number from outside that may not be one.
fn finite(number: f32) -> f32 {
    if number.is_finite() { number } else { 0.0 }
}

#[cfg(test)]
mod tests;
