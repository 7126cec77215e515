//! Drops a block of thinking at the start of a reply. Later blocks are words to this filter.

const BLOCKS: [(&str, &[&str]); 4] = [
    ("<think>", &["</think>"]),
    ("<thinking>", &["</thinking>", "</think>"]),
    ("<thought>", &["</thought>"]),
    ("[think]", &["[/think]"]),
];

#[derive(Debug)]
enum Place {
    Start(String),
    /// Within a block: its ends, and the last characters, in lower case.
    Inside(&'static [&'static str], String),
    Behind,
}

/// The filter of one reply.
#[derive(Debug)]
pub(super) struct Thinking(Place);

impl Thinking {
    pub fn new() -> Thinking {
        Thinking(Place::Start(String::new()))
    }

    /// Takes text; what is not thinking is added to `kept`.
    pub fn push(&mut self, text: &str, kept: &mut String) {
        for c in text.chars() {
            match &mut self.0 {
                Place::Behind => kept.push(c),
                Place::Start(held) => {
                    held.push(c);
                    let bare = held.trim_start().to_ascii_lowercase();
                    if let Some((_, ends)) = BLOCKS.iter().find(|(open, _)| *open == bare) {
                        self.0 = Place::Inside(ends, String::new());
                    } else if !BLOCKS.iter().any(|(open, _)| open.starts_with(&bare)) {
                        kept.push_str(held);
                        self.0 = Place::Behind;
                    }
                }
                Place::Inside(ends, tail) => {
                    tail.push(c.to_ascii_lowercase());
                    if ends.iter().any(|end| tail.ends_with(end)) {
                        // There may be another one.
                        self.0 = Place::Start(String::new());
                    } else if c == '<' || c == '[' {
                        *tail = c.to_string();
                    }
                }
            }
        }
    }

    /// Nothing more will come. A block without an end is dropped.
    pub fn finish(&mut self, kept: &mut String) {
        if let Place::Start(held) = std::mem::replace(&mut self.0, Place::Behind) {
            kept.push_str(&held);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        for size in [1, 3, usize::MAX] {
            let (mut filter, mut kept) = (Thinking::new(), String::new());
            for piece in text.chars().collect::<Vec<_>>().chunks(size.min(text.len().max(1))) {
                filter.push(&piece.iter().collect::<String>(), &mut kept);
            }
            filter.finish(&mut kept);
            assert_eq!(kept, expected, "{text}");
        }
    }

    #[test]
    fn thinking_at_the_start_is_dropped() {
        check("<think>a <b> </b></think>\n\nAye.", "\n\nAye.");
        check("\n<Thinking>x</THINKING>Aye.", "Aye.");
        check("[THINK]x[/THINK]Aye.", "Aye.");
        check("<think></think><think>y</think>Aye.", "Aye.");
        check("<think>no end", "");
    }

    #[test]
    fn what_is_no_block_stays() {
        check("<thin air> Aye.", "<thin air> Aye.");
        check("Aye. <think>x</think>", "Aye. <think>x</think>");
        check("<th", "<th");
        check("", "");
    }
}
