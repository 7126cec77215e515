//! Drops characters that are decoration in speech: emoji, control and invisible characters.

/// The character as the later stages see it: white space is `' '` or `'\n'`, decoration is gone.
pub(super) fn clean(c: char) -> Option<char> {
    match c {
        '\n' | '\r' | '\u{0b}' | '\u{0c}' | '\u{85}' | '\u{2028}' | '\u{2029}' => Some('\n'),
        '＊' => Some('*'),
        _ if c.is_whitespace() => Some(' '),
        '~' | '|' | '\u{fffd}' => None,
        _ if c.is_control() || is_invisible(c) || is_emoji(c) => None,
        _ => Some(c),
    }
}

/// Characters that nobody sees but that may turn text around or split a word.
/// U+200C and U+200D stay: Persian and the scripts of India are written with them.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// Pictures, and what joins and colours them.
fn is_emoji(c: char) -> bool {
    matches!(c,
        '\u{1f000}'..='\u{1faff}' | '\u{2600}'..='\u{27bf}' | '\u{2b1b}'..='\u{2b55}'
        | '\u{231a}'..='\u{231b}' | '\u{23e9}'..='\u{23fa}' | '\u{25a0}'..='\u{25ff}'
        | '\u{2190}'..='\u{21ff}' | '\u{fe00}'..='\u{fe0f}' | '\u{20e3}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoration_goes_and_letters_stay() {
        let clean = |text: &str| text.chars().filter_map(clean).collect::<String>();
        assert_eq!(clean("Aye! 😊❤️👨‍👩‍👧 ☕"), "Aye! \u{200d}\u{200d} ");
        assert_eq!(clean("~code\u{7}\u{202e}x\u{a0}y\r\n"), "codex y\n\n");
        assert_eq!(clean("Ça va ? 你好。 مرحبا؟ क्षि"), "Ça va ? 你好。 مرحبا؟ क्षि");
    }
}
