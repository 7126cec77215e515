//! Reads a short scene that a model wrote: who says what, in order.
//!
//! As all reading of replies, it never fails: what cannot be read is left out. What may be said at all is judged
//! where the words are spoken.

/// A longer line is cut there, in characters; nobody speaks so long in a short scene.
const LINE_CHARS_MAX: usize = 600;
/// What a model that thinks aloud puts before its answer.
const THOUGHT_END: &str = "</think>";

/// A line of a scene.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SceneLine {
    /// The place of its speaker among the names.
    pub speaker: usize,
    /// The words.
    pub text: String,
}

/// The lines of a scene, at most `lines_max`. `names` are those who may speak, `last` is the place of who spoke last
/// and does not go on alone. A line of one of the `others`, the player for example, ends it.
pub fn read_scene(
    text: &str,
    names: &[&str],
    others: &[&str],
    last: usize,
    lines_max: usize,
) -> Vec<SceneLine> {
    let text = text.rsplit_once(THOUGHT_END).map_or(text, |(_, scene)| scene);
    let mut lines: Vec<SceneLine> = Vec::new();
    let mut goes_on = false;
    for line in text.lines().map(str::trim) {
        let (label, words) = line.split_once([':', '：']).unwrap_or(("", line));
        let words = words.trim_start_matches(['*', '_', ' ']);
        if let Some(speaker) = names.iter().position(|name| is_label(label, name)) {
            lines.pop_if(|line| line.text.is_empty());
            goes_on = speaker != last || !lines.is_empty();
            if goes_on && lines.last().is_none_or(|before| before.speaker != speaker) {
                if lines.len() == lines_max {
                    break;
                }
                lines.push(SceneLine { speaker, text: String::new() });
            }
            if goes_on {
                add(&mut lines, words);
            }
        } else if others.iter().any(|name| is_label(label, name)) {
            break;
        } else if goes_on {
            add(&mut lines, line);
        }
    }
    lines.pop_if(|line| line.text.is_empty());
    lines
}

/// More of the last line.
fn add(lines: &mut [SceneLine], words: &str) {
    let Some(line) = lines.last_mut().filter(|_| !words.is_empty()) else { return };
    if !line.text.is_empty() {
        line.text.push(' ');
    }
    line.text.push_str(words);
    if let Some((end, _)) = line.text.char_indices().nth(LINE_CHARS_MAX) {
        line.text.truncate(end);
    }
}

/// `**Mira**`, `- Mira Vane`, `mira (laughing)`: the name, or its first word.
fn is_label(label: &str, name: &str) -> bool {
    let bare = label.split('(').next().unwrap_or_default();
    let bare = bare.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let name = name.to_lowercase();
    !bare.is_empty() && (bare == name || name.split_whitespace().next() == Some(bare.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[&str]) {
        let names = ["Mira Vane", "Bram"];
        let lines = read_scene(text, &names, &["Ann"], 0, 3);
        let shown: Vec<String> =
            lines.iter().map(|line| format!("{}: {}", names[line.speaker], line.text)).collect();
        assert_eq!(shown, expected, "{text}");
    }

    #[test]
    fn each_line_has_its_speaker_however_it_is_written() {
        check("Bram: Hm.\nMira: Well?\nBram: No.", &["Bram: Hm.", "Mira Vane: Well?", "Bram: No."]);
        check("**Bram:** Hm.\n\n- mira vane (laughing): Ha!", &["Bram: Hm.", "Mira Vane: Ha!"]);
        check("Here is the scene:\nBram: Hm.\nAnd then:\nGo.", &["Bram: Hm. And then: Go."]);
        check("<think>Bram: Boo.</think>Bram： Hm.", &["Bram: Hm."]);
        check("Bram:\nHm.\nMira:\nBram: Listen.", &["Bram: Hm. Listen."]);
    }

    #[test]
    fn who_spoke_last_does_not_go_on_alone_and_enough_is_enough() {
        check("Mira: And another thing.\nAnd more.\nBram: Hm.", &["Bram: Hm."]);
        check("Bram: 1.\nMira: 2.\nBram: 3.\nMira: 4.\nBram: 5.", &["Bram: 1.", "Mira Vane: 2.", "Bram: 3."]);
    }

    #[test]
    fn a_line_of_somebody_else_ends_it_and_nonsense_is_nothing() {
        check("Bram: Hm.\nAnn: I run away.\nBram: Wait!", &["Bram: Hm."]);
        check("The wind, Mira. Or was it?", &[]);
        check("", &[]);
        check("Bram:\nMira:\n:", &[]);
        check(":\n::\u{200b}：Bram\n(Bram)", &[]);
    }

    #[test]
    fn a_line_has_an_end() {
        let lines = read_scene(&format!("Bram: {}", "Hm. ".repeat(1000)), &["Bram"], &[], 1, 3);
        assert_eq!(lines[0].text.chars().count(), LINE_CHARS_MAX);
    }
}
