//! Sound as bytes: what a game plays, and what comes in to be listened to.
//!
//! A line is encoded while it is still spoken: an [`Encoder`] takes its pieces and gives bytes as soon as there are
//! some; joined they are one file. [`encode`] makes the file of a line that is already there, and can say in its head
//! how long it is. [`decode`] reads any of them.

mod decode;
mod error;
mod mp3;
mod opus;
#[cfg(test)]
mod tests;
mod vorbis;
mod wav;

use std::fmt;
use std::str::FromStr;

pub use decode::{BYTES_MAX, LENGTH_MAX, decode, decode_pcm};
pub use error::FormatError;

use crate::{Pcm, Resampler};

/// How sound is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AudioFormat {
    /// WAV: uncompressed numbers of 16 bits, with a head. Every game plays it.
    Wav,
    /// The numbers of a WAV alone: 16 bits, signed, little endian, one channel.
    Pcm,
    /// Vorbis in Ogg, about 6 kB a second.
    Ogg,
    /// MP3, about 8 kB a second.
    Mp3,
    /// Opus in Ogg, about 4 kB a second. Always 48 kHz inside; the rate that was asked for stands in its head as
    /// that of the original, which players do not use.
    Opus,
}

/// Rates that every format has.
const RATES_HZ: [u32; 6] = [16_000, 22_050, 24_000, 32_000, 44_100, 48_000];

impl AudioFormat {
    /// All there are.
    pub const ALL: [AudioFormat; 5] =
        [AudioFormat::Wav, AudioFormat::Pcm, AudioFormat::Ogg, AudioFormat::Mp3, AudioFormat::Opus];

    /// The name, which is what a file's name ends with.
    pub fn extension(self) -> &'static str {
        match self {
            AudioFormat::Wav => "wav",
            AudioFormat::Pcm => "pcm",
            AudioFormat::Ogg => "ogg",
            AudioFormat::Mp3 => "mp3",
            AudioFormat::Opus => "opus",
        }
    }

    /// The type that HTTP names. For PCM the rate belongs behind it, as in `audio/pcm;rate=22050`.
    pub fn content_type(self) -> &'static str {
        match self {
            AudioFormat::Wav => "audio/wav",
            AudioFormat::Pcm => "audio/pcm",
            AudioFormat::Ogg | AudioFormat::Opus => "audio/ogg",
            AudioFormat::Mp3 => "audio/mpeg",
        }
    }

    /// Samples per second that can be asked for.
    pub fn rates_hz(self) -> &'static [u32] {
        &RATES_HZ
    }
}

impl fmt::Display for AudioFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.extension())
    }
}

impl FromStr for AudioFormat {
    type Err = FormatError;

    /// By name, with or without a dot, in any case.
    fn from_str(name: &str) -> Result<AudioFormat, FormatError> {
        let plain = name.trim_start_matches('.').to_ascii_lowercase();
        let found = AudioFormat::ALL.into_iter().find(|format| format.extension() == plain);
        found.ok_or_else(|| FormatError::UnknownFormat { name: name.chars().take(40).collect() })
    }
}

/// A line that is there already, as one file.
pub fn encode(pcm: &Pcm, format: AudioFormat, rate_hz: u32) -> Result<Vec<u8>, FormatError> {
    let mut encoder = Encoder::with(format, rate_hz, Length::Whole)?;
    let mut bytes = encoder.push(pcm)?;
    bytes.extend(encoder.finish()?);
    if format == AudioFormat::Wav {
        wav::write_length(&mut bytes);
    }
    Ok(bytes)
}

/// Writes a line while it is made.
///
/// What a file says about its own length in its first bytes cannot be known then: a WAV says `0xFFFFFFFF`, which
/// players read as "until the end"; an MP3 says nothing, and begins with 24 to 66 ms of silence that is its codec's.
/// OGG and Opus say it at their end.
pub struct Encoder {
    format: AudioFormat,
    rate_hz: u32,
    /// The rate of the pieces, once there was one.
    source_hz: Option<u32>,
    resampler: Option<Resampler>,
    codec: Box<dyn Codec>,
}

/// What an encoder of one format does. Its sound has the rate that it was made for.
trait Codec: Send {
    /// Bytes that can be told with these.
    fn push(&mut self, samples: &[f32]) -> Result<Vec<u8>, FormatError>;
    /// The rest.
    fn finish(&mut self) -> Result<Vec<u8>, FormatError>;
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Length {
    /// Everything is there before any byte is taken.
    Whole,
    /// Bytes are taken while the sound is made.
    Streamed,
}

impl Encoder {
    /// Begins a line.
    pub fn new(format: AudioFormat, rate_hz: u32) -> Result<Encoder, FormatError> {
        Encoder::with(format, rate_hz, Length::Streamed)
    }

    fn with(format: AudioFormat, rate_hz: u32, length: Length) -> Result<Encoder, FormatError> {
        if !format.rates_hz().contains(&rate_hz) {
            return Err(FormatError::Rate { format, rate_hz });
        }
        let codec: Box<dyn Codec> = match format {
            AudioFormat::Wav => Box::new(wav::Wav::new(rate_hz)),
            AudioFormat::Pcm => Box::new(wav::Numbers),
            AudioFormat::Ogg => Box::new(vorbis::Vorbis::new(rate_hz)?),
            AudioFormat::Mp3 => Box::new(mp3::Mp3::new(rate_hz, length)),
            AudioFormat::Opus => Box::new(opus::Opus::new(rate_hz)?),
        };
        let rate_hz = if format == AudioFormat::Opus { opus::RATE_HZ } else { rate_hz };
        Ok(Encoder { format, rate_hz, source_hz: None, resampler: None, codec })
    }

    /// What it writes.
    pub fn format(&self) -> AudioFormat {
        self.format
    }

    /// Adds sound of any rate, the same for all pieces. Gives the bytes that are known by now, often none.
    pub fn push(&mut self, pcm: &Pcm) -> Result<Vec<u8>, FormatError> {
        match self.source_hz {
            None => {
                self.source_hz = Some(pcm.sample_rate_hz);
                self.resampler = Resampler::between(pcm.sample_rate_hz, self.rate_hz);
            }
            Some(expected_hz) if expected_hz != pcm.sample_rate_hz => {
                return Err(FormatError::Mixed { expected_hz, found_hz: pcm.sample_rate_hz });
            }
            Some(_) => {}
        }
        match &mut self.resampler {
            Some(resampler) => self.codec.push(&resampler.push(&pcm.samples)),
            None => self.codec.push(&pcm.samples),
        }
    }

    /// The last bytes. Nothing comes after them.
    pub fn finish(&mut self) -> Result<Vec<u8>, FormatError> {
        let mut bytes = match self.resampler.take() {
            Some(mut resampler) => self.codec.push(&resampler.finish())?,
            None => Vec::new(),
        };
        bytes.extend(self.codec.finish()?);
        Ok(bytes)
    }
}
