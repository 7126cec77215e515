//! Where a sentence ends, told from its last characters alone.
//!
//! Ends are looked for where white space follows, so that "3.5" and "e.g.this" never end one; scripts
//! without spaces end a sentence at the sign itself.

/// Whether a sentence ends here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It goes on.
    No,
    /// It ends unless the next word begins with a small letter: "Well… maybe."
    Perhaps,
    /// It ends.
    Yes,
}

/// Abbreviations that a sentence hardly ends with, without their last full stop.
const TITLES: &[&str] = &[
    "mr", "mrs", "ms", "dr", "st", "prof", "capt", "cpt", "lt", "sgt", "col", "gen", "maj", "rev", "hon",
    "messrs", "mme", "mlle", "sra", "srta", "hr", "fr", "mt", "ft", "vs", "approx", "e.g", "i.e", "z.b",
    "bzw", "fig", "vol", "esq", "ca", "cf", "bros",
];

/// Abbreviations that a sentence may end with.
const PERHAPS: &[&str] = &["etc", "a.m", "p.m", "jr", "sr", "usw", "inc", "co", "no", "d.h"];

/// The text sentence by sentence; one that is longer is cut at a space, in characters. The last may have no end.
pub(crate) fn sentences(text: &str, chars_max: usize) -> Vec<String> {
    let mut sentences = Vec::new();
    let mut begun = String::new();
    for word in text.split_whitespace() {
        if !begun.is_empty() {
            begun.push(' ');
        }
        begun.push_str(word);
        if super::is_sentence_end(&begun) || begun.chars().count() >= chars_max {
            sentences.push(std::mem::take(&mut begun));
        }
    }
    if !begun.is_empty() {
        sentences.push(begun);
    }
    sentences
}

/// The words of a text in small letters, without the signs around them.
pub(super) fn words(text: &str) -> Vec<String> {
    let bare = |word: &str| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect()
}

/// Signs that end a sentence when white space follows.
fn is_terminal(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '‽' | '؟' | '۔' | '।' | '॥' | '։' | '።' | '။' | '។')
        || is_wide_terminal(c)
}

/// Signs that end a sentence by themselves.
fn is_wide_terminal(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '．' | '｡')
}

/// Quotes and brackets that belong to the sentence before them.
pub(super) fn is_closer(c: char) -> bool {
    matches!(c, '"' | '\'' | '”' | '’' | '»' | '›' | ')' | ']' | '」' | '』' | '）' | '】')
}

/// Whether a sentence ends with `body` when white space comes next.
pub(super) fn end(body: &str) -> End {
    let bare = body.trim_end_matches(is_closer);
    let quoted = bare.len() < body.len();
    let Some(last) = bare.chars().next_back().filter(|c| is_terminal(*c)) else {
        return End::No;
    };
    let unsure = if quoted { End::Perhaps } else { End::Yes };
    if last == '…' || bare.ends_with("..") {
        return End::Perhaps;
    }
    if last != '.' {
        return unsure;
    }
    match end_of_word(bare) {
        End::Yes => unsure,
        other => other,
    }
}

/// Whether the sentence ends at once, whatever comes next (closing quotes aside).
pub(super) fn ends_without_space(body: &str) -> bool {
    body.trim_end_matches(is_closer).chars().next_back().is_some_and(is_wide_terminal)
}

/// Whether the full stop after the last word is the end of a sentence.
fn end_of_word(bare: &str) -> End {
    let before = bare.trim_end_matches('.');
    let start = before
        .rfind(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '\'' | '’')))
        .map_or(0, |index| index + before[index..].chars().next().map_or(1, char::len_utf8));
    let word = before[start..].to_lowercase();
    if TITLES.contains(&word.as_str()) {
        return End::No;
    }
    // "no." ends most sentences that it stands in; "No. 5" is told apart by its digit.
    if PERHAPS.contains(&word.as_str()) {
        return if word == "no" { End::Yes } else { End::Perhaps };
    }
    let mut chars = word.chars();
    match (chars.next(), chars.next()) {
        // An initial: "J. Smith". "I." and "So do I." are sentences.
        (Some(only), None) if only.is_alphabetic() && only != 'i' && !is_wordless_script(only) => End::No,
        _ => End::Yes,
    }
}

/// Scripts in which a single character is a word.
fn is_wordless_script(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expected: End, bodies: &[&str]) {
        for body in bodies {
            assert_eq!(end(body), expected, "{body:?}");
        }
    }

    #[test]
    fn ends_are_told_from_the_last_characters() {
        check(
            End::Yes,
            &[
                "Aye.",
                "No!",
                "Who?",
                "What?!",
                "So do I.",
                "I don't.",
                "It is 5.",
                "मैं ठीक हूँ।",
                "你好。",
                "No.",
            ],
        );
        check(End::Perhaps, &["Well...", "Well…", "\"Come in.\"", "ale, bread, etc.", "at 5 p.m."]);
        check(End::No, &["Mr.", "ask St.", "J.", "such as, e.g.", "Well", "so,", "", "\"", "(Dr."]);
    }

    #[test]
    fn wide_signs_need_no_space() {
        assert!(ends_without_space("你好。"));
        assert!(ends_without_space("「はい！」"));
        assert!(!ends_without_space("Aye."));
    }
}
