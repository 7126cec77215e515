//! Whether what was said so far could be all.
//!
//! Recognisers put a full stop behind anything, so the last word counts more than the sign behind it.

/// What the transcript so far ends with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SoFar {
    /// Nothing is known.
    #[default]
    Unknown,
    /// Something has to follow, as after `the` or a comma.
    Open,
    /// It could be all.
    Complete,
}

/// English words that nobody ends with on purpose.
const OPEN_WORDS: [&str; 57] = [
    "a", "about", "although", "an", "and", "are", "as", "at", "because", "but", "by", "can", "could",
    "every", "for", "from", "have", "his", "i", "i'd", "i'll", "i'm", "i've", "if", "into", "is", "its",
    "like", "my", "nor", "of", "on", "or", "our", "should", "since", "so", "than", "that", "the", "their",
    "there's", "to", "um", "uh", "unless", "until", "was", "we", "were", "when", "where", "while", "will",
    "with", "would", "your",
];

impl SoFar {
    /// Looks at the end of an English text; of other languages it sees the signs alone.
    pub fn of(text: &str) -> SoFar {
        let text = text.trim_end();
        let ends_open = [",", "...", "…", "-", "–", "—", ":", ";"].iter().any(|sign| text.ends_with(sign));
        let words = text.trim_end_matches(|sign: char| !sign.is_alphanumeric());
        let last = words.rsplit(char::is_whitespace).next().unwrap_or_default();
        let last = last.to_lowercase().replace('’', "'");
        if ends_open || OPEN_WORDS.contains(&last.as_str()) {
            SoFar::Open
        } else if text.ends_with(['.', '!', '?', '。', '！', '？', '"', '”']) {
            SoFar::Complete
        } else {
            SoFar::Unknown
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts_more_than_the_sign_behind_it() {
        for open in
            ["I want the", "I want the.", "Well,", "And then I...", "She said that it’s because", "I'm"]
        {
            assert_eq!(SoFar::of(open), SoFar::Open, "{open}");
        }
        for complete in ["What do you sell?", "No.", "Give me that sword! ", "Ich gehe."] {
            assert_eq!(SoFar::of(complete), SoFar::Complete, "{complete}");
        }
        for unknown in ["", "What do you sell", "Hand"] {
            assert_eq!(SoFar::of(unknown), SoFar::Unknown, "{unknown}");
        }
    }
}
