//! Tells what an asterisk, underscore or backtick can be from what stands on either side of it.
//!
//! A run of one sign waits for the next character; then it is known whether it can open a span. Everything
//! else passes at once.

/// What the splitter reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// Text; white space is `' '` or `'\n'`.
    Char(char),
    /// A run of one sign.
    Mark(Mark),
}

/// A run of `*`, `_` or `` ` ``.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// The sign.
    pub(super) sign: char,
    /// How many of them.
    pub(super) count: usize,
    /// Text follows at once, so that a span may begin here.
    pub(super) opens: bool,
    /// Letters or digits on both sides: `snake_case`, `2*3`.
    pub(super) inside_word: bool,
}

/// Turns characters into tokens.
#[derive(Debug, Default)]
pub(super) struct MarkFilter {
    run: Option<(char, usize)>,
    before: Option<char>,
}

impl MarkFilter {
    /// Takes one character.
    pub(super) fn push(&mut self, c: char, mut token: impl FnMut(Token)) {
        match self.run {
            Some((sign, count)) if sign == c => {
                self.run = Some((sign, count + 1));
                return;
            }
            Some((sign, count)) => token(self.mark(sign, count, Some(c))),
            None => {}
        }
        self.run = None;
        if matches!(c, '*' | '_' | '`') {
            self.run = Some((c, 1));
        } else {
            token(Token::Char(c));
            self.before = Some(c);
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self) -> Option<Token> {
        let (sign, count) = self.run.take()?;
        Some(self.mark(sign, count, None))
    }

    fn mark(&self, sign: char, count: usize, after: Option<char>) -> Token {
        let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        Token::Mark(Mark {
            sign,
            count,
            opens: after.is_some_and(|c| !c.is_whitespace()),
            inside_word: is_word(self.before) && is_word(after),
        })
    }
}

/// Tokens as the text they were.
pub(super) fn text_of(tokens: &[Token]) -> String {
    let mut text = String::new();
    for token in tokens {
        match token {
            Token::Char(c) => text.push(*c),
            Token::Mark(mark) => text.extend(std::iter::repeat_n(mark.sign, mark.count)),
        }
    }
    text
}
