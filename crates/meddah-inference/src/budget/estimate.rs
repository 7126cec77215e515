//! How many tokens a request can have, before anybody has counted them.

use serde_json::Value;

use crate::ChatRequest;

/// Tokens that a chat template puts around a message, at most.
const MESSAGE_TOKENS_MAX: u64 = 16;
/// Tokens that a provider adds to a request on its own, at most: rules for tool calls, a system prompt.
const REQUEST_TOKENS_MAX: u64 = 1_024;
/// A JSON Schema is written anew by providers, with spaces or escapes: so many tokens per byte of ours, at most.
const SCHEMA_TOKENS_PER_BYTE: u64 = 2;
/// Bytes of a token in the texts of games, on the careful side: English has about 4, Turkish 3, Chinese 3.
const BYTES_PER_TOKEN: u64 = 3;
/// Tokens around a message, on average.
const MESSAGE_TOKENS: u64 = 4;
/// What a request without `max_tokens` is taken to produce at most.
pub const OUTPUT_TOKENS_UNSTATED: u64 = 4_096;

/// Bounds and guesses of a request's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Estimate {
    /// The prompt has no more. Tokenizers of providers work on bytes, so that no text has more tokens than
    /// bytes; the rest is room for what is put around it.
    pub prompt_most: u64,
    /// The prompt has about so many.
    pub prompt_likely: u64,
    /// The reply has no more, words and decisions together.
    pub output_most: u64,
}

impl Estimate {
    /// Of a request. `output_extra` are tokens that the adapter allows beyond `max_tokens`, for reasoning and
    /// tool calls.
    pub fn of(request: &ChatRequest, output_extra: u32) -> Estimate {
        let texts = text_bytes(request);
        let schemas = schema_bytes(request);
        let messages = request.messages.len() as u64 + 1;
        let prompt_most = texts
            .saturating_add(schemas.saturating_mul(SCHEMA_TOKENS_PER_BYTE))
            .saturating_add(messages.saturating_mul(MESSAGE_TOKENS_MAX))
            .saturating_add(REQUEST_TOKENS_MAX);
        let prompt_likely = tokens_of(texts.saturating_add(schemas)) + messages * MESSAGE_TOKENS;
        let words = match request.max_tokens {
            0 => OUTPUT_TOKENS_UNSTATED,
            tokens => u64::from(tokens),
        };
        Estimate { prompt_most, prompt_likely, output_most: words + u64::from(output_extra) }
    }
}

/// About how many tokens so many bytes of text are.
pub fn tokens_of(bytes: u64) -> u64 {
    bytes.div_ceil(BYTES_PER_TOKEN)
}

fn text_bytes(request: &ChatRequest) -> u64 {
    let messages = request.messages.iter().map(|message| {
        let calls = message.calls.iter().map(|call| call.id.len() + call.name.len());
        message.text.len() + message.call_id.len() + calls.sum::<usize>()
    });
    let decisions = request.decisions.iter().map(|decision| {
        let choices = decision.choices.iter();
        let choices = choices.map(|choice| choice.id.len() + choice.text.len() + choice.description.len());
        decision.name.len() + decision.lead.len() + choices.sum::<usize>()
    });
    let stops = request.stop.iter().map(String::len);
    let rest = request.neutral_text.len() + request.speech_lead.len();
    messages.chain(decisions).chain(stops).sum::<usize>().saturating_add(rest) as u64
}

fn schema_bytes(request: &ChatRequest) -> u64 {
    let calls = request.messages.iter().flat_map(|message| &message.calls).map(|call| &call.arguments);
    let choices = request.decisions.iter().flat_map(|decision| &decision.choices);
    let choices = choices.filter_map(|choice| choice.arguments.as_ref());
    calls.chain(choices).chain(&request.json_schema).map(json_bytes).sum()
}

/// The length of the value written as JSON.
pub fn json_bytes(value: &Value) -> u64 {
    serde_json::to_vec(value).map_or(0, |json| json.len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Choice, Decision, Message, Role};
    use serde_json::json;

    #[test]
    fn every_text_that_is_sent_counts() {
        let empty = Estimate::of(&ChatRequest::default(), 0);
        assert_eq!(empty.output_most, OUTPUT_TOKENS_UNSTATED);
        let schema = json!({"type": "object"});
        let schema_tokens = json_bytes(&schema) * SCHEMA_TOKENS_PER_BYTE;
        let choice = Choice {
            id: "ab".into(),
            text: "cde".into(),
            description: "fghi".into(),
            bias: 0.0,
            arguments: Some(schema.clone()),
        };
        let request = ChatRequest {
            messages: vec![Message::new(Role::User, "x".repeat(100))],
            decisions: vec![Decision { name: "n".into(), lead: "le".into(), choices: vec![choice] }],
            neutral_text: "n".into(),
            speech_lead: "sp".into(),
            stop: vec!["end".into()],
            json_schema: Some(schema),
            max_tokens: 7,
            ..ChatRequest::default()
        };
        let full = Estimate::of(&request, 5);
        let grown = full.prompt_most - empty.prompt_most;
        assert_eq!(grown, 100 + 2 + 3 + 4 + 3 + 1 + 2 + 3 + MESSAGE_TOKENS_MAX + 2 * schema_tokens);
        assert_eq!(full.output_most, 12);
        assert!(full.prompt_likely < full.prompt_most && full.prompt_likely > 33, "{full:?}");
    }
}
