//! Text in which no template engine and no model finds a command.

/// What models take for the end of a message or the beginning of another.
const ROLE_TOKENS: [&str; 10] = [
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<</SYS>>",
    "</s>",
    "<s>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<think>",
    "</think>",
];
/// What template engines look for.
const BRACES: [&str; 6] = ["{{", "}}", "{%", "%}", "{#", "#}"];
/// The longest name in `<|name|>` that is one.
const TOKEN_BYTES_MAX: usize = 32;
/// Taking one away may bring two halves together; after so many times no brace and no bar is left at all.
const PASSES_MAX: usize = 4;

/// The text without role tokens, template braces and signs that turn text around or cannot be seen.
pub(crate) fn harmless(text: &str) -> String {
    let mut clean: String = text.chars().filter(|c| !is_hidden(*c)).collect();
    for _ in 0..PASSES_MAX {
        let next = pass(&clean);
        if next == clean {
            return spaced(&clean);
        }
        clean = next;
    }
    spaced(&clean.replace(['{', '}', '|', '<', '>', '[', ']'], " "))
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn pass(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("<|") {
        clean.push_str(&rest[..start]);
        clean.push(' ');
        rest = &rest[start + 2..];
        if let Some(end) =
            rest.find("|>").filter(|end| *end <= TOKEN_BYTES_MAX && !rest[..*end].contains("<|"))
        {
            rest = &rest[end + 2..];
        }
    }
    clean.push_str(rest);
    clean = clean.replace("|>", " ");
    for token in ROLE_TOKENS.iter().chain(&BRACES) {
        if clean.contains(token) {
            clean = clean.replace(token, " ");
        }
    }
    clean
}

/// Control signs, and those that turn the direction of text around.
fn is_hidden(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{200b}' | '\u{fffe}')
}
