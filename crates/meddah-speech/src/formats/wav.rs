//! WAV whose length is not known when its head is sent, and the numbers alone.
//!
//! hound writes files that it can go back in; a stream cannot go back. The head is the 44 bytes of Microsoft's
//! "Multimedia Programming Interface and Data Specifications 1.0": `RIFF`, `WAVE`, `fmt ` for PCM, `data`.

use super::{Codec, FormatError};
use crate::Pcm;

/// Read as "until the end" by players, since no file can be as long.
const LENGTH_UNKNOWN: u32 = u32::MAX;
const HEAD_BYTES: usize = 44;

/// Samples as numbers of 16 bits.
pub struct Numbers;

impl Codec for Numbers {
    fn push(&mut self, samples: &[f32]) -> Result<Vec<u8>, FormatError> {
        Ok(Pcm::quantised(samples).flat_map(i16::to_le_bytes).collect())
    }

    fn finish(&mut self) -> Result<Vec<u8>, FormatError> {
        Ok(Vec::new())
    }
}

/// A head, and then the same.
pub struct Wav {
    /// Until it was sent.
    head: Option<[u8; HEAD_BYTES]>,
}

impl Wav {
    pub fn new(rate_hz: u32) -> Wav {
        let mut head = [0; HEAD_BYTES];
        head[..4].copy_from_slice(b"RIFF");
        head[4..8].copy_from_slice(&LENGTH_UNKNOWN.to_le_bytes());
        head[8..16].copy_from_slice(b"WAVEfmt ");
        head[16..20].copy_from_slice(&16_u32.to_le_bytes()); // bytes of `fmt `
        head[20..22].copy_from_slice(&1_u16.to_le_bytes()); // PCM
        head[22..24].copy_from_slice(&1_u16.to_le_bytes()); // channels
        head[24..28].copy_from_slice(&rate_hz.to_le_bytes());
        head[28..32].copy_from_slice(&(rate_hz * 2).to_le_bytes()); // bytes a second
        head[32..34].copy_from_slice(&2_u16.to_le_bytes()); // bytes of a sample
        head[34..36].copy_from_slice(&16_u16.to_le_bytes()); // bits of a sample
        head[36..40].copy_from_slice(b"data");
        head[40..44].copy_from_slice(&LENGTH_UNKNOWN.to_le_bytes());
        Wav { head: Some(head) }
    }
}

impl Codec for Wav {
    fn push(&mut self, samples: &[f32]) -> Result<Vec<u8>, FormatError> {
        let mut bytes = self.head.take().map_or_else(Vec::new, Vec::from);
        bytes.extend(Numbers.push(samples)?);
        Ok(bytes)
    }

    fn finish(&mut self) -> Result<Vec<u8>, FormatError> {
        self.push(&[])
    }
}

/// Puts the lengths in where everything is there.
pub fn write_length(file: &mut [u8]) {
    let length = u32::try_from(file.len()).unwrap_or(LENGTH_UNKNOWN);
    if let Some(head) = file.first_chunk_mut::<HEAD_BYTES>() {
        head[4..8].copy_from_slice(&length.saturating_sub(8).to_le_bytes());
        head[40..44].copy_from_slice(&length.saturating_sub(HEAD_BYTES as u32).to_le_bytes());
    }
}
