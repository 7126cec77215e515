//! What is said, as sound: a tone for each word, so that a test sees where one begins.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// How long a word is, and the silence after it, seconds.
pub(super) const WORD: f64 = 0.25;
pub(super) const GAP: f64 = 0.06;

/// A word with its times.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Word {
    pub text: String,
    pub begin: f64,
    pub end: f64,
}

/// The words of a text as services take it apart: at white space.
pub(super) fn words(text: &str) -> Vec<Word> {
    let spoken = text.split_whitespace().filter(|word| word.contains(char::is_alphanumeric));
    let timed = spoken.enumerate().map(|(place, word)| {
        let begin = place as f64 * (WORD + GAP);
        Word { text: word.to_owned(), begin, end: begin + WORD }
    });
    timed.collect()
}

/// Numbers of 16 bits: a tone for each word.
pub(super) fn pcm(words: usize, rate_hz: u32) -> Vec<u8> {
    let samples = |seconds: f64| (seconds * f64::from(rate_hz)).round() as usize;
    let mut bytes = Vec::new();
    for word in 0..words {
        let end = samples((word + 1) as f64 * (WORD + GAP)) - samples(word as f64 * (WORD + GAP));
        for sample in 0..end {
            let sounds = sample < samples(WORD);
            let level = if sounds { (sample as f64 * 0.1).sin() * 9000.0 } else { 0.0 };
            bytes.extend((level as i16).to_le_bytes());
        }
    }
    bytes
}

/// The same as a WAV file that does not know its length, as servers send it.
pub(super) fn wav(pcm: &[u8], rate_hz: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    bytes.extend(rate_hz.to_le_bytes());
    bytes.extend((rate_hz * 2).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data\xFF\xFF\xFF\xFF");
    bytes.extend(pcm);
    bytes
}

/// As it stands in JSON.
pub(super) fn packed(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}
