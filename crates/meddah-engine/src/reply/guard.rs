//! Whether a line belongs to the game: nobody may hear the model behind the character.
//!
//! The parser makes clean lines of any text; this looks at what a line says. A line that gives the model away, is
//! in another language, plays somebody else's part, or says again what was just said is not spoken, and the reply
//! ends before it. If it is the first line, nothing was heard yet: whoever runs the turn may ask once more.

use std::collections::{HashMap, HashSet};

use super::language::Languages;
use super::phrases::{self, is_stage_verb};
use super::read_aloud::ReadAloud;
use super::sentence::words;

/// Earlier replies that a line is compared with, the newest ones.
pub const EARLIER_REPLIES_MAX: usize = 5;
/// So many words in a row make a phrase; two texts are alike if they share phrases.
const PHRASE_WORDS: usize = 4;
/// Shorter lines ("Aye.", "I do not know.") may be said again and again, in words.
const REPEATABLE_WORDS_MAX: usize = 5;
/// From this share of common phrases on, a line is the same again.
const SAME_PHRASES_SHARE: f32 = 0.5;
/// From this share of common words on, a question is the same again, and its answer may be, too.
const SAME_QUESTION_SHARE: f32 = 0.6;

/// Words before a part of somebody else, as in "And a little later, Ana: …".
const LEAD_WORDS_MAX: usize = 4;
/// So many words in a row that come back so often within one line are a circle.
const CIRCLE_WORDS: usize = 3;
const CIRCLES_MAX: usize = 4;

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It speaks as a model or as somebody's assistant.
    GaveItselfAway,
    /// It is in another language or script.
    WrongLanguage,
    /// It says or tells what somebody else does.
    SpokeForOthers,
    /// It was said a moment ago.
    SaidAgain,
    /// It is a piece of the prompt.
    ReadAloud,
    /// It announces something that does not come: "You ask:".
    BrokeOff,
    /// There was nothing to say in it.
    Nothing,
}

impl Fault {
    /// One word for logs and reports.
    pub fn name(self) -> &'static str {
        match self {
            Fault::GaveItselfAway => "gave_itself_away",
            Fault::WrongLanguage => "wrong_language",
            Fault::SpokeForOthers => "spoke_for_others",
            Fault::SaidAgain => "said_again",
            Fault::ReadAloud => "read_aloud",
            Fault::BrokeOff => "broke_off",
            Fault::Nothing => "nothing",
        }
    }
}

/// What becomes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// It is said.
    Say,
    /// It is said no more: the character has said as much as it may.
    Enough,
    /// It is left out, and what comes after it is judged by itself.
    LeaveOut(Fault),
    /// It is not said, and what comes after it belongs to it.
    Unusable(Fault),
}

/// What holds for one reply.
#[derive(Clone, Debug, Default)]
pub struct GuardRules {
    /// The language to speak, as `en` or `pt-BR`; empty or unknown: any.
    pub language: String,
    /// Names of people; they may stand in any script.
    pub names: Vec<String>,
    /// Who else is there, the player among them.
    pub others: Vec<String>,
    /// What the character's own file says of it: a phrase that stands there is the character's own.
    pub own_texts: Vec<String>,
    /// Sentences of the prompt that nobody says, see [`super::unsaid`].
    pub unsaid: Vec<String>,
    /// What was said to the character.
    pub asked: String,
    /// Earlier questions and replies, the newest last.
    pub earlier: Vec<(String, String)>,
    /// The longest reply in words; 0 for no limit.
    pub words_max: usize,
}

/// Judges the lines of one reply, one after another.
#[derive(Debug)]
pub struct Guard {
    languages: Languages,
    others: Vec<String>,
    own_texts: String,
    read_aloud: ReadAloud,
    /// Phrases of earlier replies.
    phrases: HashSet<Vec<String>>,
    /// Lines of this reply.
    said: Vec<Vec<String>>,
    words: usize,
    words_max: usize,
}

impl Guard {
    /// A guard at the start of a reply.
    pub fn new(rules: &GuardRules) -> Guard {
        let asked = words(&rules.asked);
        let mut earlier = HashSet::new();
        for (question, reply) in rules.earlier.iter().rev().take(EARLIER_REPLIES_MAX) {
            if !is_same_question(&asked, &words(question)) {
                earlier.extend(phrases_of(&words(reply)));
            }
        }
        Guard {
            languages: Languages::new(&rules.language, &rules.names),
            others: rules.others.iter().map(|name| name.to_lowercase()).collect(),
            own_texts: rules.own_texts.join("\n").to_lowercase(),
            read_aloud: ReadAloud::new(&rules.unsaid),
            phrases: earlier,
            said: Vec::new(),
            words: 0,
            words_max: rules.words_max,
        }
    }

    /// What becomes of the next line.
    pub fn judge(&mut self, line: &str, narration: bool) -> Judgement {
        if self.read_aloud.is(line, |phrase| self.is_own(phrase)) {
            return Judgement::LeaveOut(Fault::ReadAloud);
        }
        // What it announces is said for itself, if it comes.
        if line.ends_with([':', '：']) {
            return Judgement::LeaveOut(Fault::BrokeOff);
        }
        if let Some(fault) = self.fault(line, narration) {
            return Judgement::Unusable(fault);
        }
        let spoken = words(line);
        // A line is never cut in two; the first one is said however long it is.
        if self.words_max > 0 && !self.said.is_empty() && self.words + spoken.len() > self.words_max {
            return Judgement::Enough;
        }
        self.words += spoken.len();
        self.said.push(spoken);
        Judgement::Say
    }

    fn fault(&self, line: &str, narration: bool) -> Option<Fault> {
        let lower = line.to_lowercase().replace('’', "'");
        if phrases::GIVE_AWAYS.iter().any(|phrase| lower.contains(phrase) && !self.is_own(phrase)) {
            return Some(Fault::GaveItselfAway);
        }
        if self.is_part_of_another(&lower, narration) {
            return Some(Fault::SpokeForOthers);
        }
        if !self.languages.fits(line) {
            return Some(Fault::WrongLanguage);
        }
        let words = words(line);
        (goes_in_circles(&words) || self.was_said(&words)).then_some(Fault::SaidAgain)
    }

    /// It stands in the character's own file.
    fn is_own(&self, phrase: &str) -> bool {
        self.own_texts.contains(phrase.trim())
    }

    /// "Traveller nods.", "Later, Traveller: …", "says Traveller", "You nod and say, "Yes."", and told text about the
    /// player: "You smile back."
    fn is_part_of_another(&self, lower: &str, narration: bool) -> bool {
        let first_word =
            |rest: &str| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
        let does = |rest: &str| is_stage_verb(&first_word(rest));
        let others = || self.others.iter().filter(|name| !name.is_empty());
        let after = |name: &str| lower.strip_prefix(name).and_then(|rest| rest.strip_prefix(' '));
        if others().filter_map(|name| after(name)).any(does) {
            return true;
        }
        let told_of = |name: &String| {
            let told = lower.split_once(' ').filter(|(verb, _)| is_stage_verb(verb));
            told.is_some_and(|(_, rest)| rest.starts_with(name.as_str()))
        };
        let has_a_part = |name: &String| {
            let lead = lower.split_once(&format!("{name}:")).map(|(lead, _)| lead);
            lead.is_some_and(|lead| narration || is_stage_direction(lead))
        };
        others().any(|name| told_of(name) || has_a_part(name))
            || after("you").is_some_and(|rest| narration || says_for_the_player(rest))
    }

    fn was_said(&self, line: &[String]) -> bool {
        if self.said.iter().any(|said| said == line) {
            return true;
        }
        if line.len() <= REPEATABLE_WORDS_MAX {
            return false;
        }
        let phrases = phrases_of(line);
        let known = |phrase: &&Vec<String>| {
            self.phrases.contains(*phrase) || self.said.iter().any(|said| phrases_of(said).contains(*phrase))
        };
        let same = phrases.iter().filter(known).count();
        same as f32 >= phrases.len() as f32 * SAME_PHRASES_SHARE
    }
}

/// "later, ", "and then, ": what stands before somebody's part in a play.
fn is_stage_direction(lead: &str) -> bool {
    let lead = lead.trim_start_matches(|c: char| !c.is_alphanumeric());
    lead.is_empty() || lead.ends_with(", ") && lead.split_whitespace().count() <= LEAD_WORDS_MAX
}

/// `nod and say, "i take it."`: what follows "you" in a story that the player is a part of.
fn says_for_the_player(rest: &str) -> bool {
    let told = rest.split_once(['"', '“']).map(|(told, _)| told.trim_end());
    let told = told.and_then(|told| told.strip_suffix([',', ':']));
    let verb = told.and_then(|told| told.split_whitespace().next_back());
    verb.is_some_and(|verb| {
        matches!(verb, "say" | "reply" | "answer" | "ask" | "tell" | "shout" | "whisper" | "mutter")
    })
}

/// "I am sorry I am sorry I am sorry I am sorry": a small model that cannot stop.
fn goes_in_circles(words: &[String]) -> bool {
    let mut counts: HashMap<&[String], usize> = HashMap::new();
    words.windows(CIRCLE_WORDS).any(|phrase| {
        let count = counts.entry(phrase).or_default();
        *count += 1;
        *count >= CIRCLES_MAX && phrase.iter().any(|word| *word != phrase[0])
    })
}

fn phrases_of(words: &[String]) -> HashSet<Vec<String>> {
    words.windows(PHRASE_WORDS).map(<[String]>::to_vec).collect()
}

fn is_same_question(asked: &[String], earlier: &[String]) -> bool {
    let same = asked.iter().filter(|word| earlier.contains(word)).count();
    same > 0 && same as f32 >= asked.len().max(earlier.len()) as f32 * SAME_QUESTION_SHARE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> GuardRules {
        let earlier = |question: &str, reply: &str| (question.to_owned(), reply.to_owned());
        GuardRules {
            language: "en".into(),
            names: vec!["Mira".into(), "Ana".into()],
            others: vec!["Ana".into(), "Osk".into()],
            own_texts: vec!["Mira keeps the inn.".into()],
            asked: "And how is the weather?".into(),
            earlier: vec![
                earlier("Who are you?", "I am Mira. I keep this house warm and the beds dry."),
                earlier("How much is a bed?", "A bed costs two coppers a night, with porridge."),
            ],
            words_max: 30,
            unsaid: vec!["You are Mira, innkeeper of the Lantern.".into()],
        }
    }

    fn check(line: &str, expected: Judgement) {
        assert_eq!(Guard::new(&rules()).judge(line, false), expected, "{line:?}");
    }

    #[test]
    fn lines_of_a_character_are_said() {
        for line in [
            "Two coppers, love.",
            "I cannot help you with that, the river took him.",
            "Ana, you look tired.",
            "Osk cooks the stew.",
            "Hm.",
            "I keep the house, and the house keeps me.",
        ] {
            check(line, Judgement::Say);
        }
    }

    #[test]
    fn a_line_that_gives_the_model_away_is_not_said() {
        for line in [
            "Sadly, as an AI language model I have no bed.",
            "How can I assist you today?",
            "I’m here to assist you with any questions.",
            "In this role-play, I am the innkeeper.",
        ] {
            check(line, Judgement::Unusable(Fault::GaveItselfAway));
        }
        let ship = GuardRules { own_texts: vec!["How can I assist you, captain?".into()], ..rules() };
        assert_eq!(Guard::new(&ship).judge("How can I assist you, Ana?", false), Judgement::Say);
    }

    #[test]
    fn a_piece_of_the_prompt_is_left_out_and_the_rest_is_said() {
        let mut guard = Guard::new(&rules());
        let left_out = Judgement::LeaveOut(Fault::ReadAloud);
        assert_eq!(guard.judge("You are Mira, innkeeper of the Lantern.", false), left_out);
        assert_eq!(guard.judge("You remember: Ana said to you: \"Hello.\"", false), left_out);
        assert_eq!(guard.judge("Two coppers, love.", false), Judgement::Say);
    }

    #[test]
    fn the_part_of_another_is_not_played() {
        for line in [
            "Ana nods and sits down.",
            "Osk smiles at you.",
            "Later, Ana: Nice place you have here.",
            "says Ana and pays me.",
            "You nod and say, \"I take the bed.\"",
        ] {
            check(line, Judgement::Unusable(Fault::SpokeForOthers));
        }
        let told = Guard::new(&rules()).judge("You smile back at her", true);
        assert_eq!(told, Judgement::Unusable(Fault::SpokeForOthers));
        let told = Guard::new(&rules()).judge("Later, Ana: Nice place you have here.", true);
        assert_eq!(told, Judgement::Unusable(Fault::SpokeForOthers));
        assert_eq!(Guard::new(&rules()).judge("wipes the bar", true), Judgement::Say);
        for line in [
            "You say that you paid, but I saw nothing.",
            "Tell this to Ana: I want my money.",
            "Ana, listen: the fog is coming.",
            "Says who?",
            "You say \"please\" very nicely.",
        ] {
            check(line, Judgement::Say);
        }
    }

    #[test]
    fn what_was_said_is_not_said_again_unless_it_is_asked_again() {
        check("A bed costs two coppers a night, with porridge.", Judgement::Unusable(Fault::SaidAgain));
        check(
            "I am Mira, and I keep this house warm and the beds dry.",
            Judgement::Unusable(Fault::SaidAgain),
        );
        let asked = GuardRules { asked: "How much is a bed, please?".into(), ..rules() };
        let line = "A bed costs two coppers a night, with porridge.";
        assert_eq!(Guard::new(&asked).judge(line, false), Judgement::Say);
        let mut guard = Guard::new(&asked);
        guard.judge("The fog is thick tonight.", false);
        let again = guard.judge("The fog is thick tonight.", false);
        assert_eq!(again, Judgement::Unusable(Fault::SaidAgain));
    }

    #[test]
    fn an_announcement_is_left_out() {
        check("The other people in the cellar are:", Judgement::LeaveOut(Fault::BrokeOff));
        check("There is one rule: pay first.", Judgement::Say);
    }

    #[test]
    fn a_line_that_goes_in_circles_is_not_said() {
        check("I am sorry, I am sorry, I am sorry, I am sorry.", Judgement::Unusable(Fault::SaidAgain));
        check(
            "The bell of the bell of the bell of the bell of the bell.",
            Judgement::Unusable(Fault::SaidAgain),
        );
        check("No, no, no, no, no, no!", Judgement::Say);
        check("One for you, one for me, and one for the house.", Judgement::Say);
    }

    #[test]
    fn a_reply_ends_when_its_words_are_used_up() {
        let mut guard = Guard::new(&GuardRules { words_max: 8, ..rules() });
        let long = "The first line is said however long it may be, is it not?";
        assert_eq!(guard.judge(long, false), Judgement::Say);
        assert_eq!(guard.judge("One more.", false), Judgement::Enough);
    }
}
