//! Sound that comes in, as numbers.
//!
//! The bytes may be anybody's. So there is a limit to how much is read, and what is wrong is an error that says so.

use std::io::{Cursor, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use opus_pure::{MAX_PACKET_SAMPLES, OggOpusReader, Trim};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use super::{FormatError, opus};
use crate::Pcm;

/// Bytes that are read at most.
pub const BYTES_MAX: usize = 64 << 20;
/// Sound that is read at most.
pub const LENGTH_MAX: Duration = Duration::from_secs(600);
/// What somebody may have recorded with.
const RATES_HZ: std::ops::RangeInclusive<u32> = 4_000..=192_000;
/// The head of an Opus stream stands in its first page, behind the head of the page.
const FIRST_PAGE_BYTES: usize = 512;

/// Reads WAV, OGG, MP3 or Opus, whichever it is, at the rate that it has. Several channels become one.
pub fn decode(bytes: &[u8]) -> Result<Pcm, FormatError> {
    check_size(bytes)?;
    // The readers promise not to panic on any input. A talk should not end where one of them is wrong.
    let read = catch_unwind(AssertUnwindSafe(|| {
        let first_page = &bytes[..bytes.len().min(FIRST_PAGE_BYTES)];
        let is_opus = bytes.starts_with(b"OggS") && first_page.windows(8).any(|part| part == b"OpusHead");
        if is_opus { decode_opus(bytes) } else { decode_other(bytes) }
    }));
    read.unwrap_or_else(|_| Err(FormatError::unreadable("it is damaged")))
}

/// Reads numbers of 16 bits, little endian, of one channel.
pub fn decode_pcm(bytes: &[u8], sample_rate_hz: u32) -> Result<Pcm, FormatError> {
    check_size(bytes)?;
    let mut sound = Sound::new(sample_rate_hz)?;
    if !bytes.len().is_multiple_of(2) {
        return Err(FormatError::unreadable("numbers of 16 bits cannot have an odd count of bytes"));
    }
    let numbers = bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    sound.add(numbers.map(|number| f32::from(number) / 32_768.0))?;
    sound.finish()
}

fn check_size(bytes: &[u8]) -> Result<(), FormatError> {
    match bytes.len() {
        0 => Err(FormatError::Empty),
        1..=BYTES_MAX => Ok(()),
        _ => Err(FormatError::TooLong { max: LENGTH_MAX }),
    }
}

/// What was read so far.
struct Sound {
    pcm: Pcm,
    samples_max: usize,
}

impl Sound {
    fn new(sample_rate_hz: u32) -> Result<Sound, FormatError> {
        if !RATES_HZ.contains(&sample_rate_hz) {
            return Err(FormatError::unreadable(format!(
                "{sample_rate_hz} samples per second are no speech"
            )));
        }
        let samples_max = LENGTH_MAX.as_secs() as usize * sample_rate_hz as usize;
        Ok(Sound { pcm: Pcm { sample_rate_hz, samples: Vec::new() }, samples_max })
    }

    fn add(&mut self, samples: impl Iterator<Item = f32>) -> Result<(), FormatError> {
        // What is no number would poison every filter behind.
        let finite = samples.map(|sample| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 });
        self.pcm.samples.extend(finite);
        if self.pcm.samples.len() > self.samples_max {
            return Err(FormatError::TooLong { max: LENGTH_MAX });
        }
        Ok(())
    }

    /// Several channels, one after the other for each place, as their mean.
    fn add_channels(&mut self, interleaved: &[f32], channels: usize) -> Result<(), FormatError> {
        let channels = channels.max(1);
        let mean = |place: &[f32]| place.iter().sum::<f32>() / channels as f32;
        self.add(interleaved.chunks_exact(channels).map(mean))
    }

    fn finish(self) -> Result<Pcm, FormatError> {
        if self.pcm.samples.is_empty() {
            return Err(FormatError::unreadable("there is a head and no sound behind it"));
        }
        Ok(self.pcm)
    }
}

fn decode_opus(bytes: &[u8]) -> Result<Pcm, FormatError> {
    let mut reader = OggOpusReader::new(Cursor::new(bytes)).map_err(FormatError::unreadable)?;
    let channels = usize::from(reader.head().channel_count);
    let rate = opus::RATE_HZ as i32;
    let mut decoder = reader.head().decoder(rate).map_err(FormatError::unreadable)?;
    let mut trim = Trim::new(reader.head(), rate, channels).map_err(FormatError::unreadable)?;
    let mut sound = Sound::new(opus::RATE_HZ)?;
    let mut block = vec![0.0; MAX_PACKET_SAMPLES * channels];
    for packet in reader.packets() {
        // A stream that was cut off in the middle is heard until there.
        let Ok(packet) = packet else { break };
        let Ok(count) = decoder.decode(&packet.data, MAX_PACKET_SAMPLES, &mut block) else { continue };
        sound.add_channels(trim.keep(&packet, &block[..count * channels]), channels)?;
    }
    sound.finish()
}

fn decode_other(bytes: &[u8]) -> Result<Pcm, FormatError> {
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes)), Default::default());
    let (options, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let probed = symphonia::default::get_probe().probe(&Hint::new(), source, options, metadata);
    let mut reader =
        probed.map_err(|_| FormatError::unreadable("it is neither WAV nor OGG nor MP3 nor Opus"))?;
    let track =
        reader.default_track(TrackType::Audio).ok_or_else(|| FormatError::unreadable("it has no sound"))?;
    let track_id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| FormatError::unreadable("it has no sound"))?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(FormatError::unreadable)?;
    let (mut sound, mut block): (Option<Sound>, Vec<f32>) = (None, Vec::new());
    loop {
        let packet = match reader.next_packet() {
            Ok(Some(packet)) => packet,
            Ok(None) => break,
            // A file that was cut off in the middle is heard until there.
            Err(Error::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => break,
            Err(_) if sound.is_some() => break,
            Err(error) => return Err(FormatError::unreadable(error)),
        };
        if packet.track_id != track_id {
            continue;
        }
        // A damaged packet is a short silence less, not the end.
        let Ok(part) = decoder.decode(&packet) else { continue };
        let (rate_hz, channels) = (part.spec().rate(), part.spec().channels().count());
        part.copy_to_vec_interleaved(&mut block);
        let sound = match &mut sound {
            Some(sound) if sound.pcm.sample_rate_hz == rate_hz => sound,
            Some(_) => return Err(FormatError::unreadable("its rate changes in the middle")),
            none => none.insert(Sound::new(rate_hz)?),
        };
        sound.add_channels(&block, channels)?;
    }
    sound.ok_or_else(|| FormatError::unreadable("nothing in it can be decoded"))?.finish()
}
