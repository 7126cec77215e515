//! Reads what somebody says as clauses, each with a mood: is something asked for, told, or asked about?
//!
//! Words from a table, no model: a very small model cannot tell "Who attacked you?" from "Attack!", but the
//! first words of a clause can. Languages other than English have no table yet and stay neutral.

use std::collections::HashSet;
use std::sync::LazyLock;

use rust_stemmers::{Algorithm, Stemmer};
use serde::Deserialize;

/// Words of an utterance that are looked at; the rest is ignored.
pub(super) const WORDS_MAX: usize = 256;
/// `_` in a phrase stands for at most so many words.
const GAP_WORDS_MAX: usize = 2;

/// What a clause is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// Something is to be done.
    Request,
    /// Something is to be had.
    Desire,
    /// Something is to be told.
    Question,
    /// Something is told.
    Statement,
    /// Something is not to be done.
    Negated,
}

/// A word in small letters, and its stem.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) stem: String,
}

/// Words that belong together, without what only introduces them.
#[derive(Clone, Debug)]
pub(super) struct Clause {
    pub(super) words: Vec<Word>,
    pub(super) mood: Mood,
    /// A cue such as "could you" said that something is asked for.
    pub(super) cued: bool,
}

/// A sequence of stems; `None` stands for a gap.
pub(crate) type Phrase = Vec<Option<String>>;

/// Verbs that mean one action.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) verbs: Vec<Phrase>,
    pub(super) near: Vec<Phrase>,
    pub(super) signs: Vec<Phrase>,
    pub(super) threats: Vec<Phrase>,
    pub(super) answers_desire: bool,
}

/// The table of one language.
#[derive(Debug)]
pub(super) struct Lexicon {
    pub(super) groups: Vec<Group>,
    pub(super) ordinary: HashSet<String>,
    pub(super) speaker: HashSet<String>,
    request: Vec<Vec<String>>,
    desire: Vec<Vec<String>>,
    question: Vec<Vec<String>>,
    statement: Vec<Vec<String>>,
    filler: Vec<Vec<String>>,
    negation: Vec<Vec<String>>,
    common: HashSet<String>,
}

/// The English table.
pub(super) static ENGLISH: LazyLock<Lexicon> = LazyLock::new(|| {
    let file: LexiconFile = toml::from_str(include_str!("english.toml"))
        .expect("english.toml is part of the program and read by its tests");
    Lexicon::from(file)
});

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LexiconFile {
    group: Vec<GroupFile>,
    words: WordsFile,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupFile {
    verbs: Vec<String>,
    #[serde(default)]
    near: Vec<String>,
    #[serde(default)]
    signs: Vec<String>,
    #[serde(default)]
    threats: Vec<String>,
    #[serde(default)]
    answers_desire: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WordsFile {
    request: Vec<String>,
    desire: Vec<String>,
    question: Vec<String>,
    statement: Vec<String>,
    negation: Vec<String>,
    filler: Vec<String>,
    ordinary: Vec<String>,
    speaker: Vec<String>,
    common: Vec<String>,
}

impl From<LexiconFile> for Lexicon {
    fn from(file: LexiconFile) -> Lexicon {
        let cues = |texts: Vec<String>| -> Vec<Vec<String>> {
            let split = |text: &String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
            let mut cues: Vec<Vec<String>> = texts.iter().map(split).collect();
            cues.sort_by_key(|cue| std::cmp::Reverse(cue.len()));
            cues
        };
        let phrases = |texts: Vec<String>| texts.iter().map(|text| phrase(text)).collect();
        let groups = file.group.into_iter().map(|group| Group {
            verbs: phrases(group.verbs),
            near: phrases(group.near),
            signs: phrases(group.signs),
            threats: phrases(group.threats),
            answers_desire: group.answers_desire,
        });
        Lexicon {
            groups: groups.collect(),
            ordinary: file.words.ordinary.into_iter().collect(),
            speaker: file.words.speaker.into_iter().collect(),
            request: cues(file.words.request),
            desire: cues(file.words.desire),
            question: cues(file.words.question),
            statement: cues(file.words.statement),
            filler: cues(file.words.filler),
            negation: cues(file.words.negation),
            common: file.words.common.into_iter().collect(),
        }
    }
}

fn phrase(text: &str) -> Phrase {
    text.split_whitespace().map(|word| (word != "_").then(|| stem(word))).collect()
}

/// The stem of an English word in small letters.
pub(crate) fn stem(word: &str) -> String {
    static STEMMER: LazyLock<Stemmer> = LazyLock::new(|| Stemmer::create(Algorithm::English));
    STEMMER.stem(word).into_owned()
}

/// The words of a text with their English stems.
pub(super) fn words(text: &str) -> Vec<Word> {
    let stemmed = |text: String| Word { stem: stem(text.trim_end_matches("'s")), text };
    plain_words(text).into_iter().map(stemmed).collect()
}

/// The words of a text in small letters. Apostrophes belong to words, underscores do not.
pub(crate) fn plain_words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(['’', '‘', '`'], "'");
    let bare = text.split(|c: char| !(c.is_alphanumeric() || c == '\'')).map(|word| word.trim_matches('\''));
    bare.filter(|word| !word.is_empty()).take(WORDS_MAX).map(str::to_owned).collect()
}

impl Lexicon {
    /// Whether the words are in this language, as far as the table can tell.
    pub(super) fn knows(&self, words: &[Word]) -> bool {
        words.iter().any(|word| self.common.contains(&word.text) || self.is_verb(word))
    }

    fn is_verb(&self, word: &Word) -> bool {
        let is = |phrase: &Phrase| matches!(phrase.as_slice(), [Some(stem)] if *stem == word.stem);
        self.groups.iter().any(|group| group.verbs.iter().any(is))
    }

    /// The clauses of a text. `names` may be called out without meaning anything.
    pub(super) fn clauses(&self, text: &str, names: &HashSet<String>) -> Vec<Clause> {
        let mut clauses: Vec<Clause> = Vec::new();
        for part in text.split(['.', '!', '?', ';', ',', ':', '—', '–', '…', '\n', '"']) {
            let words = words(part);
            let mut joined = false;
            for piece in words.split(|word| matches!(word.text.as_str(), "and" | "but" | "then")) {
                let before = clauses.last().filter(|_| joined).map(|clause| clause.mood);
                if joined && is_consequence(piece) {
                    // "Hit me and you'll regret it" asks for nothing.
                    clauses.last_mut().into_iter().for_each(|clause| clause.mood = Mood::Statement);
                }
                clauses.extend(self.clause(piece, before, names));
                joined = true;
            }
        }
        clauses
    }

    /// One clause; `before` is the mood of the clause that it is joined to by "and".
    fn clause(&self, words: &[Word], before: Option<Mood>, names: &HashSet<String>) -> Option<Clause> {
        let polite = words.iter().any(|word| word.text == "please");
        let mut rest = words;
        while rest.len() > 1 {
            let skip = match starts_with(rest, &self.filler) {
                0 if names.contains(&rest[0].text) => 1,
                count => count,
            };
            if skip == 0 || skip >= rest.len() {
                break;
            }
            rest = &rest[skip..];
        }
        let first = rest.first()?;
        let clause = |mood, skip: usize, cued| Some(Clause { words: rest[skip..].to_vec(), mood, cued });
        let request = starts_with(rest, &self.request);
        if request > 0 {
            // "Let us go" asks to go, "let us through" to be let through: there the cue is the verb.
            let skip = if first.text == "let" { 0 } else { request };
            return clause(Mood::Request, skip, true);
        }
        let desire = starts_with(rest, &self.desire);
        if desire > 0 {
            return clause(Mood::Desire, desire, true);
        }
        if starts_with(rest, &self.negation) > 0
            || matches!(rest, [a, b, ..] if a.text == "do" && b.text == "not")
        {
            return clause(Mood::Negated, 0, false);
        }
        if starts_with(rest, &self.question) > 0 {
            return clause(Mood::Question, 0, false);
        }
        if starts_with(rest, &self.statement) > 0 {
            return clause(Mood::Statement, 0, false);
        }
        match before {
            // "I came in and sat down" tells; "sit down and eat" asks.
            Some(mood @ (Mood::Statement | Mood::Question | Mood::Negated)) => clause(mood, 0, false),
            _ if polite || self.may_begin_request(rest) => clause(Mood::Request, 0, polite),
            _ => clause(Mood::Statement, 0, false),
        }
    }

    /// Imperatives begin with a verb, known or not, but not with one in -ing.
    fn may_begin_request(&self, words: &[Word]) -> bool {
        match words {
            [have, a, ..] if have.text == "have" => a.text == "a",
            [first, ..] if first.text.len() > 5 && first.text.ends_with("ing") => false,
            [first, ..] => !self.common.contains(&first.text) || self.is_verb(first) || first.text == "let",
            [] => false,
        }
    }

    /// Whether a negation stands before the word at `place`.
    pub(super) fn is_negated(&self, words: &[Word], place: usize) -> bool {
        (0..place.min(words.len())).any(|start| starts_with(&words[start..place], &self.negation) > 0)
    }
}

fn is_consequence(words: &[Word]) -> bool {
    let texts: Vec<&str> = words.iter().take(2).map(|word| word.text.as_str()).collect();
    matches!(texts.as_slice(), ["you'll" | "you'd", ..] | ["you", "will" | "would" | "die"])
}

/// How many words the longest of the cues takes that the words start with.
fn starts_with(words: &[Word], cues: &[Vec<String>]) -> usize {
    let fits = |cue: &&Vec<String>| {
        cue.len() <= words.len() && cue.iter().zip(words).all(|(cue, word)| *cue == word.text)
    };
    cues.iter().find(fits).map_or(0, Vec::len)
}

/// Where in the words a phrase begins, and how many words it has.
pub(crate) fn find_phrase(words: &[Word], phrase: &Phrase) -> Option<(usize, usize)> {
    (0..words.len()).find_map(|start| phrase_len(&words[start..], phrase).map(|len| (start, len)))
}

fn phrase_len(words: &[Word], phrase: &[Option<String>]) -> Option<usize> {
    match phrase {
        [] => Some(0),
        [Some(stem), rest @ ..] => {
            let (first, after) = words.split_first()?;
            if first.stem != *stem { None } else { phrase_len(after, rest).map(|len| len + 1) }
        }
        [None, rest @ ..] => (0..=GAP_WORDS_MAX.min(words.len()))
            .find_map(|gap| phrase_len(&words[gap..], rest).map(|len| len + gap)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(Mood, &str)]) {
        let names = HashSet::from(["mira".to_owned()]);
        let clauses = ENGLISH.clauses(text, &names);
        let shown: Vec<(Mood, String)> = clauses
            .iter()
            .map(|clause| {
                let words: Vec<&str> = clause.words.iter().map(|word| word.text.as_str()).collect();
                (clause.mood, words.join(" "))
            })
            .collect();
        let expected: Vec<(Mood, String)> =
            expected.iter().map(|(mood, text)| (*mood, (*text).to_owned())).collect();
        assert_eq!(shown, expected, "{text:?}");
    }

    #[test]
    fn clauses_have_moods() {
        use Mood::*;
        check("Could you open the door?", &[(Request, "open the door")]);
        check("Please open the door!", &[(Request, "open the door")]);
        check("Mira, please follow me.", &[(Request, "mira"), (Request, "follow me")]);
        check("Don't follow me.", &[(Negated, "don't follow me")]);
        check("Why don’t you sit?", &[(Request, "sit")]);
        check("Who attacked you?", &[(Question, "who attacked you")]);
        check("I came in and sat down.", &[(Statement, "i came in"), (Statement, "sat down")]);
        check("I'd like an ale.", &[(Desire, "an ale")]);
    }

    #[test]
    fn phrases_may_have_gaps() {
        let find = |text: &str, wanted: &str| find_phrase(&words(text), &phrase(wanted));
        assert_eq!(find("so let me in", "let _ in"), Some((1, 3)));
        assert_eq!(find("let in", "let _ in"), Some((0, 2)));
        assert_eq!(find("let the old man in", "let _ in"), None);
        assert_eq!(find("opening doors", "open"), Some((0, 1)));
    }

    #[test]
    fn other_languages_are_not_guessed_at() {
        assert!(ENGLISH.knows(&words("Open the door")));
        assert!(!ENGLISH.knows(&words("Ouvre-moi cette porte, vite")));
        assert!(!ENGLISH.knows(&words("跟我来")));
    }
}
