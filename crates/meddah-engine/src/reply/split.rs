//! Splits the text into what is said and what is told, sentence by sentence.
//!
//! A small state machine: at the head of a sentence, within it, between two marks, in told text after a
//! quotation, or on a line that is dropped. Each token is looked at once, in the state that it meets.

use super::ReplyRules;
use super::head::{HeadRules, Place, Verdict};
use super::mark::{Mark, MarkFilter, Token, text_of};
use super::output::Output;
use super::phrases::{SpanPlace, is_said};
use super::sentence::{self, End};

/// A quotation within a sentence keeps it from ending only so long, in characters of the sentence.
const QUOTED_CHARS_MAX: usize = 160;

/// The stage that knows sentences.
#[derive(Debug)]
pub(super) struct Splitter {
    marks: MarkFilter,
    heads: HeadRules,
    state: State,
    place: Place,
    /// The sign with which the quoted speech that we are in began.
    quotation: Option<char>,
    /// The line of text began with a quotation, so what stands outside of quotations is told.
    quoted_line: bool,
    /// A quotation mark within the sentence is open: `He said "run. Fast" to me.`
    quoted_word: Option<char>,
    /// The sentence has perhaps ended; the next character tells.
    perhaps_ended: bool,
    /// The closing mark of a decorated name: the second `**` of `**Mira:**`.
    open_mark: Option<char>,
}

#[derive(Debug)]
enum State {
    /// At the start of a sentence, with what is undecided yet.
    Head(Vec<Token>),
    /// Within a sentence.
    Speech,
    /// Between two marks.
    Span(Span),
    /// In told text after a quotation.
    Told(String),
    /// On a line that is dropped.
    DropLine,
}

#[derive(Debug)]
struct Span {
    sign: char,
    strong: bool,
    text: String,
}

impl Splitter {
    pub(super) fn new(rules: &ReplyRules) -> Splitter {
        Splitter {
            marks: MarkFilter::default(),
            heads: HeadRules::new(rules),
            state: State::Head(Vec::new()),
            place: Place { line_start: true, ..Place::default() },
            quotation: None,
            quoted_line: false,
            quoted_word: None,
            perhaps_ended: false,
            open_mark: None,
        }
    }

    /// Takes one character.
    pub(super) fn push(&mut self, c: char, output: &mut Output) {
        // One character completes at most a run of marks and itself.
        let mut tokens = [None, None];
        let mut count = 0;
        self.marks.push(c, |token| {
            tokens[count] = Some(token);
            count += 1;
        });
        for token in tokens.into_iter().flatten() {
            self.step(token, output);
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self, output: &mut Output) {
        if let Some(token) = self.marks.finish() {
            self.step(token, output);
        }
        // The end of the text is the end of a line.
        self.step(Token::Char('\n'), output);
    }

    /// Nothing more will come, though the model was not done.
    pub(super) fn finish_cut(&mut self, output: &mut Output) {
        let said_before = output.line_count() > 0;
        let whole = match &self.state {
            State::Head(tokens) => tokens.is_empty(),
            State::Speech => sentence::end(output.body()) != End::No,
            State::Span(_) | State::Told(_) => false,
            State::DropLine => true,
        };
        if whole {
            return self.finish(output);
        }
        // Half a sentence is no end: what was begun goes on to where it broke off.
        if said_before && !output.goes_on() {
            output.discard();
            self.state = State::DropLine;
            return;
        }
        if matches!(self.state, State::Head(_) | State::Speech) {
            self.step(Token::Char('…'), output);
        }
        self.finish(output);
    }

    fn step(&mut self, token: Token, output: &mut Output) {
        if output.is_closed() {
            return;
        }
        self.place.said = output.line_count() > 0;
        match std::mem::replace(&mut self.state, State::Speech) {
            State::Head(tokens) => self.head(tokens, token, output),
            State::Speech => self.speech(token, output),
            State::Span(span) => self.span(span, token, output),
            State::Told(text) => self.told(text, token, output),
            State::DropLine if token == Token::Char('\n') => self.start_line(),
            State::DropLine => self.state = State::DropLine,
        }
    }

    fn start_line(&mut self) {
        self.start_sentence();
        self.place.line_start = true;
        self.place.after_quotation = false;
        self.quotation = None;
        self.quoted_line = false;
        self.open_mark = None;
    }

    fn start_sentence(&mut self) {
        self.state = State::Head(Vec::new());
        self.perhaps_ended = false;
        self.quoted_word = None;
    }

    fn end_sentence(&mut self, output: &mut Output) {
        output.end_line();
        self.start_sentence();
    }

    /// A token at the start of a sentence.
    fn head(&mut self, mut tokens: Vec<Token>, token: Token, output: &mut Output) {
        if tokens.is_empty() && self.first_of_head(token, output) {
            return;
        }
        let ended = token == Token::Char('\n');
        tokens.push(token);
        let text = text_of(&tokens);
        let verdict = if ended {
            if self.place.line_start { self.heads.judge_line(&text, self.place) } else { Verdict::Plain }
        } else {
            self.heads.judge(&text, self.place)
        };
        match verdict {
            Verdict::Undecided => self.state = State::Head(tokens),
            Verdict::Strip(open_mark) => {
                self.start_sentence();
                self.open_mark = open_mark;
            }
            Verdict::StripNumber => {
                self.start_sentence();
                self.place.in_list = true;
            }
            Verdict::Other => output.end_early(),
            Verdict::DropLine if ended => self.start_line(),
            Verdict::DropLine => self.state = State::DropLine,
            Verdict::DropSentence => {
                output.drop_sentence();
                self.say(tokens, output);
            }
            Verdict::Told => self.state = State::Told(text),
            Verdict::Plain => self.say(tokens, output),
        }
    }

    /// Signs that mean something at the very start. False: the token is text.
    fn first_of_head(&mut self, token: Token, output: &mut Output) -> bool {
        self.state = State::Head(Vec::new());
        match token {
            Token::Mark(mark) if mark.sign == '`' => {
                if mark.count >= 3 {
                    self.state = State::DropLine;
                }
                true
            }
            Token::Mark(mark) if self.open_mark.take() == Some(mark.sign) => true,
            // A bullet, or what is left of a span that closed too late.
            Token::Mark(mark) => !mark.opens,
            Token::Char('\n') => {
                self.start_line();
                true
            }
            Token::Char(' ') => true,
            Token::Char(c) => {
                self.open_mark = None;
                self.first_char(c, output)
            }
        }
    }

    fn first_char(&mut self, c: char, output: &mut Output) -> bool {
        if self.closes_quotation(c) {
            self.close_quotation(output);
            return true;
        }
        if opens_quotation(c) {
            self.quotation = Some(c);
            self.quoted_line |= self.place.line_start || self.place.after_quotation;
            self.place.after_quotation = false;
            return true;
        }
        if matches!(c, '(' | '[') {
            self.open_span(c, false);
            return true;
        }
        if c == '{' {
            // Data, or a placeholder of a prompt template.
            self.state = State::DropLine;
            return true;
        }
        // What is left of a sentence when its beginning was narration; dashes of a dialogue.
        sentence::is_closer(c) && c != '\'' && c != '’'
            || matches!(c, ',' | ';' | ':' | '>' | '=' | '•' | '–' | '—' | '，' | '：' | '、')
    }

    /// The head turned out to be plain: it is said.
    fn say(&mut self, tokens: Vec<Token>, output: &mut Output) {
        self.place.line_start = false;
        self.place.after_quotation = false;
        self.state = State::Speech;
        for token in tokens {
            self.step(token, output);
        }
    }

    /// A token within a sentence.
    fn speech(&mut self, token: Token, output: &mut Output) {
        let opens_span = match token {
            Token::Mark(mark) => mark.opens && !mark.inside_word && mark.sign != '`',
            Token::Char(c) => matches!(c, '(' | '['),
        };
        if self.perhaps_ended && self.ended_before(token, opens_span) {
            self.end_sentence(output);
            return self.step(token, output);
        }
        match token {
            Token::Mark(mark) if opens_span => self.open_span(mark.sign, mark.count > 1),
            Token::Mark(mark) => push_mark_inside_word(mark, output),
            Token::Char('\n') => {
                output.end_line();
                self.start_line();
            }
            Token::Char(' ') => self.space(output),
            Token::Char(c) if opens_span => self.open_span(c, false),
            Token::Char(c) => self.letter(c, output),
        }
    }

    /// Whether the sentence that perhaps ended has, now that the next token is known.
    fn ended_before(&mut self, token: Token, opens_span: bool) -> bool {
        match token {
            Token::Char(' ' | '\n') => false,
            Token::Mark(_) => opens_span,
            Token::Char(c) => {
                self.perhaps_ended = false;
                !(c.is_lowercase() || matches!(c, ',' | ';' | '-' | '—' | '–'))
            }
        }
    }

    fn space(&mut self, output: &mut Output) {
        let quoting = self.quoted_word.is_some() && output.body().chars().count() < QUOTED_CHARS_MAX;
        match sentence::end(output.body()) {
            End::Yes if !quoting => self.end_sentence(output),
            End::Perhaps if !quoting => {
                self.perhaps_ended = true;
                output.space();
            }
            _ => output.space(),
        }
    }

    fn letter(&mut self, c: char, output: &mut Output) {
        if self.quoted_word.is_none()
            && sentence::ends_without_space(output.body())
            && !sentence::is_closer(c)
            && !sentence::ends_without_space(c.encode_utf8(&mut [0; 4]))
        {
            self.end_sentence(output);
            return self.step(Token::Char(c), output);
        }
        if self.closes_quotation(c) {
            return self.close_quotation(output);
        }
        match self.quoted_word {
            Some(open) if closing_sign(open, c) => self.quoted_word = None,
            // A digit before it: six feet and 2" tall.
            None if opens_quotation(c) && !output.body().ends_with(|c: char| c.is_ascii_digit()) => {
                self.quoted_word = Some(c);
            }
            _ => {}
        }
        output.push(c);
    }

    fn closes_quotation(&self, c: char) -> bool {
        self.quotation.is_some_and(|open| closing_sign(open, c))
    }

    /// Speech in quotation marks ends. `"Freedom" is a big word` was not speech in quotation marks.
    fn close_quotation(&mut self, output: &mut Output) {
        self.quotation = None;
        let is_pause = |c: char| sentence::end(c.encode_utf8(&mut [0; 4])) != End::No || ",—-–，".contains(c);
        if output.body().is_empty() || output.body().ends_with(is_pause) {
            self.end_sentence(output);
            self.place.after_quotation = self.quoted_line;
        } else {
            self.quoted_line = false;
        }
    }

    fn open_span(&mut self, sign: char, strong: bool) {
        self.state = State::Span(Span { sign, strong, text: String::new() });
    }

    /// A token between two marks.
    fn span(&mut self, mut span: Span, token: Token, output: &mut Output) {
        let bracket = matches!(span.sign, '(' | '[');
        match token {
            Token::Mark(mark) if mark.sign == span.sign && (!span.strong || mark.count > 1) => {
                return self.close_span(span, true, output);
            }
            Token::Mark(mark) if mark.inside_word => {
                let room = output.line_chars_max().saturating_sub(span.text.chars().count());
                span.text.extend(std::iter::repeat_n(mark.sign, mark.count.min(room)));
            }
            Token::Mark(_) => {}
            Token::Char('\n') => {
                self.close_span(span, false, output);
                return self.step(token, output);
            }
            Token::Char(c) if (span.sign == '(' && c == ')') || (span.sign == '[' && c == ']') => {
                return self.close_span(span, true, output);
            }
            Token::Char(c) if !bracket && !span.strong && opens_quotation(c) && span.text.ends_with(' ') => {
                // `*smiles "Come in."` never closed its asterisk.
                self.close_span(span, false, output);
                self.place.line_start = true;
                return self.step(token, output);
            }
            Token::Char(c) => span.text.push(c),
        }
        if span.text.chars().count() >= output.line_chars_max() {
            let (sign, strong) = (span.sign, span.strong);
            self.close_span(span, false, output);
            // What follows is told too, until the mark closes.
            if !strong && !output.is_closed() {
                self.open_span(sign, strong);
            }
            return;
        }
        self.state = State::Span(span);
    }

    fn close_span(&mut self, span: Span, closed: bool, output: &mut Output) {
        let place = SpanPlace { sign: span.sign, strong: span.strong, sentence: output.body() };
        if (closed || span.strong) && is_said(&span.text, place) {
            return self.say_span(&span, output);
        }
        let name = if closed { self.heads.judge_name(&span.text) } else { Verdict::Plain };
        let at_start = output.body().is_empty();
        self.end_sentence(output);
        self.place.after_quotation = false;
        match name {
            Verdict::Other if at_start => output.end_early(),
            Verdict::Strip(_) => {}
            _ => {
                self.place.line_start = false;
                // A square bracket that never closes is a piece of a prompt: only prompts write so.
                if closed || span.sign != '[' {
                    output.narrate(&span.text);
                }
            }
        }
    }

    fn say_span(&mut self, span: &Span, output: &mut Output) {
        self.state = if output.body().is_empty() { State::Head(Vec::new()) } else { State::Speech };
        if span.sign == '(' {
            output.push('(');
        }
        for c in span.text.chars() {
            self.step(Token::Char(c), output);
        }
        if span.sign == '(' {
            output.push(')');
        }
    }

    /// A token of told text after a quotation.
    fn told(&mut self, mut text: String, token: Token, output: &mut Output) {
        let next = match token {
            Token::Char('\n') => true,
            Token::Char(c) => opens_quotation(c),
            Token::Mark(mark) => mark.opens && !mark.inside_word,
        };
        if !next {
            if let Token::Char(c) = token {
                text.push(c);
            }
            if text.chars().count() < output.line_chars_max() {
                self.state = State::Told(text);
                return;
            }
            output.narrate(&text);
            self.state = State::Told(String::new());
            return;
        }
        output.narrate(&text);
        self.start_sentence();
        self.step(token, output);
    }
}

fn push_mark_inside_word(mark: Mark, output: &mut Output) {
    if mark.inside_word && mark.sign != '`' {
        for _ in 0..mark.count {
            output.push(mark.sign);
        }
    }
}

fn opens_quotation(c: char) -> bool {
    matches!(c, '"' | '“' | '„' | '«' | '「' | '『')
}

fn closing_sign(open: char, c: char) -> bool {
    match open {
        '"' | '“' => matches!(c, '"' | '”'),
        '„' => matches!(c, '“' | '”' | '"'),
        '«' => c == '»',
        '「' => c == '」',
        '『' => c == '』',
        _ => false,
    }
}
