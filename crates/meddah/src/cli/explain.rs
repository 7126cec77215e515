//! `meddah talk --explain`: what the model read before it answered, with the length of each part, and why.

use meddah_engine::prompt::{PartKind, PromptPart};

use super::print;
use crate::turn::Explanation;

/// A part of the past is shown so far, in characters; all of it would fill the screen in every turn.
const SHOWN_CHARS_MAX: usize = 160;

/// Prints it on standard error: standard output belongs to the talk.
pub fn show(explanation: &Explanation) {
    for line in lines(explanation) {
        print::note(&line);
    }
}

fn lines(explanation: &Explanation) -> Vec<String> {
    let Explanation { character, model, size, room_tokens, parts, again, .. } = explanation;
    let total: u32 = parts.iter().map(|part| part.tokens).sum();
    let again = if *again { ", asked once more because the first answer was not usable" } else { "" };
    let mut lines = vec![format!(
        "── {character} reads {total} of {room_tokens} tokens (form {size}, model {model}{again})"
    )];
    let mut before = None;
    for (index, part) in parts.iter().enumerate() {
        if before != Some(part.kind) {
            lines.push(heading(part.kind, &parts[index..]));
        }
        before = Some(part.kind);
        let came_to_mind = !matches!(part.kind, PartKind::Character | PartKind::World | PartKind::Turn);
        let mut reasons = explanation.reasons.iter().filter(|_| came_to_mind);
        let why = reasons.find(|reason| part.text.contains(&reason.text));
        let why = why.map(|reason| format!("  ({})", reason.why)).unwrap_or_default();
        lines.push(format!("  {}{why}", shown(part)));
    }
    if !explanation.left_out.is_empty() {
        lines.push("left out, no room".to_owned());
        lines.extend(explanation.left_out.iter().map(|text| format!("  {text}")));
    }
    lines
}

/// The kind, and the tokens of its parts that follow each other.
fn heading(kind: PartKind, rest: &[PromptPart]) -> String {
    let tokens: u32 = rest.iter().take_while(|part| part.kind == kind).map(|part| part.tokens).sum();
    format!("{} ({tokens})", kind.name())
}

fn shown(part: &PromptPart) -> String {
    let text = part.text.replace('\n', " / ");
    let long =
        matches!(part.kind, PartKind::Turn | PartKind::Sample) && text.chars().count() > SHOWN_CHARS_MAX;
    if !long {
        return text;
    }
    let mut short: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use meddah_engine::prompt::Reason;

    use super::*;

    #[test]
    fn each_part_stands_under_its_kind_with_its_tokens_and_its_reason() {
        let part = |kind, text: &str, tokens| PromptPart { kind, text: text.into(), tokens };
        let explanation = Explanation {
            turn: "t1".into(),
            character: "Mira".into(),
            model: "tiny".into(),
            size: "small",
            room_tokens: 1900,
            parts: vec![
                part(PartKind::Rules, "Answer in short.", 5),
                part(PartKind::Character, "You are Mira.", 4),
                part(PartKind::Character, "She likes order.", 4),
                part(PartKind::Knowledge, "[A bed costs two coppers.]", 9),
                part(PartKind::Said, "Ann: How much is a bed?", 8),
            ],
            reasons: vec![Reason { text: "A bed costs two coppers.".into(), why: "shares `bed`".into() }],
            left_out: vec!["The stew is eel.".into()],
            again: false,
        };
        let expected = [
            "── Mira reads 30 of 1900 tokens (form small, model tiny)",
            "rules (5)",
            "  Answer in short.",
            "character (8)",
            "  You are Mira.",
            "  She likes order.",
            "knowledge (9)",
            "  [A bed costs two coppers.]  (shares `bed`)",
            "said (8)",
            "  Ann: How much is a bed?",
            "left out, no room",
            "  The stew is eel.",
        ];
        assert_eq!(lines(&explanation), expected);
    }
}
