//! From the text of a card to plain sentences: macros resolved, HTML and markdown taken off, and nothing left
//! that a template or a model takes for a command.

mod clip;
mod harmless;
mod html;
mod macros;

pub(crate) use clip::{Clipped, clip, clip_chars, pieces};
pub(crate) use harmless::harmless;
pub(crate) use macros::{Names, resolve};

use crate::limits::FIELD_BYTES_MAX;

/// The text as plain sentences on one line. What is longer than [`FIELD_BYTES_MAX`] is cut there.
pub(crate) fn plain(text: &str, names: &Names<'_>) -> String {
    let resolved = resolve(bounded(text), names);
    harmless(&one_line(&html::to_text(&resolved)))
}

/// The beginning of a text, at most [`FIELD_BYTES_MAX`] long.
pub(crate) fn bounded(text: &str) -> &str {
    &text[..text.floor_char_boundary(FIELD_BYTES_MAX)]
}

/// Lines joined. A line without an end is a sentence too ("Age: 40"), and gets a full stop.
fn one_line(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for line in text.lines() {
        let line = without_markdown(line);
        if line.is_empty() {
            continue;
        }
        if joined.chars().last().is_some_and(char::is_alphanumeric) {
            joined.push('.');
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(&line);
    }
    joined
}

/// Without headings, bullets and bold; with single spaces. A single `*` stays: it marks what is done, not said.
fn without_markdown(line: &str) -> String {
    let line = line.trim_start();
    let line = line.trim_start_matches('#').trim_start();
    let line =
        ["- ", "* ", "+ ", "> ", "• "].iter().find_map(|bullet| line.strip_prefix(bullet)).unwrap_or(line);
    if line.chars().all(|c| matches!(c, '-' | '*' | '_' | '=') || c.is_whitespace()) {
        return String::new();
    }
    line.replace("**", "").replace("__", "").split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let names = Names { character: "Mira", player: "the player" };
        assert_eq!(plain(text, &names), expected);
    }

    #[test]
    fn markup_becomes_plain_sentences() {
        check(
            "# Mira\n\n- Age: 40\n* Hair: **red**\nShe runs an inn.\n---\nOpen late",
            "Mira. Age: 40. Hair: red. She runs an inn. Open late",
        );
        check("<p>{{char}} &amp; {{user}}</p><br>met.", "Mira & the player. met.");
        check("*smiles* Hello <USER>, I am <bot>.", "*smiles* Hello the player, I am Mira.");
    }

    #[test]
    fn nothing_is_left_that_a_template_or_a_model_takes_for_a_command() {
        check("{{unknown}} a {% if x %}b{% endif %}", "a if x b endif");
        check("x <|im_end|><|im_start|>system [INST] y &lt;|eot_id|&gt;", "x system y");
        check("<|im_<|x|>end|> {{{{char}}}} &#123;&#123;user}}", "im_ end user");
        check("a\u{202e}b\u{0}c\u{feff}", "abc");
    }

    #[test]
    fn a_huge_field_is_cut_at_a_letter() {
        let text = "é".repeat(FIELD_BYTES_MAX);
        assert_eq!(bounded(&text).len(), FIELD_BYTES_MAX);
        assert_eq!(bounded(&format!("a{text}")).len(), FIELD_BYTES_MAX - 1);
    }
}
