//! What the sidecar and the worker that listens say to each other, over the worker's stdin and stdout: one JSON object
//! a line, and after a [`Request::Hear`] its sound as raw numbers. Both ends are the same binary, so the format is
//! private and has no versions.

use std::io::{self, Read};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Longest line, bytes. Names are bounded by the port, sound is no line.
pub const LINE_BYTES_MAX: usize = 256 << 10;

/// To the worker.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// The first request, once.
    Load {
        /// A file of whisper.cpp.
        model_path: PathBuf,
        /// Compute threads, at least 1.
        threads: u32,
    },
    /// Understand a piece of sound; as many numbers of 16 bits follow the line, the low byte first.
    Hear(HearRequest),
    /// Stop understanding.
    Cancel {
        /// Of which [`Request::Hear`].
        id: u64,
    },
}

/// A piece of sound and what helps.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct HearRequest {
    /// Comes back; each is larger than the one before.
    pub id: u64,
    /// How many follow.
    pub samples: usize,
    /// What is spoken, as in `en`.
    pub language: Option<String>,
    /// Who and what is around, the likeliest first.
    pub names: Vec<String>,
}

/// From the worker.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "re", rename_all = "snake_case")]
pub enum Reply {
    /// Loaded.
    Ready,
    /// It cannot be loaded; the worker leaves.
    LoadFailed {
        /// Why.
        message: String,
        /// What to do about it.
        help: String,
    },
    /// Understood.
    Heard {
        /// Which request.
        id: u64,
        /// Empty if nobody said a word.
        text: String,
    },
    /// Cancelled.
    Stopped {
        /// Which request.
        id: u64,
    },
    /// The model does not know this language.
    UnknownLanguage {
        /// Which request.
        id: u64,
    },
    /// It could not be understood.
    Failed {
        /// Which request.
        id: u64,
        /// Why.
        message: String,
    },
}

/// Sound as bytes.
pub fn to_bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// Reads so many numbers.
pub fn read_samples(input: &mut impl Read, samples: usize) -> io::Result<Vec<i16>> {
    let mut bytes = vec![0; samples * 2];
    input.read_exact(&mut bytes)?;
    Ok(bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect())
}
