//! The state, and the two things that happen to it: time passes, something is felt.

use std::time::Duration;

use super::{EmotionLabel, Pad, Temperament, finite, round};

/// Seconds after which half of a feeling is gone; [`lasting`] makes it longer or shorter by label. Ours: a
/// quarrel should colour the next few sentences and be nearly over when the player comes back from the next
/// room.
pub const EPISODE_HALF_LIFE_S: f32 = 120.0;
/// Seconds after which half of what differs from the usual mood is gone. Ours: a bad morning is felt at
/// noon and forgotten the next day.
pub const MOOD_HALF_LIFE_S: f32 = 7200.0;
/// Below this intensity (0 to 1) a feeling does not show any more.
pub const FADED_INTENSITY: f32 = 0.15;
/// How far a feeling of full strength draws the mood toward its own place.
const MOOD_PULL: f32 = 0.2;
/// How strongly the usual feeling of the character's file shows. A usual feeling is a mild one, so that
/// there is room above it: a cheerful innkeeper can still be overjoyed.
const USUAL_INTENSITY: f32 = 0.4;
/// How much of a feeling is left over when the same one comes on top of it.
const CARRIED_SHARE: f32 = 0.5;

/// How a character feels at a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Emotion {
    /// The feeling of the moment; neutral if there is none.
    pub label: EmotionLabel,
    /// How strong it is, 0 to 1.
    pub intensity: f32,
    /// The mood beneath it.
    pub mood: Pad,
}

/// What is seen of it from outside.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shown {
    /// The word for it.
    pub label: EmotionLabel,
    /// 0 to 1.
    pub intensity: f32,
    /// Mood and feeling together.
    pub place: Pad,
}

impl Emotion {
    /// How the character feels when nothing has happened.
    pub fn at_rest(temperament: &Temperament) -> Emotion {
        Emotion { label: EmotionLabel::Neutral, intensity: 0.0, mood: temperament.home }
    }

    /// A state from outside, within bounds.
    pub fn tame(self) -> Emotion {
        Emotion { intensity: finite(self.intensity).clamp(0.0, 1.0), mood: self.mood.tame(), ..self }
    }

    /// The mood with the feeling on top.
    pub fn felt(&self) -> Pad {
        self.mood.toward(self.label.pad(1.0), self.intensity)
    }

    /// Whether the feeling of the moment can still be noticed.
    pub fn stirs(&self) -> bool {
        self.label != EmotionLabel::Neutral && self.intensity >= FADED_INTENSITY
    }

    /// What is seen from outside: the feeling of the moment; when that has faded, the usual one of the
    /// character's file, unless the mood has left that side.
    pub fn shown(&self, temperament: &Temperament) -> Shown {
        let usual = temperament.usual;
        let (label, intensity) = if self.stirs() {
            (self.label, self.intensity)
        } else if usual == EmotionLabel::Neutral || self.mood.pleasure * usual.pad(1.0).pleasure < 0.0 {
            (EmotionLabel::Neutral, 0.0)
        } else {
            (usual, USUAL_INTENSITY)
        };
        Shown { label, intensity: round(intensity), place: self.felt().rounded() }
    }

    /// With three digits behind the point.
    pub fn rounded(self) -> Emotion {
        Emotion { label: self.label, intensity: round(self.intensity), mood: self.mood.rounded() }
    }
}

/// How a character feels after `elapsed`, when it now feels `label` at `intensity` (0 to 1).
///
/// Time passes first. Then the feeling is scaled by the temperament, takes the place of the former one (of
/// the same one, a part is carried over), and draws the mood a little toward its own place. "Nothing in
/// particular" is no feeling that replaces one: the old one goes on fading.
pub fn step(
    current: &Emotion,
    temperament: &Temperament,
    label: EmotionLabel,
    intensity: f32,
    elapsed: Duration,
) -> Emotion {
    let rested = decay(current, temperament, elapsed);
    let intensity = (finite(intensity).clamp(0.0, 1.0) * temperament.strength(label)).min(1.0);
    if label == EmotionLabel::Neutral || intensity == 0.0 {
        return rested;
    }
    let room = 1.0 - intensity;
    let carried = if rested.label == label { rested.intensity * room * CARRIED_SHARE } else { 0.0 };
    let intensity = (intensity + carried).clamp(0.0, 1.0);
    Emotion { label, intensity, mood: rested.mood.toward(label.pad(1.0), intensity * MOOD_PULL) }
}

/// How a character feels after `elapsed` in which nothing stirred it: `x(t) = rest + (x − rest)·2^(−t/h)`,
/// for the feeling (which rests at 0) and for each axis of the mood.
pub fn decay(current: &Emotion, temperament: &Temperament, elapsed: Duration) -> Emotion {
    let left = |half_life_s: f32| (-elapsed.as_secs_f32() / half_life_s).exp2();
    let current = current.tame();
    let episode = EPISODE_HALF_LIFE_S * lasting(current.label) * temperament.lasting(current.label);
    Emotion {
        label: current.label,
        intensity: current.intensity * left(episode),
        mood: temperament.home.toward(current.mood, left(MOOD_HALF_LIFE_S)),
    }
}

/// How long a feeling lasts beside the others. The order follows P. Verduyn and S. Lavrijsen, "Which emotions
/// last longest and why" (Motivation and Emotion 39, 2015): sadness longest, joy and anger between,
/// fear, disgust and surprise short. The factors are ours.
fn lasting(label: EmotionLabel) -> f32 {
    match label {
        EmotionLabel::Sadness => 2.0,
        EmotionLabel::Joy | EmotionLabel::Affection => 1.2,
        EmotionLabel::Anger | EmotionLabel::Contempt | EmotionLabel::Neutral => 1.0,
        EmotionLabel::Fear | EmotionLabel::Curiosity => 0.7,
        EmotionLabel::Disgust | EmotionLabel::Surprise => 0.5,
    }
}
