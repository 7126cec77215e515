//! The events of an answer. They are put together from parts, because benches ask for very many.

use bytes::Bytes;

use super::request::{Asked, mix};

/// One token each.
const WORDS: [&str; 16] = [
    " the", " old", " mill", " road", " by", " river", " stone", " and", " light", " of", " a", " quiet",
    " winter", " fair", " song", " came",
];

/// Everything of an event up to its own part.
pub(super) struct Events {
    head: String,
    seed: u64,
}

impl Events {
    pub fn new(answer: u64, model: &str, seed: u64) -> Events {
        let model = serde_json::Value::from(model);
        let head = format!(
            "data: {{\"id\":\"chatcmpl-{answer}\",\"object\":\"chat.completion.chunk\",\"created\":0,\"model\":{model},"
        );
        Events { head, seed }
    }

    fn event(&self, parts: &[&str]) -> Bytes {
        let length = self.head.len() + parts.iter().map(|part| part.len()).sum::<usize>() + 3;
        let mut text = String::with_capacity(length);
        text.push_str(&self.head);
        parts.iter().for_each(|part| text.push_str(part));
        text.push_str("}\n\n");
        Bytes::from(text)
    }

    pub fn role(&self) -> Bytes {
        self.event(&[
            r#""choices":[{"index":0,"delta":{"role":"assistant","content":null},"finish_reason":null}]"#,
        ])
    }

    /// The token at this place.
    pub fn token(&self, place: u64) -> Bytes {
        let word = WORDS[(mix(self.seed ^ place) % WORDS.len() as u64) as usize];
        self.text(word)
    }

    /// An event that breaks off within a letter of two bytes.
    pub fn half(&self) -> Bytes {
        let whole = self.text("\u{e9}");
        let letter = whole.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
        whole.slice(..=letter)
    }

    /// An event of at least this size.
    pub fn long(&self, bytes: usize) -> Bytes {
        self.text(&"x".repeat(bytes))
    }

    fn text(&self, text: &str) -> Bytes {
        self.event(&[r#""choices":[{"index":0,"delta":{"content":""#, text, r#""},"finish_reason":null}]"#])
    }

    pub fn finish(&self, is_cut: bool) -> Bytes {
        let reason = if is_cut { "length" } else { "stop" };
        self.event(&[r#""choices":[{"index":0,"delta":{},"finish_reason":""#, reason, r#""}]"#])
    }

    pub fn usage(&self, prompt: u64, cached: u64, answer: u64, charged: Option<u64>) -> Bytes {
        let total = prompt.saturating_add(answer);
        let charged = charged.map_or(String::new(), |dollars| format!("\"cost\":{dollars},"));
        let usage = format!(
            "\"choices\":[],\"usage\":{{{charged}\"prompt_tokens\":{prompt},\"completion_tokens\":{answer},\
             \"total_tokens\":{total},\"prompt_tokens_details\":{{\"cached_tokens\":{cached}}}}}"
        );
        self.event(&[&usage])
    }
}

/// An answer for who asked.
pub(super) fn events(answer: u64, model: &str, asked: &Asked) -> Events {
    Events::new(answer, model, asked.seed)
}

/// A piece of a line.
pub(super) const LINE: Bytes = Bytes::from_static(&[b'x'; 16 << 10]);
pub(super) const DONE: Bytes = Bytes::from_static(b"data: [DONE]\n\n");
pub(super) const ERROR: Bytes = Bytes::from_static(
    b"data: {\"error\":{\"message\":\"the engine failed\",\"type\":\"server_error\",\"code\":500}}\n\n",
);
