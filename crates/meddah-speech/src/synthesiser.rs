//! What a local voice has to do: make sound of one sentence, and stop when nobody listens.

use std::ops::Range;

use crate::phonemes::Item;
use crate::{SpeechError, VoiceSettings};

/// A voice in memory. Blocks while it computes.
pub(crate) trait Synthesiser: Send {
    /// Samples per second.
    fn sample_rate_hz(&self) -> u32;

    /// Speaks a sentence. Pitch and volume are not its business; speed and speaker are.
    fn speak(
        &mut self,
        sentence: &[Item],
        settings: &VoiceSettings,
        listener: &mut dyn Listener,
    ) -> Result<Flow, SpeechError>;
}

/// Who takes what a voice makes.
pub(crate) trait Listener {
    /// By what to lengthen everything, beside the settings: what is played faster for a higher pitch has to be
    /// spoken slower.
    fn slower(&self) -> f32;

    /// The sounds of a sentence, once, before or with its first sound.
    fn sounds(&mut self, sounds: Vec<Timed>);

    /// The next samples.
    fn sound(&mut self, samples: &[f32]) -> Flow;
}

/// Whether to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Go,
    /// Nobody listens.
    Stop,
}

/// A sound and its length.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Timed {
    /// Empty for a silence.
    pub ipa: String,
    /// Of which word of the text it is.
    pub word: Option<Range<usize>>,
    /// How long it is.
    pub length: Length,
}

/// Samples, with fractions, so that many of them add up.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) struct Length(pub f64);
