//! Drops tags such as `<b>` and `<script src=…>`: many games show text as markup, and nobody says a tag.

/// A longer one is no tag, in characters.
const TAG_CHARS_MAX: usize = 64;

/// The stage that knows tags. What was begun like one and is none comes out as it was.
#[derive(Debug, Default)]
pub(super) struct TagFilter {
    held: String,
}

impl TagFilter {
    /// Takes one character.
    pub(super) fn push(&mut self, c: char, out: &mut String) {
        if self.held.is_empty() && c != '<' {
            return out.push(c);
        }
        if c == '<' {
            out.push_str(&std::mem::take(&mut self.held));
        }
        self.held.push(c);
        match self.held.chars().nth(1) {
            None => {}
            Some(first) if !(first.is_ascii_alphabetic() || matches!(first, '/' | '!')) => self.finish(out),
            Some(_) if c == '>' => self.held.clear(),
            Some(_) if c == '\n' || self.held.chars().count() > TAG_CHARS_MAX => self.finish(out),
            Some(_) => {}
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self, out: &mut String) {
        out.push_str(&std::mem::take(&mut self.held));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_dropped_and_all_else_stays() {
        let check = |text: &str, expected: &str| {
            let (mut filter, mut out) = (TagFilter::default(), String::new());
            text.chars().for_each(|c| filter.push(c, &mut out));
            filter.finish(&mut out);
            assert_eq!(out, expected, "{text}");
        };
        check("Sit <b>down</b>, <color=#ff0000>now</color>.", "Sit down, now.");
        check("<script src=\"x\">alert(1)</script>Aye.", "alert(1)Aye.");
        check("I <3 you, 2 < 3 and 4 > 1.", "I <3 you, 2 < 3 and 4 > 1.");
        check("a <<b> c <unclosed\nNext.", "a < c <unclosed\nNext.");
        check(&format!("<{}> x", "a".repeat(80)), &format!("<{}> x", "a".repeat(80)));
    }
}
