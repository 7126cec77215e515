//! One line in a file: a mark, a check sum, the marks as JSON, and the sound as numbers of 16 bits.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{Mark, MarkKind, Pcm, SpeechPiece};

const MAGIC: &[u8; 8] = b"MDSPCH01";
const SUM_BYTES: usize = 32;
/// A larger file is none of ours.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What stands before the sound.
#[derive(Deserialize, Serialize)]
struct Head {
    sample_rate_hz: u32,
    samples: usize,
    marks: Vec<KeptMark>,
}

/// Times in microseconds.
#[derive(Deserialize, Serialize)]
struct KeptMark {
    at: u64,
    duration: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sound: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    word: Option<(usize, usize)>,
}

impl From<&Mark> for KeptMark {
    fn from(mark: &Mark) -> Self {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let (sound, word) = match &mark.kind {
            MarkKind::Phoneme(ipa) => (Some(ipa.clone()), None),
            MarkKind::Word(bytes) => (None, Some((bytes.start, bytes.end))),
        };
        KeptMark { at: micros(mark.at), duration: micros(mark.duration), sound, word }
    }
}

impl KeptMark {
    fn mark(self) -> Option<Mark> {
        let kind = match (self.sound, self.word) {
            (Some(ipa), None) => MarkKind::Phoneme(ipa),
            (None, Some((begin, end))) => MarkKind::Word(begin..end),
            _ => return None,
        };
        let time = Duration::from_micros;
        Some(Mark { at: time(self.at), duration: time(self.duration), kind })
    }
}

/// Writes a line, whole or not at all: a program that dies leaves nothing that looks like one.
pub(super) fn write(folder: &Path, path: &Path, line: &SpeechPiece) -> io::Result<()> {
    let SpeechPiece { pcm, marks } = line;
    let head = Head {
        sample_rate_hz: pcm.sample_rate_hz,
        samples: pcm.samples.len(),
        marks: marks.iter().map(KeptMark::from).collect(),
    };
    let head = serde_json::to_vec(&head)?;
    let mut content = Vec::with_capacity(4 + head.len() + pcm.samples.len() * 2);
    content.extend(u32::try_from(head.len()).unwrap_or(u32::MAX).to_le_bytes());
    content.extend(head);
    content.extend(pcm.to_i16().into_iter().flat_map(i16::to_le_bytes));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(MAGIC)?;
    file.write_all(&Sha256::digest(&content))?;
    file.write_all(&content)?;
    file.persist(path)?;
    Ok(())
}

/// Reads a line and notes that it was used. None where there is none, or none that is whole; that one is removed.
pub(super) fn read(path: &Path) -> Option<SpeechPiece> {
    let file = File::options().read(true).write(true).open(path).ok()?;
    let line = content(&file).and_then(|content| parse(&content));
    match line {
        // Whoever cannot note it only forgets sooner.
        Some(_) => file.set_modified(SystemTime::now()).ok(),
        None => {
            drop(file);
            std::fs::remove_file(path).ok()
        }
    };
    line
}

fn content(mut file: &File) -> Option<Vec<u8>> {
    if file.metadata().ok()?.len() > FILE_BYTES_MAX {
        return None;
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).ok()?;
    let rest = bytes.strip_prefix(MAGIC)?;
    let (sum, content) = rest.split_at_checked(SUM_BYTES)?;
    (Sha256::digest(content).as_slice() == sum).then(|| content.to_vec())
}

fn parse(content: &[u8]) -> Option<SpeechPiece> {
    let (length, rest) = content.split_first_chunk::<4>()?;
    let (head, sound) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
    let head: Head = serde_json::from_slice(head).ok()?;
    if sound.len() != head.samples * 2 || head.sample_rate_hz == 0 {
        return None;
    }
    let numbers = sound.chunks_exact(2).map(|bytes| i16::from_le_bytes([bytes[0], bytes[1]]));
    let samples = numbers.map(|number| f32::from(number) / f32::from(i16::MAX)).collect();
    let marks = head.marks.into_iter().map(KeptMark::mark).collect::<Option<Vec<Mark>>>()?;
    Some(SpeechPiece { pcm: Pcm { sample_rate_hz: head.sample_rate_hz, samples }, marks })
}
