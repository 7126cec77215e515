//! Finds fixed strings in a stream, one character at a time, holding back no more than it must.
//!
//! What could still become one of the strings waits; as soon as it cannot, its first character goes on.

use std::collections::VecDeque;

/// A string to look for.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    chars: Vec<char>,
    ignore_case: bool,
}

impl Pattern {
    /// Matches as it stands.
    pub(super) fn exact(text: &str) -> Pattern {
        Pattern { chars: text.chars().collect(), ignore_case: false }
    }

    /// Matches in capitals and small letters of the ASCII alphabet.
    pub(super) fn any_case(text: &str) -> Pattern {
        Pattern { chars: text.chars().collect(), ignore_case: true }
    }

    fn same(&self, left: char, right: char) -> bool {
        left == right || (self.ignore_case && left.eq_ignore_ascii_case(&right))
    }

    /// Whether the pattern and the text agree as far as both go.
    fn agrees(&self, text: &VecDeque<char>) -> bool {
        self.chars.iter().zip(text).all(|(left, right)| self.same(*left, *right))
    }
}

/// What came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A character that belongs to no pattern.
    Char(char),
    /// The pattern of this index.
    Match(usize),
}

/// Looks for several strings at once; the leftmost, then shortest, is found.
#[derive(Clone, Debug)]
pub(super) struct Hold {
    patterns: Vec<Pattern>,
    pending: VecDeque<char>,
}

impl Hold {
    /// Empty patterns are ignored, but keep their index.
    pub(super) fn new(patterns: Vec<Pattern>) -> Hold {
        Hold { patterns, pending: VecDeque::new() }
    }

    /// Takes one character.
    pub(super) fn push(&mut self, c: char, mut found: impl FnMut(Found)) {
        self.pending.push_back(c);
        while !self.pending.is_empty() {
            if let Some(index) = self.complete() {
                found(self.take(index));
            } else if self.may_grow() {
                return;
            } else if let Some(first) = self.pending.pop_front() {
                found(Found::Char(first));
            }
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self, mut found: impl FnMut(Found)) {
        while !self.pending.is_empty() {
            if let Some(index) = self.complete() {
                found(self.take(index));
            } else if let Some(first) = self.pending.pop_front() {
                found(Found::Char(first));
            }
        }
    }

    fn complete(&self) -> Option<usize> {
        self.patterns.iter().position(|pattern| {
            !pattern.chars.is_empty()
                && pattern.chars.len() <= self.pending.len()
                && pattern.agrees(&self.pending)
        })
    }

    fn may_grow(&self) -> bool {
        self.patterns
            .iter()
            .any(|pattern| pattern.chars.len() > self.pending.len() && pattern.agrees(&self.pending))
    }

    fn take(&mut self, index: usize) -> Found {
        self.pending.drain(..self.patterns[index].chars.len());
        Found::Match(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(patterns: &[&str], text: &str, expected: &str) {
        let mut hold = Hold::new(patterns.iter().map(|text| Pattern::any_case(text)).collect());
        let mut out = String::new();
        let mut note = |found| match found {
            Found::Char(c) => out.push(c),
            Found::Match(index) => out.push_str(&format!("<{index}>")),
        };
        for c in text.chars() {
            hold.push(c, &mut note);
        }
        hold.finish(&mut note);
        assert_eq!(out, expected);
    }

    #[test]
    fn the_leftmost_string_is_found() {
        check(&["abcd", "bc"], "abcd abce", "<0> a<1>e");
        check(&["\nTom:"], "Aye.\n\nTom: so", "Aye.\n<0> so");
        check(&["aab"], "aaab", "a<0>");
        check(&["stop", "s"], "stop", "<1>top");
    }

    #[test]
    fn a_string_that_never_completes_is_let_go() {
        check(&["</think>"], "a </thi", "a </thi");
        check(&[""], "plain", "plain");
    }
}
