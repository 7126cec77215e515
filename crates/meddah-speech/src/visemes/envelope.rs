//! How loud a line is over time: enough for a jaw that opens and closes, where a face has no visemes.

use std::time::Duration;

use crate::{Pcm, samples_as_time};

/// How often loudness is measured.
const STEP: Duration = Duration::from_millis(20);
/// Quieter than this is a closed mouth, and as loud as the second is an open one (decibels below full scale, RMS).
const CLOSED_DB: f32 = -50.0;
const OPEN_DB: f32 = -14.0;

/// Loudness over time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// From one level to the next.
    pub step: Duration,
    /// 0 is a closed mouth, 1 an open one.
    pub levels: Vec<f32>,
}

impl Envelope {
    /// Of sound that is there as a whole.
    pub fn of(pcm: &Pcm) -> Envelope {
        let mut meter = EnvelopeMeter::new(pcm.sample_rate_hz);
        let mut levels = meter.push(&pcm.samples);
        levels.extend(meter.finish());
        Envelope { step: meter.step(), levels }
    }
}

/// Measures sound that arrives in pieces.
pub struct EnvelopeMeter {
    sample_rate_hz: u32,
    step_samples: usize,
    power: f32,
    samples: usize,
}

impl EnvelopeMeter {
    /// For sound of this rate.
    pub fn new(sample_rate_hz: u32) -> EnvelopeMeter {
        let step_samples = (STEP.as_secs_f64() * f64::from(sample_rate_hz)).round().max(1.0) as usize;
        EnvelopeMeter { sample_rate_hz, step_samples, power: 0.0, samples: 0 }
    }

    /// About 20 ms: a whole number of samples.
    pub fn step(&self) -> Duration {
        samples_as_time(self.step_samples, self.sample_rate_hz)
    }

    /// Levels that are complete now.
    pub fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        let mut levels = Vec::with_capacity(samples.len() / self.step_samples + 1);
        for sample in samples {
            self.power += sample * sample;
            self.samples += 1;
            if self.samples == self.step_samples {
                levels.extend(self.finish());
            }
        }
        levels
    }

    /// The level of what is left, if anything is.
    pub fn finish(&mut self) -> Option<f32> {
        let samples = std::mem::take(&mut self.samples);
        let power = std::mem::take(&mut self.power) / samples.max(1) as f32;
        let decibels = 10.0 * power.max(1e-10).log10();
        (samples > 0).then(|| ((decibels - CLOSED_DB) / (OPEN_DB - CLOSED_DB)).clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_closed_and_a_loud_sound_is_open() {
        let mut samples = vec![0.0; 1600];
        samples.extend(vec![0.5; 1600]);
        samples.extend(vec![0.03; 100]);
        let envelope = Envelope::of(&Pcm { sample_rate_hz: 16_000, samples });
        assert_eq!(envelope.step, Duration::from_millis(20));
        assert_eq!(envelope.levels.len(), 11);
        assert_eq!((envelope.levels[0], envelope.levels[7]), (0.0, 1.0));
        assert!((0.4..0.7).contains(&envelope.levels[10]), "{envelope:?}");
    }

    #[test]
    fn pieces_are_measured_as_the_whole() {
        let samples: Vec<f32> = (0..5000).map(|n| (n as f32 * 0.1).sin() * n as f32 / 5000.0).collect();
        let whole = Envelope::of(&Pcm { sample_rate_hz: 22_050, samples: samples.clone() });
        let mut meter = EnvelopeMeter::new(22_050);
        let mut levels: Vec<f32> = samples.chunks(313).flat_map(|piece| meter.push(piece)).collect();
        levels.extend(meter.finish());
        assert_eq!(levels, whole.levels);
        assert!(Envelope::of(&Pcm { sample_rate_hz: 22_050, samples: Vec::new() }).levels.is_empty());
    }
}
