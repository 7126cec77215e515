//! Sound as services send it: bare numbers of 16 bits, or a WAV file that is still being written.
//!
//! WAV is read by hand because streams break what libraries rely on: the lengths in the head are made up, and the
//! head may come in two pieces, or again and again.

/// A head is never longer, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Rates that a voice has.
const RATES_HZ: std::ops::RangeInclusive<u32> = 8_000..=192_000;

/// Bytes that are no sound.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NoSound {
    /// It is packed in a way that is not read here.
    #[error("{0} instead of WAV or PCM")]
    Packed(&'static str),
    /// It is nothing.
    #[error("a WAV file that is damaged")]
    Damaged,
    /// Not numbers of 16 bits or 32-bit floats.
    #[error("a WAV file with samples of a kind that is not known")]
    Samples,
}

/// How samples stand in the bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Layout {
    rate_hz: u32,
    channels: usize,
    float: bool,
}

/// Reads sound that comes in pieces of any size.
#[derive(Debug)]
pub(super) struct SoundReader {
    /// Without a head it is this.
    bare: Layout,
    layout: Option<Layout>,
    /// What could not be read yet: a head, or a part of a sample.
    rest: Vec<u8>,
    /// Bytes of sound that the head promises; none if it does not know.
    left: Option<usize>,
}

impl SoundReader {
    /// For numbers of 16 bits at this rate, unless a head says otherwise.
    pub fn new(rate_hz: u32) -> SoundReader {
        let bare = Layout { rate_hz, channels: 1, float: false };
        SoundReader { bare, layout: None, rest: Vec::new(), left: None }
    }

    /// A file that is whole, or a piece of a stream in which each piece may have a head of its own.
    pub fn whole(rate_hz: u32, bytes: &[u8]) -> Result<(u32, Vec<f32>), NoSound> {
        let mut reader = SoundReader::new(rate_hz);
        let mut read = reader.push(bytes)?;
        if reader.layout.is_none() {
            // Shorter than any head.
            reader.layout = Some(reader.bare);
            let more = reader.push(&[])?;
            read = more;
        }
        Ok(read)
    }

    /// The rate and the samples that can be read now.
    pub fn push(&mut self, bytes: &[u8]) -> Result<(u32, Vec<f32>), NoSound> {
        self.rest.extend_from_slice(bytes);
        let layout = match self.layout {
            Some(layout) => layout,
            None => match self.begin()? {
                Some(layout) => layout,
                None => return Ok((self.bare.rate_hz, Vec::new())),
            },
        };
        let frame = layout.channels * if layout.float { 4 } else { 2 };
        let readable = self.rest.len().min(self.left.unwrap_or(usize::MAX)) / frame * frame;
        let samples = self.rest[..readable].chunks_exact(frame).map(|frame| mono(frame, layout)).collect();
        self.rest.drain(..readable);
        if let Some(left) = &mut self.left {
            *left -= readable;
            if *left < frame {
                // Lists of names may follow the sound.
                self.rest.clear();
            }
        }
        Ok((layout.rate_hz, samples))
    }

    /// Looks at the beginning: a head, packed sound or numbers. None as long as too little has come.
    fn begin(&mut self) -> Result<Option<Layout>, NoSound> {
        let rest = &self.rest;
        if rest.len() < 4 {
            return Ok(None);
        }
        if let Some(kind) = packed(rest) {
            return Err(NoSound::Packed(kind));
        }
        if !rest.starts_with(b"RIFF") {
            self.layout = Some(self.bare);
            return Ok(self.layout);
        }
        let Some((layout, begin, length)) = head(rest)? else {
            return if rest.len() > HEAD_BYTES_MAX { Err(NoSound::Damaged) } else { Ok(None) };
        };
        self.rest.drain(..begin);
        self.left = length;
        self.layout = Some(layout);
        Ok(self.layout)
    }
}

/// One sample of all channels.
fn mono(frame: &[u8], layout: Layout) -> f32 {
    let sum: f32 = if layout.float {
        let samples =
            frame.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]));
        samples.map(|sample| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 }).sum()
    } else {
        frame
            .chunks_exact(2)
            .map(|bytes| f32::from(i16::from_le_bytes([bytes[0], bytes[1]])) / 32_768.0)
            .sum()
    };
    sum / layout.channels as f32
}

/// The names of packed sound, by how it begins.
fn packed(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes {
        [b'I', b'D', b'3', ..] => "MP3",
        [b'O', b'g', b'g', b'S', ..] => "Ogg",
        [b'f', b'L', b'a', b'C', ..] => "FLAC",
        [b'{', b'"' | b'\n' | b' ' | b'\r', ..] => "JSON",
        [b'<', b'!' | b'h' | b'H' | b'?', ..] => "a web page",
        _ => return None,
    })
}

/// A head: how samples stand, where they begin, and how many bytes they are. None if it is not all there.
type Head = (Layout, usize, Option<usize>);

fn head(bytes: &[u8]) -> Result<Option<Head>, NoSound> {
    if bytes.len() < 12 {
        return Ok(None);
    }
    if &bytes[8..12] != b"WAVE" {
        return Err(NoSound::Damaged);
    }
    let number = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let mut layout = None;
    let mut at = 12;
    while at + 8 <= bytes.len() {
        let (name, length) = (&bytes[at..at + 4], number(at + 4) as usize);
        let begin = at + 8;
        if name == b"data" {
            let layout: Layout = layout.ok_or(NoSound::Damaged)?;
            // Whoever does not know the length yet writes 0 or the largest number, or one less a head.
            let known = (1..0x7FFF_0000).contains(&length).then_some(length);
            return Ok(Some((layout, begin, known)));
        }
        let Some(after) = begin.checked_add(length + length % 2) else { return Err(NoSound::Damaged) };
        if after > bytes.len() {
            return if length > HEAD_BYTES_MAX { Err(NoSound::Damaged) } else { Ok(None) };
        }
        if name == b"fmt " {
            if length < 16 {
                return Err(NoSound::Damaged);
            }
            layout = Some(format(&bytes[begin..after])?);
        }
        at = after;
    }
    Ok(None)
}

fn format(chunk: &[u8]) -> Result<Layout, NoSound> {
    let short = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
    let rate_hz = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
    // The extensible form names the kind once more behind.
    let kind = if short(0) == 0xFFFE && chunk.len() >= 26 { short(24) } else { short(0) };
    let (channels, bits) = (usize::from(short(2)), short(14));
    let float = match (kind, bits) {
        (1, 16) => false,
        (3, 32) => true,
        _ => return Err(NoSound::Samples),
    };
    if !(1..=8).contains(&channels) || !RATES_HZ.contains(&rate_hz) {
        return Err(NoSound::Damaged);
    }
    Ok(Layout { rate_hz, channels, float })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wav(kind: u16, channels: u16, bits: u16, length: u32, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".to_vec();
        bytes.extend(kind.to_le_bytes());
        bytes.extend(channels.to_le_bytes());
        bytes.extend(22_050_u32.to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(bits.to_le_bytes());
        bytes.extend(b"LIST\x03\0\0\0abc\0data");
        bytes.extend(length.to_le_bytes());
        bytes.extend(data);
        bytes
    }

    fn read(bytes: &[u8], size: usize) -> Result<(u32, Vec<f32>), NoSound> {
        let mut reader = SoundReader::new(24_000);
        let (mut rate, mut samples) = (0, Vec::new());
        for piece in bytes.chunks(size) {
            let read = reader.push(piece)?;
            (rate, _) = (read.0, samples.extend(read.1));
        }
        Ok((rate, samples))
    }

    #[test]
    fn heads_with_made_up_lengths_are_understood() {
        let data = [0, 64, 0, 192];
        for length in [0, 4, u32::MAX, u32::MAX - 36] {
            assert_eq!(read(&wav(1, 1, 16, length, &data), 5), Ok((22_050, vec![0.5, -0.5])), "{length}");
        }
        assert_eq!(
            read(&wav(1, 1, 16, 2, b"\0\x40LIST"), 3),
            Ok((22_050, vec![0.5])),
            "what follows is no sound"
        );
        assert_eq!(read(&wav(1, 2, 16, 0, &data), 7), Ok((22_050, vec![0.0])), "two channels are one");
        let float = [0.25_f32.to_le_bytes(), f32::NAN.to_le_bytes()].concat();
        assert_eq!(read(&wav(3, 1, 32, 0, &float), 9), Ok((22_050, vec![0.25, 0.0])));
    }

    #[test]
    fn what_is_no_sound_is_refused_and_numbers_are_taken() {
        assert_eq!(read(b"ID3\x04....", 4), Err(NoSound::Packed("MP3")));
        assert_eq!(read(b"{\"error\": 1}", 40), Err(NoSound::Packed("JSON")));
        assert_eq!(read(&wav(1, 1, 8, 0, &[]), 99), Err(NoSound::Samples));
        assert_eq!(read(b"RIFF....AVI ....", 99), Err(NoSound::Damaged));
        assert_eq!(read(&[0, 64, 0, 192, 0], 3), Ok((24_000, vec![0.5, -0.5])));
        assert_eq!(SoundReader::whole(24_000, &[0, 64]), Ok((24_000, vec![0.5])));
        assert_eq!(SoundReader::whole(24_000, &[]), Ok((24_000, vec![])));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_sound(
            data in prop::collection::vec(any::<u8>(), 0..64), size in 1usize..9, headed: bool, channels in 1u16..3,
        ) {
            let bytes = if headed { wav(1, channels, 16, 0, &data) } else { data };
            prop_assume!(headed || packed(&bytes).is_none());
            prop_assert_eq!(read(&bytes, size).ok().map(|read| read.1), read(&bytes, 4096).ok().map(|read| read.1));
        }

        #[test]
        fn garbage_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..512)) {
            let _ = read(&bytes, 7);
            let _ = read(&[b"RIFF\0\0\0\0WAVE".as_slice(), &bytes].concat(), 7);
        }
    }
}
