//! Turns what a model writes into what a character says: clean lines, narration, and where the reply ends.
//!
//! The one idea: every stage takes one character at a time, and none knows how the text was cut into
//! pieces. So any chunking gives the same lines, by construction and not by care. The chain is
//!
//! ```text
//! model text → think (drops thinking) → stop (ends the reply) → tag (drops markup) → glyph (drops emoji)
//!            → mark (is this asterisk an opening one?) → split (sentences, narration, names) → output
//! ```
//!
//! Nothing here fails: text that makes no sense is dropped or spoken as it is.

mod glyph;
mod guard;
mod head;
mod hold;
mod language;
mod last_line;
mod mark;
mod output;
mod phrases;
mod read_aloud;
mod sentence;
mod short_scene;
mod split;
mod stop;
mod tag;
mod think;

use serde::{Deserialize, Serialize};

pub use guard::{EARLIER_REPLIES_MAX, Fault, Guard, GuardRules, Judgement};
pub use last_line::last_line;
use output::Output;
pub use read_aloud::unsaid;
pub(crate) use sentence::sentences;
pub use short_scene::{SceneLine, read_scene};
use split::Splitter;
use stop::StopFilter;
use tag::TagFilter;
use think::ThinkFilter;

/// Whether a text ends a sentence, where white space follows.
pub fn is_sentence_end(text: &str) -> bool {
    sentence::end(text) != sentence::End::No || sentence::ends_without_space(text)
}

/// Whether a line may be in this language (`en`, `pt-BR`); in doubt it is. Names may stand in any script.
pub fn fits_language(line: &str, language: &str, names: &[String]) -> bool {
    language::Languages::new(language, names).fits(line)
}

/// Stop strings that a caller may give; further ones are ignored.
pub const STOPS_MAX: usize = 64;
/// The longest stop string in characters; longer ones are ignored.
pub const STOP_CHARS_MAX: usize = 64;
/// Names that are looked for at the start of a sentence; further ones are ignored.
pub const NAMES_MAX: usize = 128;

/// What holds for one reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyRules {
    /// What the character is called; such a prefix is taken off.
    pub character_names: Vec<String>,
    /// Everybody else who could be written a part for; their prefix ends the reply.
    pub other_names: Vec<String>,
    /// What the player is called; ends the reply too.
    pub player_name: String,
    /// The reply ends before any of these, as they stand.
    pub stop: Vec<String>,
    /// Lines and narrations together; the reply ends after so many.
    pub lines_max: usize,
    /// A longer sentence is cut at a comma or space, in characters.
    pub line_chars_max: usize,
}

impl Default for ReplyRules {
    fn default() -> Self {
        ReplyRules {
            character_names: Vec::new(),
            other_names: Vec::new(),
            player_name: String::new(),
            stop: Vec::new(),
            lines_max: 12,
            // About 15 seconds of speech; longer sentences delay the voice.
            line_chars_max: 220,
        }
    }
}

impl ReplyRules {
    /// The usual rules for a character that talks with a player. A name of several words is also known by
    /// its first.
    pub fn new(character_name: &str, player_name: &str, lines_max: usize) -> ReplyRules {
        let first = character_name.split_whitespace().next().map(str::to_owned);
        let character_names = std::iter::once(character_name.to_owned()).chain(first).collect();
        ReplyRules {
            character_names,
            player_name: player_name.to_owned(),
            lines_max,
            ..ReplyRules::default()
        }
    }
}

/// What came of a piece of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReplyEvent {
    /// One spoken sentence, never empty, without line breaks.
    Line {
        /// The sentence.
        text: String,
    },
    /// What the character does, told and not spoken.
    Narration {
        /// Without its asterisks or brackets.
        text: String,
    },
    /// Spoken text as soon as it is certain. All deltas together are the lines, joined by spaces; only
    /// after a last line that was too long may they hold the words that were cut off.
    Delta {
        /// The piece.
        text: String,
    },
    /// The reply is over before the model is: cancel it.
    Over,
}

/// Reads one reply.
#[derive(Debug)]
pub struct ReplyParser {
    think: ThinkFilter,
    stop: StopFilter,
    tag: TagFilter,
    splitter: Splitter,
    output: Output,
}

impl ReplyParser {
    /// A parser at the start of a reply.
    pub fn new(rules: ReplyRules) -> ReplyParser {
        ReplyParser {
            think: ThinkFilter::new(),
            stop: StopFilter::new(&rules.stop),
            tag: TagFilter::default(),
            splitter: Splitter::new(&rules),
            output: Output::new(&rules),
        }
    }

    /// Reads a piece of any length. After the end of the reply nothing comes of it.
    pub fn push(&mut self, text: &str) -> Vec<ReplyEvent> {
        let mut kept = String::new();
        for c in text.chars() {
            self.think.push(c, &mut kept);
        }
        self.pass_on(&kept);
        self.output.take_events()
    }

    /// The model is done: what was held back comes out. A sentence without an end is spoken as it is.
    pub fn finish(&mut self) -> Vec<ReplyEvent> {
        self.flush_filters();
        self.splitter.finish(&mut self.output);
        self.output.close();
        self.output.take_events()
    }

    /// The model was cut off by a token limit: as [`ReplyParser::finish`], but a sentence without an end
    /// is dropped if anything was said before it, and else ends in "…".
    ///
    /// The deltas may then hold more than the lines do.
    pub fn finish_cut(&mut self) -> Vec<ReplyEvent> {
        self.flush_filters();
        self.splitter.finish_cut(&mut self.output);
        self.output.close();
        self.output.take_events()
    }

    /// A stop was met or enough was said: the caller cancels the model.
    pub fn is_over(&self) -> bool {
        self.output.is_over()
    }

    fn flush_filters(&mut self) {
        let mut kept = String::new();
        self.think.finish(&mut kept);
        self.pass_on(&kept);
        let mut said = String::new();
        self.stop.finish(&mut said);
        self.split(&said);
        let mut held = String::new();
        self.tag.finish(&mut held);
        self.split_clean(&held);
        self.end_if_stopped();
    }

    fn pass_on(&mut self, text: &str) {
        let mut said = String::new();
        for c in text.chars() {
            self.stop.push(c, &mut said);
        }
        self.split(&said);
        self.end_if_stopped();
    }

    fn split(&mut self, text: &str) {
        let mut kept = String::new();
        for c in text.chars() {
            self.tag.push(c, &mut kept);
        }
        self.split_clean(&kept);
    }

    fn split_clean(&mut self, text: &str) {
        for c in text.chars().filter_map(glyph::clean) {
            if self.output.is_over() {
                return;
            }
            self.splitter.push(c, &mut self.output);
        }
    }

    fn end_if_stopped(&mut self) {
        if self.stop.is_over() && !self.output.is_over() {
            let mut held = String::new();
            self.tag.finish(&mut held);
            self.split_clean(&held);
            self.splitter.finish(&mut self.output);
            self.output.end_early();
        }
    }
}
