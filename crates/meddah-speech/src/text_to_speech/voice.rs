//! Which voice speaks, and how.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::error::SpeechError;

/// Faster or slower than this is not understood.
pub const SPEED: RangeInclusive<f32> = 0.5..=2.0;
/// Semitones. Beyond, a voice no longer sounds like a person.
pub const PITCH: RangeInclusive<f32> = -4.0..=4.0;
/// 1.0 is as the voice was recorded; more than this only distorts.
pub const VOLUME: RangeInclusive<f32> = 0.0..=2.0;

/// A voice that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voice {
    /// What to ask for.
    pub name: String,
    /// As the voice says, for example `en_US`.
    pub language: String,
    /// How many speakers it has; the first is number 0.
    pub speakers: u32,
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// Made by rules instead of from a person: understood, not liked.
    pub robotic: bool,
}

/// How something is spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct VoiceSettings {
    /// A voice's name; the first installed one if there is none.
    pub voice: Option<String>,
    /// Which speaker of it.
    pub speaker: Option<u32>,
    /// What the voice is called at services, by the name of the service.
    pub elsewhere: BTreeMap<String, String>,
    /// 1.0 is the usual speed; within [`SPEED`].
    pub speed: f32,
    /// Semitones up or down, without a change of speed; within [`PITCH`].
    pub pitch: f32,
    /// 1.0 is the usual volume; within [`VOLUME`].
    pub volume: f32,
}

impl Default for VoiceSettings {
    fn default() -> Self {
        VoiceSettings {
            voice: None,
            speaker: None,
            elsewhere: BTreeMap::new(),
            speed: 1.0,
            pitch: 0.0,
            volume: 1.0,
        }
    }
}

impl VoiceSettings {
    /// Whether every number is within its range.
    pub fn check(&self) -> Result<(), SpeechError> {
        let numbers =
            [("speed", self.speed, SPEED), ("pitch", self.pitch, PITCH), ("volume", self.volume, VOLUME)];
        for (name, number, range) in numbers {
            if !range.contains(&number) {
                return Err(SpeechError::bad_request(
                    format!("`{name}` is {number}"),
                    format!("Give a number from {} to {}.", range.start(), range.end()),
                ));
            }
        }
        Ok(())
    }

    /// By how much every frequency is multiplied.
    pub(crate) fn pitch_ratio(&self) -> f32 {
        (self.pitch / 12.0).exp2()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_its_range_is_refused_with_the_range() {
        assert!(VoiceSettings::default().check().is_ok());
        let fast = VoiceSettings { speed: 9.0, ..Default::default() };
        let error = fast.check().unwrap_err();
        assert_eq!(
            (error.message.as_str(), error.help.as_str()),
            ("`speed` is 9", "Give a number from 0.5 to 2.")
        );
        assert!(VoiceSettings { pitch: f32::NAN, ..Default::default() }.check().is_err());
        assert!(VoiceSettings { volume: -0.1, ..Default::default() }.check().is_err());
    }
}
