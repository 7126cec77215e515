//! The word lists of the reply parser, all in one place, and the rules that read them.
//!
//! The lists are English, because models give themselves away and write stage directions in English even
//! when they speak another language; the rules about position and length hold in any.

/// Sentences that begin so are spoken by a model, not by a character. Small letters, straight apostrophes.
/// "I am an AI" alone is not among them: a ship's computer may say it.
pub(super) const DISCLAIMERS: &[&str] = &[
    "as an ai",
    "as an artificial intelligence",
    "as a language model",
    "as a large language model",
    "as a virtual assistant",
    "i am an ai language model",
    "i'm an ai language model",
    "i am an ai assistant",
    "i'm an ai assistant",
    "i am an ai model",
    "i'm an ai model",
    "i am just an ai",
    "i'm just an ai",
    "i am only an ai",
    "i'm only an ai",
    "i am a language model",
    "i'm a language model",
    "i am just a language model",
    "i'm just a language model",
    "i am a large language model",
    "i'm a large language model",
    "i am a text-based ai",
    "i'm a text-based ai",
    "i cannot fulfill",
    "i can't fulfill",
    "i cannot fulfil",
    "i can't fulfil",
    "i am unable to fulfill",
    "i'm unable to fulfill",
    "i cannot assist with",
    "i can't assist with",
    "i cannot provide assistance",
    "i can't provide assistance",
    "i am not able to assist with",
    "i'm not able to assist with",
];

/// What gives a model away anywhere in a line, unless the character's own file has it. Small letters, straight
/// apostrophes.
pub(super) const GIVE_AWAYS: &[&str] = &[
    "language model",
    "as an ai ",
    "as an ai,",
    "i am an ai ",
    "i'm an ai ",
    "an ai assistant",
    "ai chatbot",
    "virtual assistant",
    "helpful assistant",
    "how can i assist you",
    "how may i assist you",
    "can i assist you with",
    "here to assist you",
    "happy to assist you",
    "assist you today",
    "help you today",
    "feel free to ask",
    "if you have any other questions",
    "if you have any further questions",
    "any other questions or",
    "my training data",
    "i'm an assistant",
    "i am an assistant",
    "help you with that request",
    "help with that request",
    "fulfill that request",
    "fulfill your request",
    "fulfil your request",
    "any questions you may have",
    "my instructions say",
    "my instructions are",
    "my system prompt",
    "(out of character",
    "ooc:",
    "(ooc",
    "as the model ",
    "as a model,",
    "as a character in a ",
    "as a character in the ",
    "sorry for the confusion",
    "sorry for any confusion",
    "apologize for the confusion",
    "apologise for the confusion",
    "apologize for any confusion",
    "begin every reply",
    "stay in character",
    "i play one character",
    "i am playing the role",
    "i'm playing the role",
    "my knowledge cutoff",
    "openai",
    "chatgpt",
    "in this role-play",
    "in this roleplay",
    "this role-play",
    "the user ",
    "user's",
    "fictional character",
    "als ki-",
    "als sprachmodell",
    "en tant qu'ia",
    "modèle de langage",
    "como modelo de lenguaje",
    "modelo de lenguaje",
    "bir yapay zeka",
];

/// What may stand before such a sentence's give-away words.
pub(super) const DISCLAIMER_LEADS: &[&str] = &[
    "i'm sorry, but ",
    "i am sorry, but ",
    "i'm sorry, ",
    "i apologize, but ",
    "my apologies, but ",
    "sorry, but ",
    "sorry, ",
    "unfortunately, ",
    "however, ",
    "please note that ",
    "note that ",
    "remember, ",
    "well, ",
];

/// Labels of the character itself that models put before a line.
pub(super) const OWN_LABELS: &[&str] =
    &["assistant", "ai", "bot", "character", "npc", "says", "reply", "response"];

/// Labels of those who talk to the character.
pub(super) const OTHER_LABELS: &[&str] = &["player", "user", "human", "you", "system"];

/// Labels of the head of an answer, as it stands in the prompt. Before the first line they are dropped
/// with their line; later they begin another answer.
pub(super) const HEADER_LABELS: &[&str] = &["mood", "does"];

/// One word of these in asterisks at the start of a sentence is stressed, not told: "*Never* come back."
const STRESSED: &[&str] = &[
    "all",
    "always",
    "and",
    "any",
    "anyone",
    "anything",
    "are",
    "both",
    "but",
    "can",
    "could",
    "did",
    "do",
    "don't",
    "every",
    "everyone",
    "everything",
    "he",
    "her",
    "his",
    "how",
    "i",
    "if",
    "is",
    "it",
    "just",
    "my",
    "never",
    "no",
    "nobody",
    "not",
    "nothing",
    "now",
    "one",
    "only",
    "our",
    "please",
    "really",
    "she",
    "somebody",
    "someone",
    "something",
    "that",
    "the",
    "their",
    "then",
    "these",
    "they",
    "this",
    "those",
    "truly",
    "very",
    "was",
    "we",
    "were",
    "what",
    "when",
    "where",
    "who",
    "why",
    "will",
    "would",
    "yes",
    "you",
    "your",
];

/// What characters do between words, in the form that models write it.
const STAGE_VERBS: &[&str] = &[
    "adjusts",
    "bares",
    "beams",
    "beckons",
    "bites",
    "blinks",
    "blushes",
    "bows",
    "breathes",
    "brushes",
    "chuckles",
    "clears",
    "clenches",
    "closes",
    "coughs",
    "crosses",
    "draws",
    "eyes",
    "folds",
    "frowns",
    "gasps",
    "gazes",
    "gestures",
    "giggles",
    "glances",
    "glares",
    "grabs",
    "grins",
    "groans",
    "growls",
    "grumbles",
    "grunts",
    "gulps",
    "hands",
    "hesitates",
    "holds",
    "hums",
    "laughs",
    "leans",
    "licks",
    "lifts",
    "looks",
    "lowers",
    "mumbles",
    "murmurs",
    "mutters",
    "narrows",
    "nods",
    "offers",
    "opens",
    "pats",
    "pauses",
    "picks",
    "places",
    "points",
    "pours",
    "pulls",
    "purses",
    "puts",
    "raises",
    "reaches",
    "rolls",
    "rubs",
    "scoffs",
    "scowls",
    "scratches",
    "shakes",
    "shivers",
    "shrugs",
    "sighs",
    "sits",
    "slams",
    "slides",
    "smiles",
    "smirks",
    "sniffs",
    "snorts",
    "spits",
    "squints",
    "stands",
    "stares",
    "steps",
    "strokes",
    "swallows",
    "takes",
    "taps",
    "tilts",
    "trembles",
    "turns",
    "twirls",
    "walks",
    "waves",
    "whispers",
    "winces",
    "winks",
    "wipes",
    "yawns",
];

/// How a story says who speaks.
const SPEECH_VERBS: &[&str] = &[
    "answers",
    "asks",
    "begins",
    "continues",
    "cries",
    "exclaims",
    "replies",
    "responds",
    "says",
    "shouts",
    "speaks",
    "tells",
    "thinks",
    "wonders",
];

/// After a quotation, these begin told text and not speech: `"Aye." She nods.`
const TELLING_WORDS: &[&str] = &["he", "she", "they", "his", "her", "their", "it", "its"];

/// A stressed span in the middle of a sentence holds at most so many words,
const STRESSED_WORDS_MAX: usize = 4;
/// and an aside in brackets so many.
const ASIDE_WORDS_MAX: usize = 3;

/// Text between two marks, and where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpanPlace<'a> {
    /// `*`, `_`, `(` or `[`.
    pub(super) sign: char,
    /// Two signs or more.
    pub(super) strong: bool,
    /// The sentence so far; empty at its start.
    pub(super) sentence: &'a str,
}

/// Whether a word is what characters do between words, as models write it in a story: "nods", "says".
pub(super) fn is_stage_verb(word: &str) -> bool {
    STAGE_VERBS.contains(&word) || SPEECH_VERBS.contains(&word)
}

/// Whether a closed span is part of what is said. If not, it is narration.
///
/// 1. `**strong**` text is said, unless it begins with a stage verb ("**sighs**").
/// 2. Within a sentence, up to four words in `*…*` or `_…_` are stress ("I *really* mean it"), unless they
///    begin with a stage verb, or follow a comma and begin with an -ing form; up to three in `(…)` are an
///    aside under the same rule, `-ing` never being one.
/// 3. At the start of a sentence only a single small word of the list is stress ("*Never* come back").
/// 4. `[…]` is always told.
pub(super) fn is_said(text: &str, place: SpanPlace<'_>) -> bool {
    let words: Vec<String> = text
        .split_whitespace()
        .map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase().replace('’', "'"))
        .collect();
    let Some(first) = words.first() else { return false };
    if place.sign == '[' || STAGE_VERBS.contains(&first.as_str()) {
        return false;
    }
    if place.strong {
        return true;
    }
    let participle = first.len() > 4 && first.ends_with("ing") && !first.ends_with("thing");
    if place.sign == '(' {
        return !place.sentence.is_empty() && words.len() <= ASIDE_WORDS_MAX && !participle;
    }
    if place.sentence.is_empty() {
        return words.len() == 1 && STRESSED.contains(&first.as_str());
    }
    let after_pause = place.sentence.ends_with([',', ';', ':', '—', '-', '…']);
    words.len() <= STRESSED_WORDS_MAX && !(after_pause && participle)
}

/// Whether text after a quotation is told: the answer once its first word is complete.
pub(super) fn is_told(text: &str, own_names: &[String]) -> Option<bool> {
    let first = text.chars().next()?;
    if first.is_lowercase() {
        return Some(true);
    }
    let end = text.find(|c: char| !c.is_alphanumeric())?;
    let word = text[..end].to_lowercase();
    let named = own_names.iter().any(|name| name.split_whitespace().next() == Some(word.as_str()));
    Some(named || TELLING_WORDS.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(said: bool, sentence: &str, spans: &[&str]) {
        for span in spans {
            let sign = span.chars().next().unwrap();
            let strong = span.starts_with("**");
            let text = span.trim_matches(['*', '_', '(', ')', '[', ']']);
            assert_eq!(is_said(text, SpanPlace { sign, strong, sentence }), said, "{sentence:?} {span:?}");
        }
    }

    #[test]
    fn stress_is_told_from_narration() {
        check(
            true,
            "I",
            &["*really*", "_really_", "**really**", "*dying*", "(well, four)", "*Golden Fleece*"],
        );
        check(
            false,
            "Well",
            &["*sighs*", "*Sighs* ", "*wipes the bar*", "(laughing)", "[nods]", "**sighs**"],
        );
        check(false, "Well,", &["*smiling*", "*grinning at you*", "*a long and heavy silence falls*"]);
        check(true, "Well,", &["*now* ", "*something*"]);
        check(true, "", &["*Never*", "**Welcome in!**", "*you*"]);
        check(false, "", &["*Nods*", "*softly*", "(softly)", "*The door creaks*", "*"]);
    }

    #[test]
    fn told_text_after_a_quotation_is_known_by_its_first_word() {
        let names = ["mira holt".to_owned()];
        assert_eq!(is_told("she says", &names), Some(true));
        assert_eq!(is_told("Sh", &names), None);
        assert_eq!(is_told("She nods.", &names), Some(true));
        assert_eq!(is_told("Mira nods.", &names), Some(true));
        assert_eq!(is_told("Come in.", &names), Some(false));
    }
}
