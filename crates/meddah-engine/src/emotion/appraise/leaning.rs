//! Where single words lean: a table that was fitted, for what no phrase of an act covers ("teeth", "orphan").
//!
//! Per word and label it holds by how much the log-odds of that label against neutral change. Those of a text are the
//! sum over its words, divided by the square root of their number, so that a long text is not felt more than a
//! short one. `evals -- fit-feelings` makes the table and says what it is made from.

use std::collections::HashMap;
use std::sync::LazyLock;

/// Labels besides neutral.
const LABELS: usize = 9;
/// Words of a text that are looked at.
const WORDS_MAX: usize = 128;
/// A word that is not known counts as the longest known beginning of at least so many letters ("wigglin").
const BEGINNING_CHARS_MIN: usize = 4;
/// The sign that stands for 0.
const ZERO: u8 = b'O';
/// What one sign further is.
pub const STEP: f32 = 0.1;
/// The most that a sign can hold, in steps.
pub const STEPS_MAX: i32 = 46;
/// The row that counts once in every text,
pub const ALWAYS: &str = ".";
/// and those that count once if the text asks or exclaims.
pub const SIGNS: [&str; 2] = ["?", "!"];

/// Ends of words that are words of their own.
const ENDS: [&str; 6] = ["'s", "'re", "'ve", "'ll", "'d", "'m"];

static ENGLISH: LazyLock<Leanings> = LazyLock::new(|| Leanings::read(include_str!("english_words.txt")));

/// The table of one language.
pub struct Leanings(HashMap<&'static str, [f32; LABELS]>);

impl Leanings {
    /// The table for a primary language tag.
    pub(super) fn of(language: &str) -> Option<&'static Leanings> {
        (language == "en").then(|| &*ENGLISH)
    }

    /// Each line is a word, a space, and a sign per label besides neutral; lines that are not so are passed by.
    fn read(file: &'static str) -> Leanings {
        let row = |line: &'static str| {
            let (word, signs) = line.rsplit_once(' ')?;
            let steps = |sign: &u8| (f32::from(*sign) - f32::from(ZERO)) * STEP;
            let row: Vec<f32> = signs.as_bytes().iter().map(steps).collect();
            Some((word, row.try_into().ok()?))
        };
        Leanings(file.lines().filter_map(row).collect())
    }

    /// The log-odds of the nine labels after neutral against neutral.
    pub(super) fn score(&self, text: &str) -> [f32; LABELS] {
        let mut sum = [0.0; LABELS];
        let words = words(text);
        if words.is_empty() {
            return sum;
        }
        let mut add = |word: &str, share: f32| {
            if let Some(row) = self.0.get(word) {
                sum.iter_mut().zip(row).for_each(|(sum, number)| *sum += number * share);
            }
        };
        add(ALWAYS, 1.0);
        for sign in SIGNS.iter().filter(|sign| text.contains(**sign)) {
            add(sign, 1.0);
        }
        let share = 1.0 / (words.len() as f32).sqrt();
        for word in &words {
            if let Some(known) = known(word, |word| self.0.contains_key(word)) {
                add(known, share);
            }
        }
        sum
    }

    /// How many words it knows.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The sign for a number, as the table holds it.
pub fn sign(number: f32) -> char {
    let steps = (number / STEP).round().clamp(-(STEPS_MAX as f32), STEPS_MAX as f32);
    char::from((f32::from(ZERO) + steps) as u8)
}

/// The words of a text that count, in small letters.
pub fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase().replace(['’', '‘', '`'], "'");
    let bare = text.split(|c: char| !(c.is_alphanumeric() || c == '\'')).map(|word| word.trim_matches('\''));
    bare.filter(|word| !word.is_empty()).take(WORDS_MAX).map(str::to_owned).collect()
}

/// The word that a word counts as.
pub fn known(word: &str, is_known: impl Fn(&str) -> bool) -> Option<&str> {
    if is_known(word) {
        return Some(word);
    }
    if word.ends_with("n't") && is_known("not") {
        return Some("not");
    }
    if let Some(bare) = ENDS.iter().find_map(|end| word.strip_suffix(end)) {
        return known(bare, is_known);
    }
    let beginnings = word.char_indices().rev().map(|(end, _)| &word[..end]);
    let mut long = beginnings.take_while(|beginning| beginning.chars().count() >= BEGINNING_CHARS_MIN);
    long.find(|beginning| is_known(beginning))
}
