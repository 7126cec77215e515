//! What is asked of a memory: the words that look for others, who is named, and what kind of answer is wanted.

use super::cues;
use super::index::Index;
use super::names::Being;
use super::words::Word;

/// Stems of a question that are looked for; a longer text has enough with these.
pub const QUESTION_STEMS_MAX: usize = 48;
/// What "you" and "I" are said to have done if the question is about words.
const SAYING: &str = "tell told say said mention promis swore warn ask describ claim explain answer call admit confess offer suggest";

/// A question, read.
pub struct Question {
    /// All of its words.
    pub(super) words: Vec<Word>,
    /// Stems that mean something, each once, and how often they stand there.
    pub(super) stems: Vec<(String, f32)>,
    /// Whose names are in it.
    pub(super) named: Vec<Being>,
    /// Who is said to have said it: "what did I tell you", "you promised".
    pub(super) said_by: Option<Being>,
    /// It asks for a time.
    pub(super) asks_when: bool,
}

impl Index {
    /// Reads what `asker` says to `asked`; both are ids.
    pub fn question(&self, asker: &str, asked: &str, text: &str) -> Question {
        let words = self.words.read(text);
        let mut stems: Vec<(String, f32)> = Vec::new();
        let mut named: Vec<Being> = Vec::new();
        for word in words.iter().filter(|word| !word.stop) {
            match stems.iter().position(|(stem, _)| *stem == word.stem) {
                Some(known) => stems[known].1 += 1.0,
                None if stems.len() < QUESTION_STEMS_MAX => stems.push((word.stem.clone(), 1.0)),
                None => {}
            }
            for being in self.names.bearers(&word.stem) {
                if !named.contains(being) {
                    named.push(*being);
                }
            }
        }
        let said_by = match who_said(&words) {
            Some(Person::Asker) => self.names.find(asker),
            Some(Person::Asked) => self.names.find(asked),
            None => None,
        };
        Question { asks_when: cues::asks_when(&words), words, stems, named, said_by }
    }
}

enum Person {
    Asker,
    Asked,
}

/// "I told", "did you say": a person right before a word for saying, or with "did", "have" before it.
fn who_said(words: &[Word]) -> Option<Person> {
    words.windows(2).find_map(|pair| {
        let says = SAYING.split_whitespace().any(|saying| saying == pair[1].stem);
        match pair[0].stem.as_str() {
            "i" if says => Some(Person::Asker),
            "you" if says => Some(Person::Asked),
            _ => None,
        }
    })
}
