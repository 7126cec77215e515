//! Whole sentences up to a length, and what is left.

use unicode_segmentation::UnicodeSegmentation as _;

/// A text in two parts. Together they are the whole of it, but for spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clipped {
    pub fit: String,
    pub rest: String,
}

/// The whole sentences that fit into `bytes_max` bytes and `words_max` words. A first sentence that is longer is
/// cut at a word: something is better than nothing.
pub(crate) fn clip(text: &str, bytes_max: usize, words_max: usize) -> Clipped {
    let text = text.trim();
    let fits = |part: &str| part.len() <= bytes_max && part.split_whitespace().count() <= words_max;
    if fits(text) {
        return Clipped { fit: text.to_owned(), rest: String::new() };
    }
    let mut end = last_fitting(text.split_sentence_bounds(), text, &fits);
    if end == 0 {
        end = last_fitting(text.split_word_bounds(), text, &fits);
    }
    if end == 0 {
        end = last_fitting(text.graphemes(true), text, &fits);
    }
    Clipped { fit: text[..end].trim_end().to_owned(), rest: text[end..].trim_start().to_owned() }
}

/// The same with a limit in characters.
pub(crate) fn clip_chars(text: &str, chars_max: usize) -> Clipped {
    let text = text.trim();
    let bytes = text.char_indices().nth(chars_max).map_or(text.len(), |(at, _)| at);
    clip(text, bytes, usize::MAX)
}

/// The text in pieces of whole sentences.
pub(crate) fn pieces(text: &str, chars_max: usize) -> Vec<String> {
    let mut pieces = Vec::new();
    let mut rest = text.trim().to_owned();
    while !rest.is_empty() {
        let clipped = clip_chars(&rest, chars_max);
        if clipped.fit.is_empty() {
            break;
        }
        pieces.push(clipped.fit);
        rest = clipped.rest;
    }
    pieces
}

/// Where the last part ends up to which the text fits.
fn last_fitting<'t>(parts: impl Iterator<Item = &'t str>, text: &str, fits: &dyn Fn(&str) -> bool) -> usize {
    let mut end = 0;
    for part in parts {
        if !fits(text[..end + part.len()].trim_end()) {
            break;
        }
        end += part.len();
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_stay_whole() {
        let clipped = clip("One two. Three four! Five six.", 22, 99);
        assert_eq!(clipped, Clipped { fit: "One two. Three four!".into(), rest: "Five six.".into() });
        assert_eq!(clip("One two. Three four!", 99, 3).fit, "One two.");
        assert_eq!(clip("短い文。長い文です。", 12, 99).fit, "短い文。");
        assert_eq!(clip("a", 99, 99), Clipped { fit: "a".into(), rest: String::new() });
    }

    #[test]
    fn a_sentence_too_long_is_cut_at_a_word_and_a_word_at_a_letter() {
        assert_eq!(
            clip("One two three four", 11, 99),
            Clipped { fit: "One two".into(), rest: "three four".into() }
        );
        assert_eq!(clip(&"x".repeat(30), 10, 99).fit, "x".repeat(10));
        // Nothing of a family of four fits into one byte.
        assert_eq!(clip("👨‍👩‍👧‍👦", 1, 99), Clipped { fit: String::new(), rest: "👨‍👩‍👧‍👦".into() });
        assert_eq!(clip_chars("ééé é", 3).fit, "ééé");
    }

    #[test]
    fn pieces_are_the_whole() {
        let text = "A b c. ".repeat(40);
        let pieces = pieces(&text, 50);
        assert!(pieces.iter().all(|piece| piece.chars().count() <= 50 && piece.ends_with('.')));
        assert_eq!(pieces.join(" "), text.trim());
    }
}
