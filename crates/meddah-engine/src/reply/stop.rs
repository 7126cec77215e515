//! Ends the reply where the model goes on to something that is no reply: role tokens and stop strings.
//!
//! Before the first word, role tokens are the header of the reply itself and are dropped instead: ending
//! there would leave the player without an answer.

use super::hold::{Found, Hold, Pattern};
use super::{STOP_CHARS_MAX, STOPS_MAX};

/// What stands before a reply when a chat template was applied twice or not at all.
const HEADERS: &[&str] = &[
    "<|im_start|>assistant",
    "<|start_header_id|>assistant<|end_header_id|>",
    "<|assistant|>",
    "<|begin_of_text|>",
    "<|endoftext|>",
    "<start_of_turn>model",
    "<|turn>model",
    "[/INST]",
    "### Response:",
    "### Assistant:",
    "<bos>",
    "<s>",
];

/// What a reply never holds. `<|` begins the special tokens of most families.
pub(super) const ROLE_TOKENS: &[&str] = &[
    "<|",
    "<｜",
    "</s>",
    "<s>",
    "[INST]",
    "[/INST]",
    "<<SYS>>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<turn|>",
    "<end_of_utterance>",
    "<eos>",
    "<bos>",
    "<EOT>",
    "<pad>",
    "<unk>",
    "[|",
    "[gMASK]",
    "[TOOL_CALLS]",
    "[AVAILABLE_TOOLS]",
    "[SYSTEM_PROMPT]",
    "[end of text]",
    "### Instruction",
    "### Response",
    "### Assistant",
    "### System",
    "### Human",
    "### Input",
    "### User",
    "###Instruction",
];

/// The stop strings of the caller that are used.
pub(super) fn usable(stop: &[String]) -> impl Iterator<Item = &String> {
    let fits = |stop: &&String| !stop.is_empty() && stop.chars().count() <= STOP_CHARS_MAX;
    stop.iter().filter(fits).take(STOPS_MAX)
}

/// The second stage of the chain.
#[derive(Debug)]
pub(super) struct StopFilter {
    /// Until the first word.
    headers: Option<Hold>,
    stops: Hold,
    over: bool,
}

impl StopFilter {
    pub(super) fn new(stop: &[String]) -> StopFilter {
        let tokens = ROLE_TOKENS.iter().map(|token| Pattern::any_case(token));
        let given = usable(stop).map(|stop| Pattern::exact(stop));
        StopFilter {
            headers: Some(Hold::new(HEADERS.iter().map(|header| Pattern::any_case(header)).collect())),
            stops: Hold::new(tokens.chain(given).collect()),
            over: false,
        }
    }

    /// Whether a stop was met.
    pub(super) fn is_over(&self) -> bool {
        self.over
    }

    /// Takes one character; what belongs to the reply is added to `kept`.
    pub(super) fn push(&mut self, c: char, kept: &mut String) {
        let Some(headers) = &mut self.headers else {
            return self.seek_stop(c, kept);
        };
        let mut passed = String::new();
        headers.push(c, |found| pass_words(found, &mut passed));
        if passed.is_empty() {
            return;
        }
        if let Some(mut headers) = self.headers.take() {
            headers.finish(|found| pass_words(found, &mut passed));
        }
        for c in passed.chars() {
            self.seek_stop(c, kept);
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self, kept: &mut String) {
        let mut passed = String::new();
        if let Some(mut headers) = self.headers.take() {
            headers.finish(|found| pass_words(found, &mut passed));
        }
        for c in passed.chars() {
            self.seek_stop(c, kept);
        }
        let over = &mut self.over;
        self.stops.finish(|found| keep_until_stop(found, over, kept));
    }

    fn seek_stop(&mut self, c: char, kept: &mut String) {
        let over = &mut self.over;
        self.stops.push(c, |found| keep_until_stop(found, over, kept));
    }
}

/// White space before the first word is dropped with the headers.
fn pass_words(found: Found, passed: &mut String) {
    match found {
        Found::Char(c) if passed.is_empty() && c.is_whitespace() => {}
        Found::Char(c) => passed.push(c),
        Found::Match(_) => {}
    }
}

fn keep_until_stop(found: Found, over: &mut bool, kept: &mut String) {
    match found {
        Found::Char(c) if !*over => kept.push(c),
        Found::Char(_) => {}
        Found::Match(_) => *over = true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(stop: &[&str], text: &str, expected: &str) {
        let stop: Vec<String> = stop.iter().map(|stop| (*stop).to_owned()).collect();
        let mut filter = StopFilter::new(&stop);
        let mut kept = String::new();
        for c in text.chars() {
            filter.push(c, &mut kept);
        }
        filter.finish(&mut kept);
        if filter.is_over() {
            kept.push('■');
        }
        assert_eq!(kept, expected);
    }

    #[test]
    fn role_tokens_and_stop_strings_end_the_reply() {
        check(&[], "Aye.<|im_end|>\n<|im_start|>user", "Aye.■");
        check(&[], "Aye.</S>x", "Aye.■");
        check(&[], "Aye.\n### Instruction: go", "Aye.\n■");
        check(&["\nTom:"], "Aye.\nTom: what", "Aye.■");
        check(&["\nTom:"], "Aye.\nTo me: what", "Aye.\nTo me: what");
        check(&["END", "E"], "The EN", "The ■");
    }

    #[test]
    fn the_header_of_the_reply_is_dropped() {
        check(&[], "<|im_start|>assistant\nAye.", "Aye.");
        check(&[], "<s> [/INST] Aye.</s>", "Aye.■");
        check(&[], "<|start_header_id|>assistant<|end_header_id|>\n\nAye.<|eot_id|>", "Aye.■");
        check(&[], "### Response: Aye. ### Response: No.", "Aye. ■");
    }

    #[test]
    fn unfit_stop_strings_are_ignored() {
        check(&["", &"x".repeat(STOP_CHARS_MAX + 1)], "Aye. xxx", "Aye. xxx");
    }
}
