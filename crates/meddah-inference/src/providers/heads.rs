//! The heads of a reply, `Mood:`, `Does:` and `Says:`, as models really write them: in bold, in other
//! letters, in another order, all on one line, in a block of code, or not at all.
//!
//! Works character by character, so that any chunking gives the same; and never fails: what is no head is
//! words.

use std::borrow::Cow;

/// Longer values of a head are words, in characters.
const VALUE_CHARS_MAX: usize = 64;
/// Up to this length, in bytes, a value of ours is one, blanks around it included.
const PLAIN_VALUE_BYTES_MAX: usize = 48;
/// Longer arguments of an action are given up, in characters.
const ARGUMENT_CHARS_MAX: usize = 8192;
/// Longer starts of a line are no head, in characters.
const LABEL_CHARS_MAX: usize = 24;

/// What a reply's text turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum HeadEvent {
    /// What stands behind `Mood:`.
    Mood(String),
    /// What stands behind `Does:`.
    Does(String),
    /// Words.
    Words(String),
    /// Another reply begins: nothing more belongs to this one.
    Over,
}

/// A past answer in parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Head<'t> {
    pub mood: Option<Cow<'t, str>>,
    pub does: Option<Cow<'t, str>>,
    pub words: Cow<'t, str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    Mood,
    Does,
    Says,
}

const LABELS: [(&str, Label); 8] = [
    ("mood", Label::Mood),
    ("emotion", Label::Mood),
    ("feeling", Label::Mood),
    ("does", Label::Does),
    ("action", Label::Does),
    ("says", Label::Says),
    ("say", Label::Says),
    ("speech", Label::Says),
];

/// Signs that models put around labels and values.
const MARKS: [char; 7] = ['*', '_', '#', '>', '`', '-', '['];
const FENCE: &str = "```";

#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// At the start of a line that may be a head.
    LineStart,
    /// Behind the label of a head.
    Value(Label),
    /// Within a line of words.
    Words,
    /// Within the line that opens a block of code.
    Fence,
    /// Behind the end.
    Over,
}

/// Takes a reply's text apart.
#[derive(Debug)]
pub(super) struct HeadParser {
    place: Place,
    /// What is not decided yet.
    held: String,
    seen_mood: bool,
    seen_does: bool,
    seen_says: bool,
    spoke: bool,
    fenced: bool,
    /// What followed a value on its line: dropped if words come, else it is them.
    remark: String,
    /// White space is dropped until something else comes.
    trimming: bool,
    /// Asterisks that were opened before the label and are closed behind its colon, as in `**Says:**`.
    open_stars: usize,
}

enum Guess {
    No,
    Perhaps,
    Yes(Label),
}

impl HeadParser {
    pub fn new() -> HeadParser {
        HeadParser {
            place: Place::LineStart,
            held: String::new(),
            seen_mood: false,
            seen_does: false,
            seen_says: false,
            spoke: false,
            fenced: false,
            remark: String::new(),
            trimming: true,
            open_stars: 0,
        }
    }

    /// Takes text; what is decided is added to `events`.
    pub fn push(&mut self, text: &str, events: &mut Vec<HeadEvent>) {
        for c in text.chars() {
            match self.place {
                Place::LineStart => self.at_line_start(c, events),
                Place::Value(label) => self.in_value(label, c, events),
                Place::Words => self.in_words(c, events),
                Place::Fence if c == '\n' => self.place = Place::LineStart,
                Place::Fence | Place::Over => {}
            }
        }
    }

    /// Nothing more will come.
    pub fn finish(&mut self, events: &mut Vec<HeadEvent>) {
        match self.place {
            Place::Value(label) => self.end_value(label, events),
            Place::LineStart => {
                let held = std::mem::take(&mut self.held);
                if !(self.fenced && held.trim().trim_start_matches('`').is_empty()) {
                    self.speak(&held, events);
                }
            }
            Place::Words | Place::Fence | Place::Over => {}
        }
        let remark = std::mem::take(&mut self.remark);
        if !self.spoke && self.place != Place::Over {
            self.speak(&remark, events);
        }
        self.place = Place::Over;
    }

    fn at_line_start(&mut self, c: char, events: &mut Vec<HeadEvent>) {
        if c == '\n' {
            let line = std::mem::take(&mut self.held);
            let closes = self.fenced && line.trim() == FENCE;
            if !closes && (self.spoke || !line.trim().is_empty()) {
                self.speak(&format!("{line}\n"), events);
            }
            return;
        }
        self.held.push(c);
        if !self.spoke && self.held.trim_start() == FENCE {
            self.fenced = true;
            self.held.clear();
            self.place = Place::Fence;
            return;
        }
        match guess(&self.held) {
            Guess::Yes(label) => {
                let line = std::mem::take(&mut self.held);
                let word = line.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(0);
                let stars = |text: &str| text.matches('*').count();
                self.open_stars = stars(&line[..word]).saturating_sub(stars(&line[word..]));
                self.begin(label, events);
            }
            Guess::Perhaps if self.held.chars().count() <= LABEL_CHARS_MAX => {}
            Guess::Perhaps | Guess::No => {
                let held = std::mem::take(&mut self.held);
                self.place = Place::Words;
                self.speak(&held, events);
            }
        }
    }

    /// A label was found.
    fn begin(&mut self, label: Label, events: &mut Vec<HeadEvent>) {
        let again = match label {
            Label::Mood => std::mem::replace(&mut self.seen_mood, true) && self.spoke,
            Label::Does => std::mem::replace(&mut self.seen_does, true) && self.spoke,
            Label::Says => std::mem::replace(&mut self.seen_says, true),
        };
        if again {
            self.place = Place::Over;
            events.push(HeadEvent::Over);
        } else if label == Label::Says {
            self.place = Place::Words;
            self.trimming = true;
        } else {
            self.place = Place::Value(label);
        }
    }

    fn in_words(&mut self, c: char, events: &mut Vec<HeadEvent>) {
        if c == '\n' {
            self.place = Place::LineStart;
        }
        let mut text = [0; 4];
        self.speak(c.encode_utf8(&mut text), events);
    }

    fn in_value(&mut self, label: Label, c: char, events: &mut Vec<HeadEvent>) {
        let arguments = label == Label::Does && self.held.contains(['{', '(']);
        let whole = arguments && super::reading::arguments::is_whole(&self.held);
        self.held.push(c);
        let line = self.held.rsplit('\n').next().unwrap_or_default();
        if matches!(c, ':' | '：')
            && let Some((next, start)) = inner_label(line, arguments && !whole)
        {
            let before = &line[..start];
            let opened = before.len() - before.trim_end_matches('*').len();
            self.open_stars = opened.saturating_sub(line[start..].matches('*').count());
            let cut = self.held.len() - line.len() + start;
            self.held.truncate(cut);
            self.end_value(label, events);
            self.begin(next, events);
        } else if arguments {
            if whole && c == '\n' || self.held.chars().count() > ARGUMENT_CHARS_MAX {
                self.end_value(label, events);
            }
        } else if c == '\n' || self.held.chars().count() > VALUE_CHARS_MAX {
            self.place = if c == '\n' { Place::LineStart } else { Place::Words };
            self.end_value(label, events);
        }
    }

    /// The value of a head is whole.
    fn end_value(&mut self, label: Label, events: &mut Vec<HeadEvent>) {
        let held = std::mem::take(&mut self.held);
        let value = held.trim().trim_matches(is_wrapping).trim();
        let ended_line = held.ends_with('\n');
        if matches!(self.place, Place::Value(_)) {
            self.place = Place::LineStart;
        }
        match label {
            Label::Mood if !value.is_empty() => events.push(HeadEvent::Mood(value.to_owned())),
            Label::Does if !value.is_empty() => events.push(HeadEvent::Does(held.trim().to_owned())),
            _ => {}
        }
        let rest = held.trim_start_matches(is_wrapping);
        let word_end = rest.find(|c: char| !c.is_alphanumeric() && !matches!(c, '-' | '\'' | '_'));
        let remark = word_end.map_or("", |end| rest[end..].trim_start_matches(is_wrapping));
        if self.place == Place::Words && !ended_line {
            // Too long for a value: somebody speaks without a label.
            self.speak(remark, events);
        } else if label == Label::Mood {
            self.remark = remark.trim_end().to_owned();
        }
    }

    fn speak(&mut self, text: &str, events: &mut Vec<HeadEvent>) {
        let mut text = text;
        while self.trimming {
            let bare = text.trim_start();
            match bare.strip_prefix('*').filter(|_| self.open_stars > 0) {
                Some(rest) => {
                    self.open_stars -= 1;
                    text = rest;
                }
                None => {
                    text = bare;
                    break;
                }
            }
        }
        if text.is_empty() {
            return;
        }
        self.trimming = false;
        self.spoke = true;
        self.remark.clear();
        match events.last_mut() {
            Some(HeadEvent::Words(words)) => words.push_str(text),
            _ => events.push(HeadEvent::Words(text.to_owned())),
        }
    }
}

/// Signs that stand around a value and do not belong to it.
fn is_wrapping(c: char) -> bool {
    c.is_whitespace() || matches!(c, '*' | '_' | '`' | '"' | '[' | ']' | '|' | ',' | ';' | '.' | '!')
}

/// Whether a line begins with a label and its colon.
fn guess(line: &str) -> Guess {
    let bare = line.trim_start().trim_start_matches(MARKS).trim_start();
    if bare.is_empty() {
        return Guess::Perhaps;
    }
    let word_end = bare.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(bare.len());
    let (word, rest) = bare.split_at(word_end);
    let word = word.to_ascii_lowercase();
    if rest.is_empty() {
        let begins = LABELS.iter().any(|(label, _)| label.starts_with(&word));
        return if begins { Guess::Perhaps } else { Guess::No };
    }
    let Some((_, label)) = LABELS.iter().find(|(label, _)| *label == word) else { return Guess::No };
    match rest.trim_start_matches(['*', '_', '`', ']', ' ']) {
        "" => Guess::Perhaps,
        rest if rest.starts_with([':', '：']) => Guess::Yes(*label),
        _ => Guess::No,
    }
}

/// Whether a reply that begins like this, in small letters, begins with a head or one JSON value; `None` while
/// that cannot be told.
pub(super) fn begins_as_asked(text: &str) -> Option<bool> {
    if text.starts_with('{') || text.starts_with(FENCE) {
        return Some(true);
    }
    match guess(text) {
        Guess::Yes(_) => Some(true),
        Guess::No => Some(false),
        Guess::Perhaps => None,
    }
}

/// The label that ends this line with its colon, and where it begins. Within arguments it has to stand at the
/// start of the line, because the arguments may have a colon behind any word.
fn inner_label(line: &str, at_start: bool) -> Option<(Label, usize)> {
    let end = line.trim_end_matches([':', '：']).trim_end_matches(['*', '_', ' ']);
    let start = end
        .rfind(|c: char| !c.is_ascii_alphabetic())
        .map_or(0, |place| place + end[place..].chars().next().map_or(1, char::len_utf8));
    let word = end[start..].to_ascii_lowercase();
    let (_, label) = LABELS.iter().find(|(label, _)| *label == word)?;
    let before = &line[..start];
    let alone = before.chars().all(|c| c.is_whitespace() || MARKS.contains(&c));
    (alone || !at_start).then_some((*label, start))
}

/// A past answer in its parts; none if it has no heads.
pub(super) fn past(text: &str) -> Option<Head<'_>> {
    plain(text).or_else(|| parsed(text))
}

/// An answer as a prompt of ours shows it, `Mood: calm`, `Does: nothing`, `Says: Hello.`, a line each: every prompt
/// has many of them, so these are not taken apart letter by letter.
fn plain(text: &str) -> Option<Head<'_>> {
    let (mut rest, mut head) = (text, Head::default());
    if let Some((mood, behind)) = rest.strip_prefix("Mood: ").and_then(|rest| rest.split_once('\n')) {
        let is_value = mood.len() <= PLAIN_VALUE_BYTES_MAX && mood.bytes().all(|b| b.is_ascii_lowercase());
        (is_value && !mood.is_empty()).then_some(())?;
        (head.mood, rest) = (Some(mood.into()), behind);
    }
    if let Some((does, behind)) = rest.strip_prefix("Does: ").and_then(|rest| rest.split_once('\n')) {
        let (name, arguments) = does.split_once(' ').unwrap_or((does, "{}"));
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        let is_name = name.len() <= PLAIN_VALUE_BYTES_MAX && name.bytes().all(|b| plain(b) || b == b'_');
        let is_value = is_name && name.bytes().any(plain) && does.len() < ARGUMENT_CHARS_MAX;
        (head.does, rest) = (Some(does.into()), behind);
        (is_value && super::reading::arguments::is_one_object(arguments)).then_some(())?;
    }
    let words = rest.strip_prefix("Says: ")?;
    (!words.contains('\n') && words.starts_with(|c: char| c.is_alphanumeric())).then_some(())?;
    head.words = words.into();
    Some(head)
}

fn parsed(text: &str) -> Option<Head<'static>> {
    let mut parser = HeadParser::new();
    let mut events = Vec::new();
    parser.push(text, &mut events);
    parser.finish(&mut events);
    let mut head = Head::default();
    for event in events {
        match event {
            HeadEvent::Mood(mood) => head.mood = Some(mood.into()),
            HeadEvent::Does(does) => head.does = Some(does.into()),
            HeadEvent::Words(words) => head.words.to_mut().push_str(&words),
            HeadEvent::Over => {}
        }
    }
    (parser.seen_mood || parser.seen_does || parser.seen_says).then_some(head)
}

#[cfg(test)]
#[path = "heads_tests.rs"]
mod tests;
