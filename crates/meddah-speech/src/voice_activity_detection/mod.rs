//! When somebody speaks, and when they have finished.
//!
//! [`VoiceActivity`] is the port to what tells voice from noise, frame by frame; [`Earshot`] is in the program. On top
//! are detectors without a clock, whose time is the sound that was pushed: [`UtteranceDetector`] for an open
//! microphone, [`PushToTalk`] for a key, [`BargeIn`] for a player who cuts a character short, and [`OpenMicrophone`],
//! which is the first and the last of them together.
//! [`VoiceHeard`] looks at the sound that they found.

mod barge_in;
mod earshot;
mod frames;
mod noise;
mod open_microphone;
mod pauses;
mod push_to_talk;
mod so_far;
mod utterance;
mod voice_heard;

use std::time::Duration;

pub use barge_in::BargeIn;
pub use earshot::Earshot;
pub use open_microphone::OpenMicrophone;
pub use pauses::{PAUSE_LIMIT_MAX, PAUSE_LIMIT_MIN};
pub use push_to_talk::PushToTalk;
pub use so_far::SoFar;
pub use utterance::UtteranceDetector;
pub use voice_heard::{VoiceHeard, VoiceMark};

use crate::{LISTEN_RATE_HZ, Pcm};

/// Samples that are judged at once.
pub const FRAME_SAMPLES: usize = 256;
/// How long they are.
pub const FRAME: Duration = Duration::from_millis(16);
/// Sound that is kept from before a beginning was noticed: the first consonant is often too soft to be voice.
pub const PRE_ROLL: Duration = Duration::from_millis(304);

/// Tells voice from everything else.
pub trait VoiceActivity: Send {
    /// How likely there is a voice in a frame of [`FRAME_SAMPLES`] at [`LISTEN_RATE_HZ`], 0.0 to 1.0. Frames follow
    /// each other.
    fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> f32;

    /// Forgets the frames before: other sound begins.
    fn reset(&mut self);
}

/// What is heard of somebody, in order: [`Began`](Utterance::Began), then [`Sound`](Utterance::Sound) with the others
/// between, then [`Ended`](Utterance::Ended). Times count the sound since the detector was made.
#[derive(Clone, Debug, PartialEq)]
pub enum Utterance {
    /// Somebody speaks.
    Began {
        /// Since when.
        at: Duration,
    },
    /// What they say, for whoever understands speech; the first piece begins up to [`PRE_ROLL`] before `Began`.
    Sound(Pcm),
    /// They pause. It is worth finding out now what was said, because this may have been all.
    MayBeOver {
        /// Since when.
        at: Duration,
    },
    /// It was not all.
    Resumed {
        /// Since when.
        at: Duration,
    },
    /// That was all.
    Ended {
        /// Now.
        at: Duration,
        /// Where the last voice was.
        speech_until: Duration,
    },
}

/// Samples at [`LISTEN_RATE_HZ`] as a piece of sound.
fn sound(samples: Vec<f32>) -> Utterance {
    Utterance::Sound(Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples })
}

/// Where so many frames end.
fn time(frames: u64) -> Duration {
    FRAME * u32::try_from(frames).unwrap_or(u32::MAX)
}

/// How many frames fit in.
const fn frames_in(time: Duration) -> usize {
    (time.as_millis() / FRAME.as_millis()) as usize
}

#[cfg(test)]
pub(crate) mod testing {
    //! Sound for tests, and a judge that hears a voice in every loud frame.

    use super::*;

    /// Takes everything loud for a voice.
    pub struct Loudness;

    impl VoiceActivity for Loudness {
        fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> f32 {
            let power = frame.iter().map(|sample| sample * sample).sum::<f32>() / FRAME_SAMPLES as f32;
            if power.sqrt() > 0.02 { 1.0 } else { 0.0 }
        }

        fn reset(&mut self) {}
    }

    /// Sound of this length, given in ms: `voice` or a soft hiss.
    pub fn stretch(voice: bool, ms: usize) -> Vec<f32> {
        let hiss = |n: usize| ((n * 7919) % 1000) as f32 / 1e6;
        let tone = |n: usize| 0.2 * (n as f32 * 0.06).sin();
        (0..ms * 16).map(|n| if voice { tone(n) } else { hiss(n) }).collect()
    }

    /// Stretches of voice and hiss one after the other, beginning with hiss.
    pub fn stretches(ms: &[usize]) -> Vec<f32> {
        ms.iter().enumerate().flat_map(|(number, ms)| stretch(number % 2 == 1, *ms)).collect()
    }
}
