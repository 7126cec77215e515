//! Drops what is not meant for ears: thinking, tool calls written as text, channel headers.
//!
//! A block that never closes is dropped to the end: words that a character thinks must not be heard.

use super::hold::{Found, Hold, Pattern};

/// A block to be dropped, from its opening to its closing string.
struct Block {
    open: &'static str,
    close: &'static [&'static str],
}

/// The blocks that models write, by family.
const BLOCKS: &[Block] = &[
    Block { open: "<think>", close: &["</think>"] },
    Block { open: "<thinking>", close: &["</thinking>", "</think>"] },
    Block { open: "<thought>", close: &["</thought>"] },
    Block { open: "<thoughts>", close: &["</thoughts>"] },
    Block { open: "<reasoning>", close: &["</reasoning>"] },
    Block { open: "<reflection>", close: &["</reflection>"] },
    Block { open: "<analysis>", close: &["</analysis>"] },
    Block { open: "<seed:think>", close: &["</seed:think>"] },
    Block { open: "[THINK]", close: &["[/THINK]"] },
    Block { open: "◁think▷", close: &["◁/think▷"] },
    Block { open: "<|START_THINKING|>", close: &["<|END_THINKING|>"] },
    Block { open: "<|channel|>analysis", close: &[FINAL_CHANNEL] },
    Block { open: "<|channel|>commentary", close: &[FINAL_CHANNEL] },
    Block { open: "<|channel>thought", close: &["<channel|>"] },
    Block { open: "<tool_call>", close: &["</tool_call>"] },
    Block { open: "<function_call>", close: &["</function_call>"] },
];

const FINAL_CHANNEL: &str = "<|channel|>final<|message|>";

/// Single strings that are dropped wherever they stand: a closing tag whose opening the chat template
/// had already written, and the header of the channel that is meant for ears.
const STRAY: &[&str] = &[
    FINAL_CHANNEL,
    "<|start|>assistant",
    "</think>",
    "</thinking>",
    "</thought>",
    "</thoughts>",
    "</reasoning>",
    "</reflection>",
    "[/THINK]",
    "◁/think▷",
    "<|END_THINKING|>",
    "<|START_RESPONSE|>",
    "<|END_RESPONSE|>",
    "</tool_call>",
];

/// The first stage of the chain.
#[derive(Debug)]
pub(super) struct ThinkFilter {
    outside: Hold,
    /// Looks for the end of the block that we are in.
    inside: Option<Hold>,
}

impl ThinkFilter {
    pub(super) fn new() -> ThinkFilter {
        let opening = BLOCKS.iter().map(|block| block.open);
        let patterns = opening.chain(STRAY.iter().copied()).map(Pattern::any_case);
        ThinkFilter { outside: Hold::new(patterns.collect()), inside: None }
    }

    /// Takes one character; what may be heard is added to `kept`.
    pub(super) fn push(&mut self, c: char, kept: &mut String) {
        if let Some(inside) = &mut self.inside {
            let mut closed = false;
            inside.push(c, |found| closed |= matches!(found, Found::Match(_)));
            if closed {
                self.inside = None;
            }
            return;
        }
        let mut opened = None;
        self.outside.push(c, |found| match found {
            Found::Char(c) => kept.push(c),
            Found::Match(index) => opened = BLOCKS.get(index),
        });
        self.inside =
            opened.map(|block| Hold::new(block.close.iter().map(|close| Pattern::any_case(close)).collect()));
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self, kept: &mut String) {
        if self.inside.is_none() {
            self.outside.finish(|found| {
                if let Found::Char(c) = found {
                    kept.push(c);
                }
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let mut filter = ThinkFilter::new();
        let mut kept = String::new();
        for c in text.chars() {
            filter.push(c, &mut kept);
        }
        filter.finish(&mut kept);
        assert_eq!(kept, expected);
    }

    #[test]
    fn thinking_is_dropped() {
        check("<think>he lies</think>\nAye.", "\nAye.");
        check("<Think>\n\n</THINK>Aye.", "Aye.");
        check("Aye. <thinking>so</thinking> Come.", "Aye.  Come.");
        check("◁think▷hm◁/think▷Aye.", "Aye.");
        check("[THINK]x[/THINK]Aye.", "Aye.");
    }

    #[test]
    fn thinking_without_an_end_is_dropped() {
        check("Aye. <think>I should say", "Aye. ");
        check("<think>a < b </thin", "");
    }

    #[test]
    fn channels_are_taken_apart() {
        check(
            "<|channel|>analysis<|message|>plan<|end|><|start|>assistant<|channel|>final<|message|>Aye.",
            "Aye.",
        );
        check("<|channel>thought\nplan<channel|>Aye.", "Aye.");
        check("<|channel|>final<|message|>Aye.", "Aye.");
    }

    #[test]
    fn what_only_looks_like_a_tag_stays() {
        check("I <3 you, a <b> and <thin", "I <3 you, a <b> and <thin");
        check("so.</think> Aye.", "so. Aye.");
    }
}
