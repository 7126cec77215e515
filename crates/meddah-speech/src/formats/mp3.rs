//! MP3, with a bit rate that follows the sound.
//!
//! A constant rate would let the encoder borrow bits between frames, and give no byte before the end.

use rusty_mp3::{Mp3Encoder, Mp3EncoderConfig};

use super::{AudioFormat, Codec, FormatError, Length};

/// On average. Speech of one channel needs no more.
const KBIT_PER_SECOND: f32 = 64.0;

pub struct Mp3 {
    encoder: Mp3Encoder,
    rate_hz: u32,
    length: Length,
    /// The first frame tells the length and how much is the codec's own silence. It is right only when everything
    /// else is done, so a stream goes without it.
    head_to_drop: bool,
}

impl Mp3 {
    pub fn new(rate_hz: u32, length: Length) -> Mp3 {
        let config = Mp3EncoderConfig { vbr_quality: Some(KBIT_PER_SECOND), ..Mp3EncoderConfig::default() };
        Mp3 { encoder: Mp3Encoder::new(config), rate_hz, length, head_to_drop: length == Length::Streamed }
    }

    fn take(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while let Ok(frame) = self.encoder.next_packet() {
            if !std::mem::take(&mut self.head_to_drop) {
                bytes.extend(frame);
            }
        }
        bytes
    }
}

impl Codec for Mp3 {
    fn push(&mut self, samples: &[f32]) -> Result<Vec<u8>, FormatError> {
        let pushed = self.encoder.push_pcm_f32(samples, 1, self.rate_hz);
        pushed.map_err(|error| FormatError::encoder(AudioFormat::Mp3, error))?;
        match self.length {
            Length::Streamed => Ok(self.take()),
            Length::Whole => Ok(Vec::new()),
        }
    }

    fn finish(&mut self) -> Result<Vec<u8>, FormatError> {
        self.push(&[])?;
        self.encoder.finish();
        Ok(self.take())
    }
}
