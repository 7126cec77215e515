//! Drops thinking at the start of a reply: a block that the model opens, a channel that is not meant for ears,
//! or a block whose opening the chat template had already written, so that only its end is to be seen.
//!
//! Of the last kind nothing tells at the start that it is one. Where it is likely ([`Begin`]), the reply is
//! held back until its end comes, unless it begins in the form that was asked for. Everywhere else the
//! first letter goes on at once; an end without a beginning is then told, so that the next reply is held.
//! A block that begins in the middle of a reply is words to this filter.

/// How likely a reply is to begin within a block that is already open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::providers) enum Begin {
    /// Not at all: nothing waits.
    Outside,
    /// The model's name says so, or a former reply did.
    Perhaps,
    /// The table of models says so.
    Inside,
}

/// What came of a piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// It is no thinking.
    Kept(String),
    /// What was kept until here was thinking after all.
    LoneEnd,
}

const THINK: &[&str] = &["</think>"];
const FINAL: &str = "<|channel|>final<|message|>";
const BLOCKS: [(&str, &[&str]); 14] = [
    ("<think>", THINK),
    ("<thinking>", &["</thinking>", "</think>"]),
    ("<thought>", &["</thought>"]),
    ("<thoughts>", &["</thoughts>"]),
    ("<reasoning>", &["</reasoning>"]),
    ("<reflection>", &["</reflection>"]),
    ("<analysis>", &["</analysis>"]),
    ("<seed:think>", &["</seed:think>"]),
    ("[think]", &["[/think]"]),
    ("◁think▷", &["◁/think▷"]),
    ("<|start_thinking|>", &["<|end_thinking|>"]),
    ("<|channel|>analysis", &[FINAL]),
    ("<|channel|>commentary", &[FINAL]),
    ("<|channel>thought", &["<channel|>"]),
];
/// Ends whose opening a template may have written.
const LONE_ENDS: &[&str] = &[
    "</think>",
    "</thinking>",
    "</thought>",
    "</reasoning>",
    "</seed:think>",
    "[/think]",
    "◁/think▷",
    "<|end_thinking|>",
    FINAL,
];
/// What a reply may begin with that is neither thinking nor words.
const HEADERS: &[&str] = &["<|start|>assistant", FINAL];
/// No sign above is longer, in bytes.
const SIGN_BYTES_MAX: usize = 32;
/// Of a reply that perhaps begins within a block so much is held back, in bytes: thoughts about one line of
/// talk are rarely longer.
const HELD_BYTES_MAX: usize = 12 << 10;

#[derive(Debug)]
enum Place {
    /// At the start, with what is undecided yet.
    Start(String),
    /// Within a block: its ends, and the last characters.
    Inside(&'static [&'static str], String),
    /// Perhaps within a block: all that came, and its last characters in lower case.
    Doubt(String, String),
    /// In words, with what could still become a sign.
    Behind(String),
    /// In words, where signs mean nothing any more.
    Through,
}

/// The filter of one reply.
#[derive(Debug)]
pub(super) struct Thinking {
    place: Place,
    begin: Begin,
    /// Says whether a text is the start of what was asked for; `None` while that cannot be told.
    is_reply: fn(&str) -> Option<bool>,
}

impl Thinking {
    pub fn new(begin: Begin, is_reply: fn(&str) -> Option<bool>) -> Thinking {
        Thinking { place: Place::Start(String::new()), begin, is_reply }
    }

    /// The provider tells thinking and words apart by itself.
    pub fn comes_apart(&mut self) {
        self.begin = Begin::Outside;
    }

    /// Takes text.
    pub fn push(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        for c in text.chars() {
            self.step(c, pieces);
        }
    }

    /// Nothing more will come. A block without an end is dropped; what only might have been one is words,
    /// unless the reply was `cut`.
    pub fn finish(&mut self, cut: bool, pieces: &mut Vec<Piece>) {
        match std::mem::replace(&mut self.place, Place::Through) {
            Place::Start(held) | Place::Behind(held) => keep(&held, pieces),
            Place::Doubt(held, _) if !cut => keep(&held, pieces),
            Place::Doubt(..) | Place::Inside(..) | Place::Through => {}
        }
    }

    fn step(&mut self, c: char, pieces: &mut Vec<Piece>) {
        match std::mem::replace(&mut self.place, Place::Through) {
            Place::Through => keep(c.encode_utf8(&mut [0; 4]), pieces),
            Place::Start(mut held) => {
                // White space without end is none.
                if !(c.is_whitespace() && held.len() > SIGN_BYTES_MAX && held.trim().is_empty()) {
                    held.push(c);
                }
                self.at_start(held, pieces);
            }
            Place::Inside(ends, mut tail) => {
                let ended = grow_and_find(&mut tail, c, ends);
                // There may be another one.
                self.place = if ended { Place::Start(String::new()) } else { Place::Inside(ends, tail) };
            }
            Place::Doubt(mut held, mut tail) => {
                held.push(c);
                if grow_and_find(&mut tail, c, LONE_ENDS) {
                    self.begin = Begin::Outside;
                    self.place = Place::Start(String::new());
                    pieces.push(Piece::LoneEnd);
                } else if held.len() <= HELD_BYTES_MAX {
                    self.place = Place::Doubt(held, tail);
                } else if self.begin == Begin::Inside {
                    self.place = Place::Inside(LONE_ENDS, tail);
                } else {
                    self.go_on(&held, pieces);
                }
            }
            Place::Behind(mut held) => {
                held.push(c);
                self.in_words(held, pieces);
            }
        }
    }

    fn at_start(&mut self, held: String, pieces: &mut Vec<Piece>) {
        let bare = held.trim_start().to_lowercase();
        let opens = || BLOCKS.iter().map(|(open, _)| *open);
        if let Some((_, ends)) = BLOCKS.iter().find(|(open, _)| *open == bare) {
            self.begin = Begin::Outside;
            self.place = Place::Inside(ends, String::new());
        } else if HEADERS.contains(&bare.as_str()) {
            self.place = Place::Start(String::new());
        } else if LONE_ENDS.contains(&bare.as_str()) {
            self.begin = Begin::Outside;
            self.place = Place::Start(String::new());
            pieces.push(Piece::LoneEnd);
        } else if opens().chain(LONE_ENDS.iter().chain(HEADERS).copied()).any(|sign| sign.starts_with(&bare))
        {
            self.place = Place::Start(held);
        } else {
            let judged = if self.begin == Begin::Outside { Some(true) } else { (self.is_reply)(&bare) };
            match judged {
                None if bare.len() <= SIGN_BYTES_MAX => self.place = Place::Start(held),
                Some(true) => self.go_on(&held, pieces),
                None | Some(false) => self.place = Place::Doubt(held, bare),
            }
        }
    }

    /// The words begin with this.
    fn go_on(&mut self, text: &str, pieces: &mut Vec<Piece>) {
        self.begin = Begin::Outside;
        self.place = Place::Behind(String::new());
        for c in text.chars() {
            self.step(c, pieces);
        }
    }

    /// Holds back what could become an end without a beginning, and no more.
    fn in_words(&mut self, mut held: String, pieces: &mut Vec<Piece>) {
        while !held.is_empty() {
            let lower = held.to_lowercase();
            if LONE_ENDS.contains(&lower.as_str()) {
                self.place = Place::Start(String::new());
                pieces.push(Piece::LoneEnd);
                return;
            }
            if BLOCKS.iter().any(|(open, _)| *open == lower) {
                keep(&held, pieces);
                self.place = Place::Through;
                return;
            }
            let signs = BLOCKS.iter().map(|(open, _)| *open).chain(LONE_ENDS.iter().copied());
            if signs.into_iter().any(|sign| sign.starts_with(&lower)) {
                break;
            }
            let first: String = held.drain(..held.chars().next().map_or(0, char::len_utf8)).collect();
            keep(&first, pieces);
        }
        self.place = Place::Behind(held);
    }
}

/// Adds a character to the last ones; tells whether they end with a sign.
fn grow_and_find(tail: &mut String, c: char, signs: &[&str]) -> bool {
    tail.extend(c.to_lowercase());
    if tail.len() > 4 * SIGN_BYTES_MAX {
        let cut = tail.len() - SIGN_BYTES_MAX;
        let cut = (cut..).find(|place| tail.is_char_boundary(*place)).unwrap_or(cut);
        tail.drain(..cut);
    }
    signs.iter().any(|sign| tail.ends_with(sign))
}

fn keep(text: &str, pieces: &mut Vec<Piece>) {
    match pieces.last_mut() {
        _ if text.is_empty() => {}
        Some(Piece::Kept(kept)) => kept.push_str(text),
        _ => pieces.push(Piece::Kept(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_reply(text: &str) -> Option<bool> {
        if "mood:".starts_with(text) && text != "mood:" { None } else { Some(text.starts_with("mood:")) }
    }

    /// What is kept; `|` stands for an end without a beginning.
    fn filtered(begin: Begin, text: &str, size: usize, cut: bool) -> String {
        let (mut filter, mut pieces) = (Thinking::new(begin, is_reply), Vec::new());
        for piece in text.chars().collect::<Vec<_>>().chunks(size.min(text.len().max(1))) {
            filter.push(&piece.iter().collect::<String>(), &mut pieces);
        }
        filter.finish(cut, &mut pieces);
        let shown = pieces.into_iter().map(|piece| match piece {
            Piece::Kept(text) => text,
            Piece::LoneEnd => "|".to_owned(),
        });
        shown.collect()
    }

    fn check_as(begin: Begin, text: &str, expected: &str) {
        for size in [1, 3, usize::MAX] {
            assert_eq!(filtered(begin, text, size, false), expected, "{text}");
        }
    }

    fn check(text: &str, expected: &str) {
        for begin in [Begin::Outside, Begin::Perhaps, Begin::Inside] {
            check_as(begin, text, expected);
        }
    }

    #[test]
    fn signs_are_as_short_as_the_tail_needs() {
        let signs = BLOCKS.iter().flat_map(|(open, ends)| ends.iter().copied().chain([*open]));
        assert!(signs.chain(LONE_ENDS.iter().copied()).all(|sign| sign.len() <= SIGN_BYTES_MAX));
    }

    #[test]
    fn thinking_at_the_start_is_dropped() {
        check("<think>a <b> </b></think>\n\nAye.", "\n\nAye.");
        check("\n<Thinking>x</THINKING>Aye.", "Aye.");
        check("[THINK]x[/THINK]Aye.", "Aye.");
        check("<reasoning>x</reasoning>Aye.", "Aye.");
        check("<think></think><think>y</think>Aye.", "Aye.");
        check("<think>no end", "");
    }

    #[test]
    fn channels_are_taken_apart() {
        let whole = "<|channel|>analysis<|message|>He wants <ale>.<|end|><|start|>assistant\
                     <|channel|>final<|message|>Aye.";
        check(whole, "Aye.");
        check("<|start|>assistant<|channel|>final<|message|>Aye.", "Aye.");
        check("<|channel|>analysis<|message|>He wants ale.", "");
    }

    #[test]
    fn what_is_no_block_stays() {
        check("<thin air> Aye.", "<thin air> Aye.");
        check("Mood: joy\nAye. <think>x</think>", "Mood: joy\nAye. <think>x</think>");
        check("<th", "<th");
        check("", "");
        check_as(Begin::Outside, "I <3 you [gently].", "I <3 you [gently].");
    }

    #[test]
    fn a_block_that_the_template_opened_is_held_back_where_it_is_likely() {
        for begin in [Begin::Perhaps, Begin::Inside] {
            check_as(begin, "He wants ale.\n</think>\nAye.", "|\nAye.");
            check_as(begin, "Moody, he is.</think>Aye.", "|Aye.");
            check_as(begin, "Aye, friend.", "Aye, friend.");
            assert_eq!(filtered(begin, "He wants", 3, true), "", "the limit cut the thoughts");
        }
    }

    #[test]
    fn what_begins_as_was_asked_for_waits_for_nothing() {
        let mut filter = Thinking::new(Begin::Inside, is_reply);
        let mut pieces = Vec::new();
        filter.push("Mood: j", &mut pieces);
        assert_eq!(pieces, [Piece::Kept("Mood: j".into())]);
    }

    #[test]
    fn an_end_without_a_beginning_is_told() {
        check_as(Begin::Outside, "He wants ale.\n</think>\nAye.", "He wants ale.\n|\nAye.");
        check("</think>Aye.", "|Aye.");
    }

    #[test]
    fn what_is_held_back_is_bounded() {
        let long = "x".repeat(HELD_BYTES_MAX + 10);
        check_as(Begin::Perhaps, &long, &long);
        check_as(Begin::Inside, &format!("{long}</think>Aye."), "Aye.");
    }
}
