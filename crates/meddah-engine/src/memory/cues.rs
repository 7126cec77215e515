//! What small words tell about a text: that it asks, asks for a time, or names one.

use std::collections::HashSet;
use std::sync::LazyLock;

use super::words::Word;

/// Words that date what is told, as stems.
const TIME_STEMS: &str = "yesterday today tonight tomorrow last next ago earlier recent recent week weekend month year day night \
     morn morning noon afternoon even evening midnight dawn dusk sunris sunset hour minut fortnight spring summer autumn fall \
     winter harvest season festiv holiday moon januari februari march april june juli august septemb octob novemb decemb monday \
     tuesday wednesday thursday friday saturday sunday sinc soon decad centuri";
/// Words that ask for a time.
const WHEN: &str =
    "when wann quand cuándo cuando quando wanneer när når hvornår когда milloin mikor când πότε متى";
/// What "what …", "which …", "how many …" ask for if it is a time, as stems.
const TIME_UNITS: &str = "date day month year time night week hour season moon";

static TIME: LazyLock<HashSet<&str>> = LazyLock::new(|| TIME_STEMS.split_whitespace().collect());
static ASKS: LazyLock<HashSet<&str>> = LazyLock::new(|| WHEN.split_whitespace().collect());
static UNITS: LazyLock<HashSet<&str>> = LazyLock::new(|| TIME_UNITS.split_whitespace().collect());

/// How many words of a text date what it tells.
pub(super) fn time_words(words: &[Word]) -> usize {
    words.iter().filter(|word| TIME.contains(word.stem.as_str()) || is_year(&word.stem)).count()
}

/// Four digits.
fn is_year(stem: &str) -> bool {
    stem.len() == 4 && stem.bytes().all(|byte| byte.is_ascii_digit())
}

/// Whether a question asks for a time.
pub(super) fn asks_when(words: &[Word]) -> bool {
    let stem = |at: usize| words.get(at).map_or("", |word| word.stem.as_str());
    (0..words.len()).any(|at| match stem(at) {
        "what" | "which" => UNITS.contains(stem(at + 1)),
        "how" => match stem(at + 1) {
            "long" => true,
            "many" | "much" => UNITS.contains(stem(at + 2)),
            _ => false,
        },
        word => ASKS.contains(word),
    })
}

/// Whether a text asks something.
pub(super) fn asks(text: &str) -> bool {
    text.contains(['?', '？', '؟'])
}

/// Whether a text ends in a question.
pub(crate) fn ends_asking(text: &str) -> bool {
    let end =
        text.trim_end_matches(|letter: char| letter.is_whitespace() || matches!(letter, '"' | '”' | '*'));
    end.ends_with(['?', '？', '؟'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::words::Words;

    #[test]
    fn questions_for_a_time_are_told_apart() {
        let words = Words::of("en");
        let asked = |text: &str| asks_when(&words.read(text));
        for text in
            ["When did she leave?", "Which night was it?", "How many weeks ago?", "How long have you known?"]
        {
            assert!(asked(text), "{text}");
        }
        for text in ["What did she take?", "How many boats?", "Where to?"] {
            assert!(!asked(text), "{text}");
        }
    }

    #[test]
    fn time_words_are_counted() {
        let words = Words::of("en");
        let count = |text: &str| time_words(&words.read(text));
        assert_eq!(count("We left two weeks ago, on Monday."), 3);
        assert_eq!(count("In 1887 the mill burned."), 1);
        assert_eq!(count("The mill burned."), 0);
    }

    #[test]
    fn a_question_is_known_by_its_mark() {
        assert!(ends_asking("Is it \"late?\" ") && asks("Is it? No.") && !ends_asking("Is it? No."));
        assert!(!asks("It is; no."));
    }
}
