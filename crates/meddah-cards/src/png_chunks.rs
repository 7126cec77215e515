//! A PNG as its chunks, byte for byte.
//!
//! Only chunks with text are looked into; the picture itself is copied and never decoded. So an animation stays
//! one, a huge picture costs nothing, and what other programs put in stays where it is.

/// How every PNG begins.
pub(crate) const SIGNATURE: [u8; 8] = *b"\x89PNG\r\n\x1a\n";
/// Length, type and checksum.
const FRAME_BYTES: usize = 12;

/// A chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunk<'b> {
    pub kind: [u8; 4],
    pub data: &'b [u8],
    /// With its frame.
    pub raw: &'b [u8],
}

/// The chunks up to `IEND`, and whether the picture is cut off before it.
pub(crate) fn chunks(bytes: &[u8], count_max: usize) -> (Vec<Chunk<'_>>, bool) {
    let mut chunks = Vec::new();
    let mut rest = bytes.get(SIGNATURE.len()..).unwrap_or_default();
    while let Some(chunk) = first(rest) {
        rest = &rest[chunk.raw.len()..];
        chunks.push(chunk);
        if chunk.kind == *b"IEND" || chunks.len() >= count_max {
            break;
        }
    }
    let cut_off = chunks.last().is_none_or(|last| last.kind != *b"IEND");
    (chunks, cut_off)
}

fn first(bytes: &[u8]) -> Option<Chunk<'_>> {
    let length = u32::from_be_bytes(*bytes.first_chunk()?) as usize;
    let raw = bytes.get(..length.checked_add(FRAME_BYTES)?)?;
    let kind = *raw[4..].first_chunk()?;
    Some(Chunk { kind, data: &raw[8..8 + length], raw })
}

impl Chunk<'_> {
    /// Whether the checksum is right.
    pub fn is_sound(&self) -> bool {
        let stored = self.raw.last_chunk().map(|bytes| u32::from_be_bytes(*bytes));
        stored == Some(crc32fast::hash(&self.raw[4..self.raw.len() - 4]))
    }

    /// The keyword of a chunk with text, and the bytes behind it.
    pub fn text(&self) -> Option<(&str, &[u8])> {
        if ![*b"tEXt", *b"zTXt", *b"iTXt"].contains(&self.kind) {
            return None;
        }
        let end = self.data.iter().position(|byte| *byte == 0)?;
        Some((std::str::from_utf8(&self.data[..end]).ok()?, &self.data[end + 1..]))
    }
}

/// A chunk with text, ready to stand in a picture.
pub(crate) fn text_chunk(keyword: &str, text: &str) -> Vec<u8> {
    let mut data = b"tEXt".to_vec();
    data.extend_from_slice(keyword.as_bytes());
    data.push(0);
    data.extend_from_slice(text.as_bytes());
    let mut chunk = u32::try_from(data.len() - 4).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    chunk.extend_from_slice(&data);
    chunk.extend_from_slice(&crc32fast::hash(&data).to_be_bytes());
    chunk
}
