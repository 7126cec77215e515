//! Whether a line is a piece of the prompt that a character may heed but never says.
//!
//! A small model reads aloud what it was told: "You remember: Ana said to you …", "You talk with Ana.". Nobody but the
//! prompt speaks so, and what was said once comes back as a memory, which would be read aloud again.

use super::sentence::{sentences, words};
use crate::prompt::{PartKind, PromptPart};

/// How sentences begin that only a prompt says, in small letters and without brackets.
const FRAMES: [&str; 6] =
    ["you remember: ", "you remember (", "you heard: ", "you know: ", "you do not know: ", "you want: "];
/// What stands in the middle of such sentences.
const INNER_FRAMES: [&str; 3] = [" said to you: ", " you answered: ", " told you: "];
/// "Earlier, Ana: …".
const EARLIER: &str = "earlier, ";
/// Fewer words that stand in a prompt may be chance.
const WORDS_MIN: usize = 3;
/// A line that is this share of a sentence, from its beginning, is that sentence.
const SENTENCE_SHARE: f32 = 0.5;
/// As are so many words, however long the sentence.
const WORDS_SURE: usize = 6;

/// The sentences of a prompt that nobody says: rules, what can be done, who is talked with, feelings and goals, and of
/// the rest what speaks to the character as "you". What the character is shown to say in its samples it may say.
pub fn unsaid(parts: &[PromptPart]) -> Vec<String> {
    let samples = parts.iter().filter(|part| part.kind == PartKind::Sample);
    let samples: Vec<String> = samples.map(|part| part.text.to_lowercase()).collect();
    let mut unsaid = Vec::new();
    for part in parts {
        let only_to_you = match part.kind {
            PartKind::Rules | PartKind::Actions | PartKind::Partner | PartKind::Feeling | PartKind::Goal => {
                false
            }
            PartKind::World | PartKind::Character | PartKind::Knowledge => true,
            // Words of people stand there.
            PartKind::Sample | PartKind::Turn | PartKind::Note | PartKind::Memory | PartKind::Said => {
                continue;
            }
        };
        for sentence in sentences(part.text.trim_matches(['[', ']']), usize::MAX) {
            let is_unsaid = !only_to_you || speaks_to_you(&sentence);
            if is_unsaid && !samples.iter().any(|sample| sample.contains(&sentence.to_lowercase())) {
                unsaid.push(sentence);
            }
        }
    }
    unsaid
}

fn speaks_to_you(sentence: &str) -> bool {
    matches!(words(sentence).first().map(String::as_str), Some("you" | "your"))
}

/// Knows a line that was read aloud.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadAloud {
    unsaid: Vec<Vec<String>>,
}

impl ReadAloud {
    /// Beside the frames, these sentences are never said.
    pub fn new(unsaid: &[String]) -> ReadAloud {
        ReadAloud { unsaid: unsaid.iter().map(|sentence| words(sentence)).collect() }
    }

    /// Whether this line is one of them. `own` tells of a phrase in small letters that it is the character's own.
    pub fn is(&self, line: &str, own: impl Fn(&str) -> bool) -> bool {
        let lower = line.to_lowercase();
        let lower = lower.trim_start_matches(|c: char| !c.is_alphanumeric());
        let framed = FRAMES.iter().any(|frame| lower.starts_with(frame) && !own(frame))
            || INNER_FRAMES.iter().any(|frame| lower.contains(frame) && !own(frame))
            || is_earlier(lower);
        framed || self.is_unsaid(&words(lower))
    }

    /// It is such a sentence, or most of its beginning, or goes on from one.
    fn is_unsaid(&self, line: &[String]) -> bool {
        let is_most = |of: usize| line.len() >= WORDS_SURE || line.len() as f32 >= of as f32 * SENTENCE_SHARE;
        let same = |sentence: &Vec<String>| {
            let goes_on = sentence.len() > WORDS_MIN && line.starts_with(sentence);
            goes_on || sentence.starts_with(line) && is_most(sentence.len())
        };
        line.len() >= WORDS_MIN && self.unsaid.iter().any(same)
    }
}

/// "Earlier, Ana: …", but not "Earlier, I told him this: …".
fn is_earlier(lower: &str) -> bool {
    let name = lower.strip_prefix(EARLIER).and_then(|rest| rest.split_once(": ")).map(|(name, _)| name);
    name.is_some_and(|name| name.split_whitespace().count() <= 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(kind: PartKind, text: &str) -> PromptPart {
        PromptPart { kind, text: text.into(), tokens: 0 }
    }

    fn read_aloud() -> ReadAloud {
        ReadAloud::new(&unsaid(&[
            part(PartKind::Rules, "Answer in one short sentence."),
            part(PartKind::Character, "You are Mira, innkeeper of the Lantern. The house is old."),
            part(PartKind::Partner, "You talk with Ana."),
            part(PartKind::Sample, "You are welcome to stay."),
            part(PartKind::Knowledge, "[You are welcome to stay. The mill burned down.]"),
            part(PartKind::Feeling, "[You are still angry because Ana insulted you.]"),
            part(PartKind::Said, "Ana: You are late tonight."),
        ]))
    }

    #[test]
    fn what_only_a_prompt_says_is_known() {
        let read_aloud = read_aloud();
        for line in [
            "You remember: Ana said to you: \"My dog is Fenn.\"",
            "[You remember (evening, at the mill): the bell rang.",
            "Ana said to you: \"Hello.\" You answered: \"Hm.\"",
            "Earlier, Ana: My dog is called Fenn.",
            "You talk with Ana.",
            "You are Mira, innkeeper of the Lantern.",
            "You are still angry because Ana insulted you.",
            "You are still angry because Ana insulted you, and you shout.",
            "Answer in one short sentence.",
        ] {
            assert!(read_aloud.is(line, |_| false), "{line}");
        }
    }

    #[test]
    fn what_people_say_is_said() {
        let read_aloud = read_aloud();
        for line in [
            "You remember the mill, do you?",
            "You talk too much.",
            "You are late tonight.",
            "You are welcome to stay.",
            "The mill burned down.",
            "The house is old.",
            "Earlier, I told him one thing: go home.",
            "I remember: you said so.",
            "You are.",
        ] {
            assert!(!read_aloud.is(line, |_| false), "{line}");
        }
        assert!(!read_aloud.is("You heard: the bell rings.", |phrase| phrase == "you heard: "));
    }
}
