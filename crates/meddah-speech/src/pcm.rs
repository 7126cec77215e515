//! Sound as plain numbers, and as a WAV file.
//!
//! One channel, because a game places a voice in its own room.

use std::io::{Seek, Write};
use std::time::Duration;

use crate::Resampler;

/// Sound of one channel.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pcm {
    /// Samples per second.
    pub sample_rate_hz: u32,
    /// -1.0 to 1.0.
    pub samples: Vec<f32>,
}

impl Pcm {
    /// How long it plays.
    pub fn duration(&self) -> Duration {
        samples_as_time(self.samples.len(), self.sample_rate_hz)
    }

    /// As numbers of 16 bits, the form that games and files take.
    pub fn to_i16(&self) -> Vec<i16> {
        Pcm::quantised(&self.samples).collect()
    }

    pub(crate) fn quantised(samples: &[f32]) -> impl Iterator<Item = i16> {
        samples.iter().map(|sample| (sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16)
    }

    /// The same sound at another rate.
    pub fn resampled(self, sample_rate_hz: u32) -> Pcm {
        let Some(mut resampler) = Resampler::between(self.sample_rate_hz, sample_rate_hz) else {
            return self;
        };
        let mut samples = resampler.push(&self.samples);
        samples.extend(resampler.finish());
        Pcm { sample_rate_hz, samples }
    }
}

/// How long so many samples play; nothing without a rate.
pub fn samples_as_time(samples: usize, sample_rate_hz: u32) -> Duration {
    Duration::from_secs_f64(samples as f64 / f64::from(sample_rate_hz.max(1)))
}

/// A WAV file that is written while the sound is still made.
pub struct WavWriter<W: Write + Seek>(hound::WavWriter<W>);

/// A WAV file could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the WAV file: {0}")]
pub struct WavError(#[from] hound::Error);

impl<W: Write + Seek> WavWriter<W> {
    /// Begins a file of 16 bits and one channel.
    pub fn new(file: W, sample_rate_hz: u32) -> Result<WavWriter<W>, WavError> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: sample_rate_hz,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        Ok(WavWriter(hound::WavWriter::new(file, spec)?))
    }

    /// Adds sound; its rate must be that of the file.
    pub fn write(&mut self, pcm: &Pcm) -> Result<(), WavError> {
        debug_assert_eq!(pcm.sample_rate_hz, self.0.spec().sample_rate);
        for sample in pcm.to_i16() {
            self.0.write_sample(sample)?;
        }
        Ok(())
    }

    /// Writes the lengths into the head of the file. Without it the file says that it is empty.
    pub fn finish(self) -> Result<(), WavError> {
        Ok(self.0.finalize()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_is_read_back_as_it_was() {
        let pcm = Pcm { sample_rate_hz: 22_050, samples: vec![0.0, 0.5, -1.0, 7.0] };
        let mut file = std::io::Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut file, 22_050).unwrap();
        writer.write(&pcm).unwrap();
        writer.finish().unwrap();
        let mut reader = hound::WavReader::new(std::io::Cursor::new(file.into_inner())).unwrap();
        assert_eq!((reader.spec().sample_rate, reader.spec().channels), (22_050, 1));
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        assert_eq!(samples, [0, 16_384, -32_767, 32_767]);
    }

    #[test]
    fn a_second_has_as_many_samples_as_its_rate() {
        let pcm = Pcm { sample_rate_hz: 16_000, samples: vec![0.0; 24_000] };
        assert_eq!(pcm.duration(), Duration::from_millis(1500));
        assert_eq!(Pcm::default().duration(), Duration::ZERO);
    }
}
