//! How a reply came about, for whoever writes characters: what the model read and why. Only `meddah talk --explain`
//! and `meddah check` ask for it; it reaches no game.

use meddah_engine::prompt::{OnMind, PartKind, PromptPart, Reason};
use tokio::sync::mpsc;

/// Explanations that wait to be looked at; of more the newest are lost.
pub const EXPLANATIONS_MAX: usize = 256;

/// What one model was asked.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The turn.
    pub turn: String,
    /// Who answers.
    pub character: String,
    /// Name of the model.
    pub model: String,
    /// Size of the prompt's form: `small`, `medium` or `large`.
    pub size: &'static str,
    /// Tokens that there was room for.
    pub room_tokens: u32,
    /// What it read.
    pub parts: Vec<PromptPart>,
    /// Why sentences of it came to mind.
    pub reasons: Vec<Reason>,
    /// What came to mind and found no room.
    pub left_out: Vec<String>,
    /// The first answer was not usable, and it is asked once more.
    pub again: bool,
}

impl Explanation {
    /// What came to mind and is not among the parts.
    pub(super) fn left_out(on_mind: &OnMind, parts: &[PromptPart]) -> Vec<String> {
        let told =
            |text: &str| parts.iter().any(|part| part.kind != PartKind::Said && part.text.contains(text));
        let briefly: Vec<&str> = on_mind
            .memories
            .iter()
            .filter(|memory| !memory.brief.is_empty() && told(&memory.brief))
            .map(|memory| memory.text.as_str())
            .collect();
        let left_out = on_mind.sentences().filter(|text| !told(text) && !briefly.contains(&text.as_str()));
        left_out.cloned().collect()
    }
}

/// Takes explanations. Prints nothing of them when it is printed itself.
#[derive(Clone)]
pub struct Explainer(mpsc::Sender<Explanation>);

impl Explainer {
    /// A taker, and where to read what it took.
    pub fn new() -> (Explainer, mpsc::Receiver<Explanation>) {
        let (sender, receiver) = mpsc::channel(EXPLANATIONS_MAX);
        (Explainer(sender), receiver)
    }

    pub(super) fn tell(&self, explanation: Explanation) {
        self.0.try_send(explanation).ok(); // nobody looks, or too much was not looked at
    }
}

impl std::fmt::Debug for Explainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Explainer")
    }
}
