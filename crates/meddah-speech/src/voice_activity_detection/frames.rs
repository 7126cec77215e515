//! Pieces of any size as judged frames.

use super::noise::{Noise, level_db};
use super::{FRAME_SAMPLES, VoiceActivity};

/// So sure has the judge to be that a voice begins, and that it goes on.
const BEGINS: f32 = 0.5;
const GOES_ON: f32 = 0.3;
/// So far above the usual noise has a voice to be, dB, and by how many times the noise's own spread at the beginning.
const ABOVE_NOISE_DB: f32 = 3.0;
const GOES_ON_ABOVE_DB: f32 = 0.8;
const SPREADS: f32 = 1.5;

/// A frame and what is thought of it.
pub struct Frame {
    pub samples: [f32; FRAME_SAMPLES],
    /// Level, dB below full scale.
    pub level_db: f32,
    /// Enough of a voice to begin with.
    pub begins: bool,
    /// Enough of a voice to go on with.
    pub goes_on: bool,
}

/// Judges frames.
pub struct Frames {
    judge: Box<dyn VoiceActivity>,
    noise: Noise,
    /// Less than a frame.
    waiting: Vec<f32>,
}

impl Frames {
    pub fn new(judge: Box<dyn VoiceActivity>) -> Frames {
        Frames { judge, noise: Noise::new(), waiting: Vec::with_capacity(FRAME_SAMPLES) }
    }

    /// Cuts off the frames that are whole by now.
    pub fn cut(&mut self, samples: &[f32]) -> Vec<[f32; FRAME_SAMPLES]> {
        self.waiting.extend_from_slice(samples);
        let (frames, rest) = self.waiting.as_chunks::<FRAME_SAMPLES>();
        let (frames, rest) = (frames.to_vec(), rest.to_vec());
        self.waiting = rest;
        frames
    }

    /// The usual level of the noise, dB below full scale.
    pub fn noise_db(&self) -> f32 {
        self.noise.level_and_spread_db().0
    }

    /// Judges one; `speaking` says that an utterance goes on.
    pub fn judge(&mut self, mut samples: [f32; FRAME_SAMPLES], speaking: bool) -> Frame {
        for sample in &mut samples {
            *sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        }
        let probability = self.judge.probability(&samples);
        let level_db = level_db(&samples);
        self.noise.add(level_db, speaking);
        let (noise_db, spread_db) = self.noise.level_and_spread_db();
        let above_db = level_db - noise_db;
        let begins = probability >= BEGINS && above_db >= ABOVE_NOISE_DB.max(SPREADS * spread_db + 1.0);
        let goes_on = probability >= GOES_ON && above_db >= GOES_ON_ABOVE_DB.max(spread_db);
        Frame { samples, level_db, begins, goes_on }
    }
}

/// The last frames as bits, the newest lowest.
#[derive(Clone, Copy, Default)]
pub struct Recent(u32);

impl Recent {
    pub fn add(&mut self, voice: bool) {
        self.0 = self.0 << 1 | u32::from(voice);
    }

    /// Of the last frames, how many had a voice.
    pub fn count(self, of: u32) -> u32 {
        (self.0 & ((1 << of) - 1)).count_ones()
    }

    /// How many frames ago the oldest of those was that had one; 0 is the newest.
    pub fn oldest(self, of: u32) -> u32 {
        31_u32.saturating_sub((self.0 & ((1 << of) - 1)).leading_zeros())
    }
}
