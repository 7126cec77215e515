//! The 22 viseme ids of Azure's speech service, for faces that were made for it.

use crate::{Mark, MarkKind};

/// An id at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AzureViseme {
    /// From the beginning of the line, in units of 100 nanoseconds, as that service counts.
    pub audio_offset: u64,
    /// 0 to 21.
    pub viseme_id: u8,
}

/// Length of a unit, nanoseconds.
const UNIT_NANOSECONDS: u128 = 100;

/// The ids of a line; equal neighbours are one.
pub fn azure(marks: &[Mark]) -> Vec<AzureViseme> {
    let mut found: Vec<AzureViseme> = Vec::new();
    for mark in marks {
        let MarkKind::Phoneme(ipa) = &mark.kind else { continue };
        let viseme_id = id(ipa);
        if found.last().is_none_or(|last| last.viseme_id != viseme_id) {
            let audio_offset = u64::try_from(mark.at.as_nanos() / UNIT_NANOSECONDS).unwrap_or(u64::MAX);
            found.push(AzureViseme { audio_offset, viseme_id });
        }
    }
    found
}

/// As in that service's table of English sounds.
fn id(ipa: &str) -> u8 {
    for (glide, id) in [("aʊ", 9), ("ɔɪ", 10), ("aɪ", 11), ("tʃ", 16), ("dʒ", 16)] {
        if ipa.starts_with(glide) {
            return id;
        }
    }
    match ipa.chars().next().unwrap_or(' ') {
        'æ' | 'ə' | 'ʌ' | 'ɐ' | 'a' | 'ᵊ' => 1,
        'ɑ' | 'ɒ' => 2,
        'ɔ' => 3,
        'e' | 'ɛ' | 'ʊ' => 4,
        'ɜ' | 'ɝ' | 'ɚ' => 5,
        'j' | 'i' | 'ɪ' | 'ᵻ' | 'ɨ' | 'y' => 6,
        'w' | 'u' | 'ʍ' | 'ʉ' => 7,
        'o' => 8,
        'h' | 'ɦ' => 12,
        'ɹ' | 'r' | 'ɻ' => 13,
        'l' | 'ɫ' => 14,
        's' | 'z' => 15,
        'ʃ' | 'ʒ' => 16,
        'ð' => 17,
        'f' | 'v' => 18,
        'd' | 't' | 'n' | 'θ' | 'ɾ' => 19,
        'k' | 'ɡ' | 'g' | 'ŋ' | 'x' => 20,
        'p' | 'b' | 'm' => 21,
        other if crate::phonemes::symbols::is_vowel(other) => 1,
        other if crate::phonemes::symbols::is_sound(other) => 19,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn offsets_count_in_units_of_100_nanoseconds() {
        let mark = |at_ms, ipa: &str| Mark {
            at: Duration::from_millis(at_ms),
            duration: Duration::from_millis(50),
            kind: MarkKind::Phoneme(ipa.into()),
        };
        let word = Mark { at: Duration::ZERO, duration: Duration::ZERO, kind: MarkKind::Word(0..2) };
        let found =
            azure(&[word, mark(0, ""), mark(50, "m"), mark(100, "b"), mark(150, "aɪ"), mark(200, "ʁ")]);
        let shown: Vec<(u64, u8)> = found.iter().map(|id| (id.audio_offset, id.viseme_id)).collect();
        assert_eq!(shown, [(0, 0), (500_000, 21), (1_500_000, 11), (2_000_000, 19)]);
    }
}
