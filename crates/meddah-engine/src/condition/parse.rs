//! From the text of a condition to what it says.
//!
//! Authors of worlds do not program, so the words are English ones (`and`, `or`, `not`), a fact may be told in
//! several words, and each slip that programmers or beginners make is answered with the line to write.

use super::{Comparison, ConditionError, Expression, NESTING_MAX, Value};
use crate::condition::state::folded;

/// Comparisons as they are written; longer ones first.
const COMPARISONS: [(&str, Comparison); 8] = [
    (">=", Comparison::MoreOrEqual),
    ("<=", Comparison::LessOrEqual),
    ("!=", Comparison::Unequal),
    ("<>", Comparison::Unequal),
    ("==", Comparison::Equal),
    ("=", Comparison::Equal),
    (">", Comparison::More),
    ("<", Comparison::Less),
];
/// Signs of programming languages, and the words to write instead.
const SIGNS: [(&str, &str); 7] =
    [("&&", "and"), ("||", "or"), ("=>", ">="), ("=<", "<="), ("&", "and"), ("|", "or"), ("!", "not")];
const EXAMPLE: &str = "write it like this: bell_found and gold >= 40";

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Quoted(String),
    Compare(Comparison, &'static str),
    Open,
    Close,
}

impl Token {
    fn is_word(&self, word: &str) -> bool {
        matches!(self, Token::Word(text) if text.eq_ignore_ascii_case(word))
    }

    fn is_plain(&self) -> bool {
        let joins = ["and", "or", "not", "contains"].iter().any(|word| self.is_word(word));
        matches!(self, Token::Word(_) | Token::Quoted(_)) && !joins
    }
}

pub(super) fn parse(source: &str) -> Result<Expression, ConditionError> {
    let length = source.chars().count();
    if length > super::CONDITION_CHARS_MAX {
        let message =
            format!("a condition has at most {} characters, this has {length}", super::CONDITION_CHARS_MAX);
        return Err(error(message, "split it: let the game report a fact of its own"));
    }
    let tokens = tokens(source)?;
    if tokens.is_empty() {
        return Err(error("the condition is empty", EXAMPLE));
    }
    let mut reader = Reader { tokens: &tokens, at: 0 };
    let expression = reader.any(0)?;
    match reader.peek() {
        None => Ok(expression),
        Some(Token::Close) => Err(error("there is a `)` too many", "delete it, or put a ( in front")),
        Some(_) => Err(error("two conditions stand side by side", "put `and` or `or` between them")),
    }
}

fn error(message: impl Into<String>, help: impl Into<String>) -> ConditionError {
    ConditionError { message: message.into(), help: help.into() }
}

fn tokens(source: &str) -> Result<Vec<Token>, ConditionError> {
    let mut tokens = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let sign = SIGNS.iter().find(|(sign, _)| rest.starts_with(sign) && !rest.starts_with("!="));
        if let Some((sign, word)) = sign {
            return Err(error(format!("`{sign}` is not understood"), format!("write `{word}`")));
        }
        let length = if let Some((sign, comparison)) = COMPARISONS.iter().find(|(s, _)| rest.starts_with(s)) {
            tokens.push(Token::Compare(*comparison, sign));
            sign.len()
        } else if let '(' | ')' = first {
            tokens.push(if first == '(' { Token::Open } else { Token::Close });
            1
        } else if let '"' | '\'' = first {
            let Some(end) = rest[1..].find(first) else {
                return Err(error("a text has no closing quote", format!("put a {first} at its end")));
            };
            tokens.push(Token::Quoted(rest[1..=end].to_owned()));
            end + 2
        } else {
            let is_sign = |c: char| c.is_whitespace() || "=<>!()\"&|".contains(c);
            let end = rest.find(is_sign).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            end
        };
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn takes(&mut self, word: &str) -> bool {
        let takes = self.peek().is_some_and(|token| token.is_word(word));
        self.at += usize::from(takes);
        takes
    }

    fn any(&mut self, depth: usize) -> Result<Expression, ConditionError> {
        let mut parts = vec![self.all(depth)?];
        while self.takes("or") {
            parts.push(self.all(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Any(parts) })
    }

    fn all(&mut self, depth: usize) -> Result<Expression, ConditionError> {
        let mut parts = vec![self.one(depth)?];
        while self.takes("and") {
            parts.push(self.one(depth)?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::All(parts) })
    }

    fn one(&mut self, depth: usize) -> Result<Expression, ConditionError> {
        if depth > NESTING_MAX {
            return Err(error("the condition is nested too deep", "let the game report a fact of its own"));
        }
        if self.takes("not") {
            return Ok(Expression::Not(Box::new(self.one(depth + 1)?)));
        }
        if self.peek() == Some(&Token::Open) {
            self.at += 1;
            let inner = self.any(depth + 1)?;
            if self.peek() != Some(&Token::Close) {
                return Err(error("a `(` is not closed", "put a ) where its part ends"));
            }
            self.at += 1;
            return Ok(inner);
        }
        let name = self.name()?;
        let comparison = match self.peek() {
            Some(Token::Compare(comparison, sign)) => Some((*comparison, *sign)),
            Some(word) if word.is_word("contains") => Some((Comparison::Contains, "contains")),
            _ => None,
        };
        let Some((comparison, sign)) = comparison else { return Ok(Expression::Holds(name)) };
        self.at += 1;
        let value = self.value(&name, sign)?;
        let ordered = !matches!(comparison, Comparison::Equal | Comparison::Unequal | Comparison::Contains);
        if ordered && !value.has_order() {
            let message = format!("`{sign}` compares numbers and times of day, and \"{value}\" is neither");
            return Err(error(message, format!("write a number: {name} {sign} 40")));
        }
        Ok(Expression::Compare(name, comparison, value))
    }

    /// The words up to the next sign, as one text.
    fn words(&mut self) -> Vec<&Token> {
        let from = self.at;
        let rest = &self.tokens[from..];
        let count = rest.iter().take_while(|token| token.is_plain()).count();
        self.at += count;
        rest[..count].iter().collect()
    }

    fn name(&mut self) -> Result<String, ConditionError> {
        let behind = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).cloned();
        let found = self.peek().cloned();
        let words = self.words();
        let texts: Vec<&str> = words.iter().map(|token| text_of(token)).collect();
        match (&texts[..], found, behind) {
            ([], Some(Token::Compare(_, sign)), _) => {
                return Err(error(format!("there is no name in front of `{sign}`"), EXAMPLE));
            }
            ([], Some(Token::Close), Some(Token::Open)) => {
                return Err(error("there is nothing between ( and )", EXAMPLE));
            }
            ([], _, Some(Token::Word(word))) => {
                return Err(error(format!("there is nothing behind `{word}`"), EXAMPLE));
            }
            ([], ..) => return Err(error("a name is missing", EXAMPLE)),
            _ => {}
        }
        // Names of facts are one word with `_` in it; two of them in a row lack their `and`.
        let coded = |text: &&&str| text.contains('_');
        let quoted = words.iter().any(|token| matches!(token, Token::Quoted(_)));
        if texts.len() > 1 && (quoted || texts.iter().any(|text| coded(&text))) {
            let message = format!("there is no `and` or `or` between `{}` and `{}`", texts[0], texts[1]);
            return Err(error(message, format!("write: {} and {}", texts[0], texts[1..].join(" "))));
        }
        Ok(folded(&texts.join(" ")))
    }

    fn value(&mut self, name: &str, sign: &str) -> Result<Value, ConditionError> {
        let words = self.words();
        if words.is_empty() {
            return Err(error(
                format!("there is no value behind `{sign}`"),
                format!("write it like this: {name} {sign} 40"),
            ));
        }
        if let [Token::Quoted(text)] = &words[..] {
            return Ok(Value::text(text));
        }
        let texts: Vec<&str> = words.into_iter().map(text_of).collect();
        Ok(Value::read(&texts.join(" ")))
    }
}

fn text_of(token: &Token) -> &str {
    match token {
        Token::Word(text) | Token::Quoted(text) => text,
        _ => "",
    }
}
