//! What the first characters of a sentence say about it: a name in front, a list item, a disclaimer.
//!
//! Asked anew with each further character, and answered "undecided" only while the characters could still
//! become something known. Most sentences are decided by their first letter, so hardly anything waits.

use super::phrases::{DISCLAIMER_LEADS, DISCLAIMERS, HEADER_LABELS, OTHER_LABELS, OWN_LABELS, is_told};
use super::{NAMES_MAX, ReplyRules};

/// No head is longer, in characters; what is undecided until then is plain.
const HEAD_CHARS_MAX: usize = 96;
/// The longest remark between a name and its colon, in bytes: "Mira (smiling): ".
const REMARK_BYTES_MAX: usize = 48;

/// What a sentence begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Could be several things yet.
    Undecided,
    /// Nothing special: it is said.
    Plain,
    /// Something to take off; the rest is a new start. If a mark in front of a name is still open, its sign.
    Strip(Option<char>),
    /// "1. ": taken off, and the next number will be too.
    StripNumber,
    /// Somebody else's part: the reply is over.
    Other,
    /// The rest of the line of text is not for ears.
    DropLine,
    /// The sentence is not for ears.
    DropSentence,
    /// Told text after a quotation.
    Told,
}

/// Where the sentence stands.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// First on its line of text.
    pub(super) line_start: bool,
    /// Something was said already.
    pub(super) said: bool,
    /// Behind the closing quotation mark of a line that began with one.
    pub(super) after_quotation: bool,
    /// A numbered item came before.
    pub(super) in_list: bool,
}

/// The names and labels of one reply.
#[derive(Debug)]
pub(super) struct HeadRules {
    own: Vec<String>,
    others: Vec<String>,
    own_names: Vec<String>,
}

/// How far a text agrees with a label.
enum Match {
    No,
    Perhaps,
    /// With the sign of a mark that was opened before the name and not closed yet.
    Yes(Option<char>),
}

impl HeadRules {
    pub(super) fn new(rules: &ReplyRules) -> HeadRules {
        let lower = |name: &String| name.trim().chars().map(lower).collect::<String>();
        let names = |names: &[String]| {
            names.iter().map(lower).filter(|name| !name.is_empty()).take(NAMES_MAX).collect::<Vec<_>>()
        };
        let own_names = names(&rules.character_names);
        let labels = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
        let mut own = own_names.clone();
        own.extend(labels(OWN_LABELS));
        let mut others = names(&rules.other_names);
        others.extend(names(std::slice::from_ref(&rules.player_name)));
        others.extend(labels(OTHER_LABELS));
        others.retain(|name| !own.contains(name));
        HeadRules { own, others, own_names }
    }

    /// Judges the start of a sentence.
    pub(super) fn judge(&self, text: &str, place: Place) -> Verdict {
        if text.chars().count() > HEAD_CHARS_MAX {
            return Verdict::Plain;
        }
        if place.after_quotation {
            match is_told(text, &self.own_names) {
                Some(true) => return Verdict::Told,
                Some(false) => {}
                None => return Verdict::Undecided,
            }
        }
        let verdicts = [self.label(text, place), list_sign(text, place), disclaimer(text)];
        let decided = verdicts.iter().find(|v| !matches!(v, Verdict::Plain | Verdict::Undecided));
        match decided {
            Some(verdict) => *verdict,
            None if verdicts.contains(&Verdict::Undecided) => Verdict::Undecided,
            None => Verdict::Plain,
        }
    }

    /// Judges a whole line of text: a role's name alone is what is left of a role token.
    pub(super) fn judge_line(&self, text: &str, place: Place) -> Verdict {
        match text.trim() {
            "user" | "human" | "system" => Verdict::Other,
            "assistant" | "model" if place.said => Verdict::Other,
            "assistant" | "model" => Verdict::DropLine,
            _ => Verdict::Plain,
        }
    }

    /// Whether a narration is nothing but a name: "[Mira]", "(Tom)".
    pub(super) fn judge_name(&self, text: &str) -> Verdict {
        let name: String = text.trim().chars().map(lower).collect();
        if self.own.contains(&name) {
            Verdict::Strip(None)
        } else if self.others.contains(&name) {
            Verdict::Other
        } else {
            Verdict::Plain
        }
    }

    fn label(&self, text: &str, place: Place) -> Verdict {
        let mut undecided = false;
        let mut matching = |names: &[String], verb: &str| {
            names.iter().find_map(|name| match match_label(text, name, verb) {
                Match::Yes(open) => Some(open),
                Match::Perhaps => {
                    undecided = true;
                    None
                }
                Match::No => None,
            })
        };
        if let Some(open) = matching(&self.own, "says") {
            return Verdict::Strip(open);
        }
        if matching(&self.others, "").is_some() {
            return Verdict::Other;
        }
        let headers: Vec<String> = HEADER_LABELS.iter().map(|label| (*label).to_owned()).collect();
        if place.line_start && matching(&headers, "").is_some() {
            return if place.said { Verdict::Other } else { Verdict::DropLine };
        }
        if undecided { Verdict::Undecided } else { Verdict::Plain }
    }
}

fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// `Name:`, `**Name**:`, `**Name:**`, `Name (remark):`, and with a verb `Name says:`.
fn match_label(text: &str, name: &str, verb: &str) -> Match {
    let is_mark = |c: char| matches!(c, '*' | '_');
    let bare = text.trim_start_matches(is_mark);
    let open = text[..text.len() - bare.len()].chars().next();
    let mut rest = bare;
    for expected in name.chars() {
        let mut chars = rest.chars();
        match chars.next() {
            None => return Match::Perhaps,
            Some(c) if lower(c) == expected => rest = chars.as_str(),
            Some(_) => return Match::No,
        }
    }
    let mut closed = rest.starts_with(is_mark);
    rest = rest.trim_start_matches(is_mark).trim_start();
    if let Some(remark) = rest.strip_prefix(['(', '[']) {
        let Some(end) = remark.find([')', ']']) else {
            return if remark.len() <= REMARK_BYTES_MAX { Match::Perhaps } else { Match::No };
        };
        rest = &remark[end + 1..];
        closed |= rest.starts_with(is_mark);
        rest = rest.trim_start_matches(is_mark).trim_start();
    }
    if !verb.is_empty() && !rest.is_empty() {
        match rest.strip_prefix(verb) {
            Some(after) => rest = after.trim_start_matches([',', ' ']),
            None if verb.starts_with(rest) => return Match::Perhaps,
            None => {}
        }
    }
    if rest.is_empty() {
        Match::Perhaps
    } else if rest.starts_with([':', '：']) {
        Match::Yes(open.filter(|_| !closed))
    } else {
        Match::No
    }
}

/// `- item`, `## heading`, `1. item`.
fn list_sign(text: &str, place: Place) -> Verdict {
    if let Some(rest) = text.strip_prefix('-') {
        return sign_before_space(rest, Verdict::Strip(None));
    }
    if text.starts_with('#') {
        return sign_before_space(text.trim_start_matches('#'), Verdict::Strip(None));
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - rest.len()];
    // A reply may be a number: "How many?" "3. Take them." A list begins with 1.
    if number.is_empty() || number.len() > 2 || !place.line_start || !(place.in_list || number == "1") {
        return Verdict::Plain;
    }
    match rest.strip_prefix(['.', ')']) {
        Some(rest) => sign_before_space(rest, Verdict::StripNumber),
        None if rest.is_empty() => Verdict::Undecided,
        None => Verdict::Plain,
    }
}

fn sign_before_space(rest: &str, verdict: Verdict) -> Verdict {
    match rest.chars().next() {
        None => Verdict::Undecided,
        Some(' ') => verdict,
        Some(_) => Verdict::Plain,
    }
}

/// A sentence that gives the model away, perhaps after an excuse.
fn disclaimer(text: &str) -> Verdict {
    let text: String = text.chars().map(lower).map(|c| if c == '’' { '\'' } else { c }).collect();
    disclaimer_after_lead(&text)
}

fn disclaimer_after_lead(text: &str) -> Verdict {
    let mut undecided = false;
    for phrase in DISCLAIMERS {
        match text.strip_prefix(phrase) {
            Some(rest) if rest.starts_with(|c: char| !c.is_alphanumeric()) => return Verdict::DropSentence,
            Some("") => undecided = true,
            _ => undecided |= phrase.starts_with(text),
        }
    }
    for lead in DISCLAIMER_LEADS {
        match text.strip_prefix(lead).map(disclaimer_after_lead) {
            Some(Verdict::DropSentence) => return Verdict::DropSentence,
            Some(Verdict::Undecided) => undecided = true,
            _ => undecided |= lead.starts_with(text),
        }
    }
    if undecided { Verdict::Undecided } else { Verdict::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdict, and how many characters it took.
    fn check(text: &str, expected: Verdict, chars: usize) {
        let rules = HeadRules::new(&ReplyRules {
            character_names: vec!["Mira".into(), "Mira Holt".into()],
            other_names: vec!["Tom".into()],
            player_name: "Ana".into(),
            ..ReplyRules::default()
        });
        let place = Place { line_start: true, ..Place::default() };
        let ends = text.char_indices().map(|(index, c)| index + c.len_utf8());
        for (count, end) in ends.enumerate() {
            let verdict = rules.judge(&text[..end], place);
            if verdict != Verdict::Undecided {
                assert_eq!((verdict, count + 1), (expected, chars), "{text:?}");
                return;
            }
        }
        assert_eq!(expected, Verdict::Undecided, "{text:?}");
    }

    #[test]
    fn names_in_front_are_told_apart() {
        check("Mira: Aye", Verdict::Strip(None), 5);
        check("**Mira Holt**: Aye", Verdict::Strip(None), 14);
        check("**Mira:** Aye", Verdict::Strip(Some('*')), 7);
        check("mira (wiping the bar): Aye", Verdict::Strip(None), 22);
        check("Tom: What", Verdict::Other, 4);
        check("Ana:", Verdict::Other, 4);
        check("You: what", Verdict::Other, 4);
        check("You are late.", Verdict::Plain, 5);
        check("Tom is late.", Verdict::Plain, 5);
        check("Hello", Verdict::Plain, 2);
        check("Mood: calm", Verdict::DropLine, 5);
    }

    #[test]
    fn list_signs_are_taken_off() {
        check("- Ale", Verdict::Strip(None), 2);
        check("-5 degrees", Verdict::Plain, 2);
        check("## Reply", Verdict::Strip(None), 3);
        check("1. Ale", Verdict::StripNumber, 3);
        check("3. Take them.", Verdict::Plain, 1);
        check("1.5 gold", Verdict::Plain, 3);
    }

    #[test]
    fn disclaimers_are_known_by_their_first_words() {
        check("As an AI language model, I", Verdict::DropSentence, 9);
        check("As an aide to the king", Verdict::Plain, 9);
        check("I’m sorry, but as an AI, I", Verdict::DropSentence, 24);
        check("I'm sorry, friend.", Verdict::Plain, 12);
        check("Aye", Verdict::Plain, 2);
        check("It is late", Verdict::Plain, 2);
    }
}
