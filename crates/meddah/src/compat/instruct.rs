//! Raw prompts: what a mod wrote for a model that only continues text.
//!
//! A prompt in one of the well-known templates is taken apart into its messages again, because the model
//! here has a template of its own, which need not be the one that the mod was set to. Any other prompt goes to
//! a local model as it stands, and to others as one message of the user.

use meddah_inference::{Message, Role};

use super::asked::Asked;

/// How a family of models writes who speaks.
struct Tags {
    system: &'static str,
    user: &'static str,
    assistant: &'static str,
    /// Marks without meaning of their own.
    marks: &'static [&'static str],
}

const FAMILIES: [Tags; 6] = [
    // ChatML: Qwen and many others.
    Tags {
        system: "<|im_start|>system",
        user: "<|im_start|>user",
        assistant: "<|im_start|>assistant",
        marks: &["<|im_end|>"],
    },
    // Llama 3.
    Tags {
        system: "<|start_header_id|>system<|end_header_id|>",
        user: "<|start_header_id|>user<|end_header_id|>",
        assistant: "<|start_header_id|>assistant<|end_header_id|>",
        marks: &["<|eot_id|>", "<|begin_of_text|>"],
    },
    // Gemma.
    Tags {
        system: "<start_of_turn>system",
        user: "<start_of_turn>user",
        assistant: "<start_of_turn>model",
        marks: &["<end_of_turn>", "<bos>"],
    },
    // Mistral.
    Tags {
        system: "[SYSTEM_PROMPT]",
        user: "[INST]",
        assistant: "[/INST]",
        marks: &["[/SYSTEM_PROMPT]", "</s>", "<s>"],
    },
    // KoboldCpp's own placeholders for whatever the model wants.
    Tags {
        system: "{{[SYSTEM]}}",
        user: "{{[INPUT]}}",
        assistant: "{{[OUTPUT]}}",
        marks: &["{{[SYSTEM_END]}}", "{{[INPUT_END]}}", "{{[OUTPUT_END]}}"],
    },
    // Alpaca.
    Tags { system: "### System:", user: "### Instruction:", assistant: "### Response:", marks: &[] },
];

/// A raw prompt as a request: in messages if its template is known, else as it stands, for the model to go on
/// where it ends. Models that only take messages get it as one message of the user.
pub(super) fn asked(prompt: &str) -> Asked {
    let raw_prompt = family(prompt).is_none().then(|| prompt.to_owned()).filter(|raw| !raw.is_empty());
    let (messages, begun) = messages(prompt);
    Asked { messages, begun, raw_prompt, ..Asked::default() }
}

fn family(prompt: &str) -> Option<&'static Tags> {
    FAMILIES.iter().find(|tags| {
        let user = prompt.find(tags.user).or_else(|| prompt.find(tags.system));
        user.is_some_and(|user| prompt.rfind(tags.assistant).is_some_and(|assistant| assistant > user))
    })
}

/// The messages of a raw prompt, and how the reply has begun already.
fn messages(prompt: &str) -> (Vec<Message>, String) {
    let Some(tags) = family(prompt) else { return (vec![Message::new(Role::User, prompt)], String::new()) };
    let mut messages = Vec::new();
    // What stands before the first tag are instructions.
    let (mut role, mut rest) = (Role::System, prompt);
    loop {
        let next = tags.next(rest);
        let content = tags.plain(&rest[..next.map_or(rest.len(), |(at, _, _)| at)]);
        if next.is_none() && role == Role::Assistant {
            return (messages, content);
        }
        if !content.is_empty() {
            messages.push(Message::new(role, content));
        }
        let Some((at, length, who)) = next else { return (messages, String::new()) };
        (role, rest) = (who, &rest[at + length..]);
    }
}

impl Tags {
    /// The next tag: its place, its length and who speaks after it.
    fn next(&self, text: &str) -> Option<(usize, usize, Role)> {
        let all = [(self.system, Role::System), (self.user, Role::User), (self.assistant, Role::Assistant)];
        let found = all.into_iter().filter_map(|(tag, role)| Some((text.find(tag)?, tag.len(), role)));
        found.min_by_key(|(at, _, _)| *at)
    }

    fn plain(&self, text: &str) -> String {
        let without = self.marks.iter().fold(text.to_owned(), |text, mark| text.replace(mark, ""));
        without.trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(prompt: &str, expected: &[(Role, &str)], begun: &str) {
        let (messages, found) = messages(prompt);
        let found_messages: Vec<(Role, &str)> =
            messages.iter().map(|one| (one.role, one.text.as_str())).collect();
        assert_eq!((found_messages.as_slice(), found.as_str()), (expected, begun));
    }

    #[test]
    fn known_templates_are_taken_apart() {
        let guard = [(Role::System, "You are a guard."), (Role::User, "Halt?")];
        let chatml = "<|im_start|>system\nYou are a guard.<|im_end|>\n<|im_start|>user\nHalt?<|im_end|>\n\
            <|im_start|>assistant\nMira:";
        check(chatml, &guard, "Mira:");
        let llama = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nYou are a guard.<|eot_id|>\
            <|start_header_id|>user<|end_header_id|>\n\nHalt?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n";
        check(llama, &guard, "");
        check("You are a guard.\n### Instruction:\nHalt?\n### Response:\n", &guard, "");
        check(
            "<s>[INST] Halt? [/INST] Yes.</s>[INST] Why? [/INST]",
            &[(Role::User, "Halt?"), (Role::Assistant, "Yes."), (Role::User, "Why?")],
            "",
        );
        check("You are a guard.{{[INPUT]}}Halt?{{[OUTPUT]}}", &guard, "");
    }

    #[test]
    fn only_a_prompt_of_no_known_template_stays_as_it_is() {
        let raw = |prompt: &str| asked(prompt).raw_prompt;
        assert_eq!(raw("Ayla: Hello!\nMira:").as_deref(), Some("Ayla: Hello!\nMira:"));
        assert_eq!(raw("[INST] Halt? [/INST]"), None);
        assert_eq!(raw(""), None);
    }

    #[test]
    fn any_other_prompt_is_one_message() {
        for prompt in ["Ayla: Hello!\nMira:", "", "Explain [INST] to me.", "### Response:\nWhat is this?"] {
            check(prompt, &[(Role::User, prompt)], "");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_prompt_is_too_odd(parts in proptest::collection::vec("(\\[INST\\]|\\[/INST\\]|<\\|im_start\\|>user|<\\|im_start\\|>assistant|<\\|im_end\\|>|é|\n| )", 0..12)) {
            let (found, begun) = messages(&parts.concat());
            // Nothing is lost but tags: every letter is in a message, or in what has begun.
            let letters: usize = found.iter().map(|one| one.text.matches('é').count()).sum();
            proptest::prop_assert_eq!(letters + begun.matches('é').count(), parts.concat().matches('é').count());
        }
    }
}
