//! How a character feels: a mood that glides over hours, and on top of it one feeling that passes in minutes.
//!
//! A model, however small, can say which word fits; it cannot keep a mood steady over an evening. So the
//! model (or, where none decided, [`appraise`]) names a feeling, and code moves the numbers: the feeling
//! starts as strong as the character's [`Temperament`] makes it, fades by half-lives, and leaves a little of
//! itself in the mood, which finds its way back to how the character usually is. Time is an argument; the
//! same steps give the same state, and a wait cut in two is the same as a long one.
//!
//! The formulae and where their constants come from: `docs/decisions/0015-feelings.md`.

pub mod appraise;
mod elapsed;
mod label;
mod maps;
mod pad;
mod state;
mod temperament;

pub use elapsed::{Moment, REAL_ELAPSED_MAX, elapsed};
pub use label::{EmotionLabel, UnknownEmotion, adjective};
pub use maps::{LabelSet, nearest_label};
pub use pad::Pad;
pub use state::{EPISODE_HALF_LIFE_S, Emotion, FADED_INTENSITY, MOOD_HALF_LIFE_S, Shown, decay, step};
pub use temperament::Temperament;

/// A number from outside that may not be one.
fn finite(number: f32) -> f32 {
    if number.is_finite() { number } else { 0.0 }
}

/// Three digits behind the point.
fn round(number: f32) -> f32 {
    (number * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests;
