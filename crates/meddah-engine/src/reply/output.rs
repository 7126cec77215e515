//! Gathers the clean text of a sentence, says it as it becomes certain, and keeps the limits.
//!
//! Everything that leaves the parser passes here, so this is where the promises are kept: no empty line,
//! no line break, no stop string, no more lines and no longer ones than asked for.

use unicode_segmentation::UnicodeSegmentation;

use super::stop::{ROLE_TOKENS, usable};
use super::{ReplyEvent, ReplyRules};

/// A line may always be so long, in characters: shorter ones would cut words.
const LINE_CHARS_MIN: usize = 20;
/// Of a sentence that is dropped only the end matters, to see where it stops; in bytes.
const DROPPED_TAIL_BYTES: usize = 64;

/// What has been said, and the sentence that is being said.
#[derive(Debug)]
pub(super) struct Output {
    events: Vec<ReplyEvent>,
    /// The sentence so far.
    body: String,
    body_chars: usize,
    /// White space came after `body`; it counts once something follows.
    space: bool,
    /// Bytes of `body` that went out as deltas.
    shown: usize,
    /// There is something to pronounce in `body`.
    pronounceable: bool,
    /// The sentence is not for ears.
    dropping: bool,
    /// The end of all deltas, long enough to hold any stop string.
    tail: String,
    tail_chars_max: usize,
    stops: Vec<String>,
    /// The sentence goes on that was cut in two.
    goes_on: bool,
    lines: usize,
    lines_max: usize,
    line_chars_max: usize,
    over: bool,
    closed: bool,
}

impl Output {
    pub(super) fn new(rules: &ReplyRules) -> Output {
        let stops: Vec<String> = usable(&rules.stop).cloned().collect();
        let lengths = ROLE_TOKENS.iter().map(|token| token.chars().count());
        let longest = lengths.chain(stops.iter().map(|stop| stop.chars().count())).max().unwrap_or(1);
        Output {
            events: Vec::new(),
            body: String::new(),
            body_chars: 0,
            space: false,
            shown: 0,
            pronounceable: false,
            dropping: false,
            tail: String::new(),
            tail_chars_max: longest,
            stops,
            goes_on: false,
            lines: 0,
            lines_max: rules.lines_max.max(1),
            line_chars_max: rules.line_chars_max.max(LINE_CHARS_MIN),
            over: false,
            closed: false,
        }
    }

    pub(super) fn take_events(&mut self) -> Vec<ReplyEvent> {
        std::mem::take(&mut self.events)
    }

    /// The reply ended before the model did.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Nothing more comes out.
    pub(super) fn is_closed(&self) -> bool {
        self.over || self.closed
    }

    /// Its beginning was said as a line of its own.
    pub(super) fn goes_on(&self) -> bool {
        self.goes_on
    }

    /// Lines and narrations so far.
    pub(super) fn line_count(&self) -> usize {
        self.lines
    }

    /// The sentence so far.
    pub(super) fn body(&self) -> &str {
        &self.body
    }

    /// The longest line in characters.
    pub(super) fn line_chars_max(&self) -> usize {
        self.line_chars_max
    }

    /// Ends the reply and says so.
    pub(super) fn end_early(&mut self) {
        if !self.is_closed() {
            self.over = true;
            self.events.push(ReplyEvent::Over);
        }
    }

    /// The model is done.
    pub(super) fn close(&mut self) {
        self.closed = true;
    }

    /// White space between words.
    pub(super) fn space(&mut self) {
        self.space = true;
    }

    /// The sentence that begins here is not for ears.
    pub(super) fn drop_sentence(&mut self) {
        self.dropping = true;
    }

    /// Forgets the sentence so far.
    pub(super) fn discard(&mut self) {
        self.body.clear();
        self.body_chars = 0;
        self.space = false;
        self.shown = 0;
        self.pronounceable = false;
        self.dropping = false;
    }

    /// The next character of the sentence.
    pub(super) fn push(&mut self, c: char) {
        if self.is_closed() || (is_joiner(c) && (self.space || !self.body.ends_with(is_joinable))) {
            return;
        }
        if self.space && !self.body.is_empty() {
            self.body.push(' ');
            self.body_chars += 1;
        }
        self.space = false;
        self.body.push(c);
        self.body_chars += 1;
        if self.dropping {
            self.keep_tail_of_dropped();
            return;
        }
        self.show();
        if self.body_chars > self.line_chars_max {
            self.cut();
        }
    }

    /// The sentence is complete.
    pub(super) fn end_line(&mut self) {
        let text = self.body.trim();
        if !self.is_closed() && !self.dropping && self.pronounceable && !text.is_empty() {
            self.events.push(ReplyEvent::Line { text: text.to_owned() });
            self.count_line();
        }
        self.discard();
        self.goes_on = false;
    }

    /// Something that is told and not spoken.
    pub(super) fn narrate(&mut self, text: &str) {
        let words: Vec<&str> = text.split_whitespace().collect();
        let text = words.join(" ");
        let text =
            text.trim_matches(|c: char| matches!(c, '*' | '_' | '"' | ' ' | ',' | ';' | ':' | '-' | '—'));
        let pronounceable = text.chars().any(char::is_alphanumeric);
        if self.is_closed() || !pronounceable || self.holds_stop(text) {
            return;
        }
        self.events.push(ReplyEvent::Narration { text: text.to_owned() });
        self.count_line();
    }

    fn count_line(&mut self) {
        self.lines += 1;
        if self.lines >= self.lines_max {
            self.end_early();
        }
    }

    /// Sends what is new in `body`, once it is sure that the line will come.
    fn show(&mut self) {
        if !self.pronounceable {
            if !self.body.ends_with(char::is_alphanumeric) {
                return;
            }
            self.pronounceable = true;
        }
        if self.shown == 0 && !self.tail.is_empty() {
            self.delta(' ');
        }
        let fresh: Vec<char> = self.body[self.shown..].chars().collect();
        for c in fresh {
            self.tail.push(c);
            // Taking decoration away may have joined a stop string that was not one before.
            if self.ends_with_stop() {
                self.body.truncate(self.shown);
                self.end_line();
                self.end_early();
                return;
            }
            self.tail.pop();
            self.delta(c);
            self.shown += c.len_utf8();
        }
    }

    fn delta(&mut self, c: char) {
        self.tail.push(c);
        if self.tail.chars().count() > self.tail_chars_max {
            self.tail.remove(0);
        }
        match self.events.last_mut() {
            Some(ReplyEvent::Delta { text }) => text.push(c),
            _ => self.events.push(ReplyEvent::Delta { text: c.to_string() }),
        }
    }

    fn ends_with_stop(&self) -> bool {
        ROLE_TOKENS.iter().any(|token| ends_with_any_case(&self.tail, token))
            || self.stops.iter().any(|stop| self.tail.ends_with(stop))
    }

    fn holds_stop(&self, text: &str) -> bool {
        let lower = text.to_lowercase();
        ROLE_TOKENS.iter().any(|token| lower.contains(&token.to_lowercase()))
            || self.stops.iter().any(|stop| text.contains(stop.as_str()))
    }

    fn keep_tail_of_dropped(&mut self) {
        if self.body.len() > 2 * DROPPED_TAIL_BYTES {
            let mut start = self.body.len() - DROPPED_TAIL_BYTES;
            while !self.body.is_char_boundary(start) {
                start += 1;
            }
            self.body.drain(..start);
        }
    }

    /// Ends the line at the best place, and goes on with the rest as the next.
    fn cut(&mut self) {
        // The last line ends with a sign that more was meant, and that needs its place.
        let last = self.lines + 1 >= self.lines_max;
        let at = cut_place(&self.body, self.line_chars_max - usize::from(last));
        let rest = self.body.split_off(at);
        let kept = rest.trim_start();
        let shown = self.shown.saturating_sub(at + rest.len() - kept.len());
        let kept = kept.to_owned();
        if last {
            let end = self.body.trim_end_matches([',', ';', ':', '-', '—', '–', ' ']).len();
            self.body.truncate(end);
            self.body.push('…');
        }
        self.end_line();
        self.goes_on = true;
        if self.is_closed() {
            return;
        }
        self.body_chars = kept.chars().count();
        self.pronounceable = kept.chars().any(char::is_alphanumeric);
        self.body = kept;
        self.shown = shown;
    }
}

fn ends_with_any_case(text: &str, end: &str) -> bool {
    text.len() >= end.len() && text.as_bytes()[text.len() - end.len()..].eq_ignore_ascii_case(end.as_bytes())
}

/// U+200C and U+200D, which only mean something between letters.
fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}')
}

fn is_joinable(c: char) -> bool {
    !c.is_ascii() && !c.is_whitespace() && !is_joiner(c)
}

/// Where a text that is too long is best cut, in bytes: after a comma in its second half, at a space in its
/// last two thirds, or else between two letters. Never 0.
fn cut_place(text: &str, chars_max: usize) -> usize {
    let offset = |chars: usize| text.char_indices().nth(chars).map_or(text.len(), |(index, _)| index);
    let end = offset(chars_max);
    let window = &text[..end];
    let pauses = [", ", "; ", ": ", " — ", " – "];
    let pause = pauses.iter().filter_map(|pause| window.rfind(pause).map(|at| at + pause.len()));
    let wide = ['，', '、', '；', '،'].iter().filter_map(|c| window.rfind(*c).map(|at| at + c.len_utf8()));
    if let Some(at) = pause.chain(wide).max().filter(|at| *at >= offset(chars_max / 2)) {
        return at;
    }
    if let Some(at) = window.rfind(' ').filter(|at| *at >= offset(chars_max / 3)) {
        return at;
    }
    let graphemes = text.grapheme_indices(true).map(|(index, _)| index);
    graphemes.take_while(|index| *index <= end).last().filter(|index| *index > 0).unwrap_or(end)
}
