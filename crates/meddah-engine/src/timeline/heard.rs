//! Which part of a line was heard when playback stopped in the middle of it.
//!
//! A character must not believe that the player knows the end of a sentence that was cut off, so a
//! cut line ends at the last whole word that was heard, with a dash to show that it broke off.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;

/// How a line that broke off ends.
const BROKEN_OFF: char = '—';

/// The part of `line` that was heard, with `fraction` (0 to 1) of it played.
///
/// The share of time is taken for the share of letters. A line with no word left unheard is whole;
/// a line that had hardly begun is only a dash; a line that was not played at all is empty.
pub fn heard_text(line: &str, fraction: f32) -> Cow<'_, str> {
    if fraction.is_nan() || fraction <= 0.0 {
        return Cow::Borrowed("");
    }
    if fraction >= 1.0 {
        return Cow::Borrowed(line);
    }
    let letter_count = line.chars().count();
    let heard_count = (letter_count as f64 * f64::from(fraction)).floor() as usize;
    let cut = line.char_indices().nth(heard_count).map_or(line.len(), |(at, _)| at);
    let ends = || line.unicode_word_indices().map(|(at, word)| at + word.len());
    if ends().all(|end| end <= cut) {
        return Cow::Borrowed(line);
    }
    let Some(last_end) = ends().take_while(|&end| end <= cut).last() else {
        return Cow::Owned(BROKEN_OFF.to_string());
    };
    Cow::Owned(format!("{}{BROKEN_OFF}", &line[..last_end]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_line_ends_at_the_last_whole_word() {
        let check = |line: &str, fraction: f32, expected: &str| {
            assert_eq!(heard_text(line, fraction), expected, "{line:?} at {fraction}");
        };
        let line = "The key is under the mat.";
        check(line, 1.0, line);
        check(line, 7.0, line);
        check(line, 0.98, line);
        check(line, 0.9, "The key is under the—");
        check(line, 0.5, "The key is—");
        check(line, 0.05, "—");
        check(line, 0.0, "");
        check(line, -1.0, "");
        check(line, f32::NAN, "");
        check("Well, I don't know.", 0.4, "Well, I—");
        check("鍵はマットの下にある。", 0.5, "鍵はマット—");
        check("...", 0.5, "...");
        check("", 0.5, "");
    }

    proptest! {
        #[test]
        fn nothing_beyond_the_cut_is_kept(line in "\\PC{0,60}", fraction in 0.0f32..1.0) {
            let heard = heard_text(&line, fraction);
            if heard != line {
                let kept = heard.strip_suffix(BROKEN_OFF).unwrap_or(&heard);
                prop_assert!(line.starts_with(kept));
                prop_assert!(kept.chars().count() as f32 <= line.chars().count() as f32 * fraction + 0.01);
            }
        }

        #[test]
        fn hearing_more_never_takes_words_away(line in "[a-z ,.é]{0,60}", a in 0.0f32..=1.0, b in 0.0f32..=1.0) {
            let (less, more) = (heard_text(&line, a.min(b)), heard_text(&line, a.max(b)));
            prop_assert!(more.starts_with(less.trim_end_matches(BROKEN_OFF)));
        }
    }
}
