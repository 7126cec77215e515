//! Texts as stems: what two texts that tell of the same thing have in common.
//!
//! Scripts that put spaces between words are split at everything that is neither letter nor digit and
//! stemmed by the Snowball rules of the language; scripts that do not (Chinese, Japanese, Thai …) become
//! pairs of characters, which needs no dictionary.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rust_stemmers::{Algorithm, Stemmer};
use stop_words::Language;

/// Bytes of a text that are read; an entry is longer only if a game sends a book.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Words without a meaning of their own, beside those that questions and talk are made of.
const ENGLISH_STOP: &str = "a an the and or but if so as of at by for with from to in on up out off over is am are was were be been \
     being have has had do does did doing i me my mine myself you your yours yourself he him his himself she her hers herself it \
     its itself we us our ours they them their theirs this that these those what which who whom whose when where why how not no \
     nor would could should can will might may must shall likely both about into many much any some there than then also just \
     get got gets very too all more most such only own same here now again once because while until let s t m re ve ll d don \
     didn doesn isn wasn aren weren won wouldn couldn shouldn haven hasn hadn ain";
/// Small words that are names, too, when they are written with a capital within a sentence.
const ENGLISH_NAMES: [&str; 2] = ["May", "Will"];

/// How the texts of one language are read.
pub struct Words {
    stemmer: Option<Stemmer>,
    stop: Arc<HashSet<String>>,
    turkish: bool,
}

/// A word of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Its stem, in small letters.
    pub stem: String,
    /// Where it stands in the text.
    pub bytes: Range<usize>,
    /// It has no meaning of its own.
    pub stop: bool,
}

impl Words {
    /// For a language as world packs name it: "en", "de", "pt-BR". A language without rules is split only.
    pub fn of(language: &str) -> Words {
        let primary = language.split('-').next().unwrap_or_default().to_ascii_lowercase();
        let rules = rules(&primary);
        let stop = rules.map_or_else(Arc::default, |rules| stop_words_of(&primary, rules));
        Words {
            stemmer: rules.map(|(algorithm, _)| Stemmer::create(algorithm)),
            stop,
            turkish: primary == "tr",
        }
    }

    /// The words of a text, in order.
    pub fn read(&self, text: &str) -> Vec<Word> {
        let mut words = Vec::new();
        for piece in pieces(clipped(text)) {
            match piece {
                Piece::Word(bytes) => words.extend(self.word(text, bytes)),
                Piece::Unspaced(bytes) => pairs(text, bytes, &mut words),
            }
        }
        words
    }

    /// The stems that mean something.
    pub fn stems(&self, text: &str) -> Vec<String> {
        self.read(text).into_iter().filter(|word| !word.stop).map(|word| word.stem).collect()
    }

    fn word(&self, text: &str, bytes: Range<usize>) -> Option<Word> {
        let word = &text[bytes.clone()];
        if word == "s" && text[..bytes.start].ends_with(['\'', '’']) {
            return None; // Ann's
        }
        let small = self.small(word);
        let stop = self.stop.contains(small.as_str()) && !self.is_name(text, &bytes);
        let stem = match &self.stemmer {
            Some(stemmer) if !stop => match stemmer.stem(&small) {
                Cow::Owned(stem) => stem,
                Cow::Borrowed(stem) => stem.to_owned(),
            },
            _ => small,
        };
        Some(Word { stem, bytes, stop })
    }

    fn is_name(&self, text: &str, bytes: &Range<usize>) -> bool {
        let before = text[..bytes.start].trim_end().chars().next_back();
        let within = before.is_some_and(|letter| letter.is_alphanumeric() || letter == ',');
        within && ENGLISH_NAMES.contains(&&text[bytes.clone()]) && self.stop.contains("the")
    }

    fn small(&self, word: &str) -> String {
        match self.turkish {
            true => word.replace('I', "ı").replace('İ', "i").to_lowercase(),
            false => word.to_lowercase(),
        }
    }
}

/// Words without a meaning of their own. Each list is made once: every question needs one.
fn stop_words_of(primary: &str, (algorithm, language): (Algorithm, Language)) -> Arc<HashSet<String>> {
    static KNOWN: LazyLock<Mutex<HashMap<String, Arc<HashSet<String>>>>> = LazyLock::new(Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(stop) = known.get(primary) {
        return stop.clone();
    }
    let stop: HashSet<String> = match algorithm {
        Algorithm::English => ENGLISH_STOP.split_whitespace().map(str::to_owned).collect(),
        _ => stop_words::get(language).iter().flat_map(|word| split(&word.to_lowercase())).collect(),
    };
    known.entry(primary.to_owned()).or_insert(Arc::new(stop)).clone()
}

/// The stemmer and the list of stop words of a language.
fn rules(primary: &str) -> Option<(Algorithm, Language)> {
    Some(match primary {
        "ar" => (Algorithm::Arabic, Language::Arabic),
        "da" => (Algorithm::Danish, Language::Danish),
        "de" => (Algorithm::German, Language::German),
        "el" => (Algorithm::Greek, Language::Greek),
        "en" => (Algorithm::English, Language::English),
        "es" => (Algorithm::Spanish, Language::Spanish),
        "fi" => (Algorithm::Finnish, Language::Finnish),
        "fr" => (Algorithm::French, Language::French),
        "hu" => (Algorithm::Hungarian, Language::Hungarian),
        "it" => (Algorithm::Italian, Language::Italian),
        "nl" => (Algorithm::Dutch, Language::Dutch),
        "no" | "nb" | "nn" => (Algorithm::Norwegian, Language::Norwegian),
        "pt" => (Algorithm::Portuguese, Language::Portuguese),
        "ro" => (Algorithm::Romanian, Language::Romanian),
        "ru" => (Algorithm::Russian, Language::Russian),
        "sv" => (Algorithm::Swedish, Language::Swedish),
        "tr" => (Algorithm::Turkish, Language::Turkish),
        _ => return None,
    })
}

fn clipped(text: &str) -> &str {
    &text[..text.floor_char_boundary(TEXT_BYTES_MAX)]
}

enum Piece {
    Word(Range<usize>),
    Unspaced(Range<usize>),
}

fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut open: Option<(usize, bool)> = None;
    for (at, letter) in text.char_indices().chain([(text.len(), ' ')]) {
        let kind = letter.is_alphanumeric().then(|| is_unspaced(letter));
        if open.map(|(_, unspaced)| unspaced) == kind {
            continue;
        }
        if let Some((start, unspaced)) = open {
            pieces.push(if unspaced { Piece::Unspaced(start..at) } else { Piece::Word(start..at) });
        }
        open = kind.map(|unspaced| (at, unspaced));
    }
    pieces
}

fn split(text: &str) -> Vec<String> {
    let words = text.split(|letter: char| !letter.is_alphanumeric());
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Scripts that put no spaces between words; Korean does, but its endings grow together with the words.
fn is_unspaced(letter: char) -> bool {
    matches!(letter,
        '\u{0E00}'..='\u{0EFF}' // Thai, Lao
        | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{17FF}' // Myanmar, Khmer
        | '\u{3040}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}' // Kana
        | '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}' // Han
        | '\u{1100}'..='\u{11FF}' | '\u{AC00}'..='\u{D7AF}' // Hangul
    )
}

/// Each character with the next one; a character that stands alone is itself.
fn pairs(text: &str, bytes: Range<usize>, words: &mut Vec<Word>) {
    let starts: Vec<usize> = text[bytes.clone()].char_indices().map(|(at, _)| bytes.start + at).collect();
    let end_of = |number: usize| starts.get(number).copied().unwrap_or(bytes.end);
    for (number, start) in starts.iter().enumerate().take(starts.len().saturating_sub(1).max(1)) {
        let bytes = *start..end_of(number + 2);
        words.push(Word { stem: text[bytes.clone()].to_owned(), bytes, stop: false });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn english_is_stemmed_and_loses_small_words() {
        let words = Words::of("en");
        assert_eq!(
            words.stems("I've hidden Ann's maps under the MILLS, haven't I?"),
            ["hidden", "ann", "map", "under", "mill"]
        );
        let read = words.read("Where did Bert’s boats go?");
        let boats = read.iter().find(|word| word.stem == "boat").expect("boats");
        assert_eq!(boats.bytes, 19..24);
        assert!(read[0].stop);
        assert_eq!(words.stems("May I go in May?"), ["go", "may"]);
    }

    #[test]
    fn other_languages_have_rules_of_their_own() {
        assert_eq!(Words::of("de").stems("Die Häuser und das Haus"), ["haus", "haus"]);
        assert_eq!(Words::of("pt-BR").stems("os barcos do porto"), ["barc", "port"]);
        assert_eq!(Words::of("tr").stems("IRMAK"), ["ırmak"]);
        assert_eq!(Words::of("pl").stems("Żółte łodzie"), ["żółte", "łodzie"]);
    }

    #[test]
    fn scripts_without_spaces_become_pairs() {
        assert_eq!(Words::of("zh").stems("藏在磨坊, x1 后"), ["藏在", "在磨", "磨坊", "x1", "后"]);
        assert_eq!(Words::of("ja").stems("地図は"), ["地図", "図は"]);
    }

    #[test]
    fn a_book_is_not_read_to_its_end() {
        let book = "ö ".repeat(TEXT_BYTES_MAX);
        assert_eq!(Words::of("en").read(&book).len(), TEXT_BYTES_MAX / 3);
    }
}
