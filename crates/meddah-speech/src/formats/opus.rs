//! Opus in Ogg (RFC 6716, RFC 7845).

use opus_pure::{Application, Error, MAX_PACKET_BYTES, OggOpusWriter, OpusEncoder, OpusHead, Signal};

use super::{AudioFormat, Codec, FormatError};

/// The rate of everything inside.
pub const RATE_HZ: u32 = 48_000;
/// Speech of one channel sounds like itself.
const BITS_PER_SECOND: i32 = 32_000;
/// 20 ms, the usual.
const FRAME: usize = 960;
/// A page is sent when it has as much: about a tenth of a second.
const PAGE_BYTES: usize = 400;

pub struct Opus {
    encoder: OpusEncoder,
    /// None after the end.
    writer: Option<OggOpusWriter<Vec<u8>>>,
    /// Less than a frame.
    waiting: Vec<f32>,
    packet: Vec<u8>,
    /// Samples that came in.
    taken: u64,
    /// What the encoder is behind, samples.
    delay: u64,
}

impl Opus {
    pub fn new(original_hz: u32) -> Result<Opus, FormatError> {
        Opus::begin(original_hz).map_err(failed)
    }

    fn begin(original_hz: u32) -> Result<Opus, Error> {
        // `Voip` would take the lowest tones of a voice away, as a telephone does.
        let mut encoder = OpusEncoder::new(RATE_HZ as i32, 1, Application::Audio)?;
        encoder.signal_type = Some(Signal::Voice);
        encoder.bitrate_bps = BITS_PER_SECOND;
        let head = OpusHead::for_encoder(&encoder, original_hz);
        let delay = u64::from(head.pre_skip);
        let mut writer = OggOpusWriter::new(Vec::new(), head)?;
        writer.set_page_target(PAGE_BYTES);
        let packet = vec![0; MAX_PACKET_BYTES];
        Ok(Opus { encoder, writer: Some(writer), waiting: Vec::new(), packet, taken: 0, delay })
    }

    /// Encodes a frame. The last one is said to end where the sound does (RFC 7845, 4.4).
    fn frame(&mut self, frame: &[f32], is_last: bool) -> Result<(), Error> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        let bytes = self.encoder.encode(frame, FRAME, &mut self.packet)?;
        if is_last {
            let told = u64::try_from(writer.granule()).unwrap_or_default();
            let left = (self.delay + self.taken).saturating_sub(told);
            writer.write_packet_with_duration(&self.packet[..bytes], left as u32)
        } else {
            writer.write_packet(&self.packet[..bytes])
        }
    }

    fn end(&mut self) -> Result<Vec<u8>, Error> {
        // Silence brings out what the encoder still holds.
        self.waiting.resize(self.waiting.len() + self.delay as usize, 0.0);
        let frames = self.waiting.len().div_ceil(FRAME);
        self.waiting.resize(frames * FRAME, 0.0);
        let waiting = std::mem::take(&mut self.waiting);
        for (number, frame) in waiting.chunks_exact(FRAME).enumerate() {
            self.frame(frame, number + 1 == frames)?;
        }
        match self.writer.take() {
            Some(writer) => writer.finish(),
            None => Ok(Vec::new()),
        }
    }
}

impl Codec for Opus {
    fn push(&mut self, samples: &[f32]) -> Result<Vec<u8>, FormatError> {
        self.taken += samples.len() as u64;
        self.waiting.extend_from_slice(samples);
        let waiting = std::mem::take(&mut self.waiting);
        let frames = waiting.chunks_exact(FRAME);
        self.waiting = frames.remainder().to_vec();
        for frame in frames {
            self.frame(frame, false).map_err(failed)?;
        }
        let written = self.writer.as_mut().and_then(OggOpusWriter::get_mut);
        Ok(written.map(std::mem::take).unwrap_or_default())
    }

    fn finish(&mut self) -> Result<Vec<u8>, FormatError> {
        self.end().map_err(failed)
    }
}

fn failed(error: Error) -> FormatError {
    FormatError::encoder(AudioFormat::Opus, error)
}
