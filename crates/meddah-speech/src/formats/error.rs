//! What can go wrong with sound as bytes.

use std::time::Duration;

use super::AudioFormat;

/// Sound that could not be written or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A name that stands for no format.
    #[error("`{name}` is no sound format; there are wav, pcm, ogg, mp3 and opus")]
    UnknownFormat {
        /// What was asked for.
        name: String,
    },
    /// A format that cannot have such a rate.
    #[error("{format} cannot have {rate_hz} samples per second; take one of {}", rates(*.format))]
    Rate {
        /// The format.
        format: AudioFormat,
        /// What was asked for.
        rate_hz: u32,
    },
    /// The pieces of a line have different rates.
    #[error("a piece has {found_hz} samples per second, those before it {expected_hz}")]
    Mixed {
        /// The rate of the first piece.
        expected_hz: u32,
        /// The rate of this one.
        found_hz: u32,
    },
    /// Nothing to read.
    #[error("there is no sound: the file is empty")]
    Empty,
    /// Bytes that are no sound, or not the sound that they say they are.
    #[error("this cannot be read as sound: {why}")]
    Unreadable {
        /// What was wrong.
        why: String,
    },
    /// More than is listened to.
    #[error("the sound is longer than {} seconds", .max.as_secs())]
    TooLong {
        /// What is taken at most.
        max: Duration,
    },
    /// An encoder refused what it should have taken.
    #[error("the sound could not be written as {format}: {why}")]
    Encoder {
        /// The format.
        format: AudioFormat,
        /// What it said.
        why: String,
    },
}

impl FormatError {
    pub(super) fn unreadable(why: impl ToString) -> FormatError {
        FormatError::Unreadable { why: why.to_string() }
    }

    pub(super) fn encoder(format: AudioFormat, why: impl ToString) -> FormatError {
        FormatError::Encoder { format, why: why.to_string() }
    }
}

fn rates(format: AudioFormat) -> String {
    let rates: Vec<String> = format.rates_hz().iter().map(u32::to_string).collect();
    rates.join(", ")
}
