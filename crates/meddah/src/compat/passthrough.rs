//! A mod's own prompt, answered by the model as it is: nobody's persona is added.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _};
use meddah_inference::{
    ChatModel, ChatRequest, ChatStream, Choice, Chunk, Decision, Message, Role, Sampling, StopReason,
    TokenUsage, ToolCall,
};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{debug, trace};

use super::asked::{Asked, NO_TOOL, NO_TOOL_WORDS, Tool, ToolChoice};
use super::reply::{Piece, Pieces, Why, no_end};
use super::stop::StopFilter;
use crate::config::TurnSettings;
use crate::wire::{model_error, timed_out};

/// Tokens of a reply if the mod asks for no number. Enough for a scene between several colonists as JSON.
const REPLY_TOKENS_DEFAULT: u32 = 1024;
/// Tokens of a reply at most, whatever a mod asks for.
const REPLY_TOKENS_MAX: u32 = 32 * 1024;
/// Stop texts that the model itself looks for; the others are looked for here alone.
const MODEL_STOPS_MAX: usize = 16;
/// The decision that a tool call is.
const TOOL_DECISION: &str = "tool";
/// How often a model is asked to call a tool that has to be called.
const FORCED_ATTEMPTS_MAX: u64 = 2;
/// Temperatures beyond it are noise.
const TEMPERATURE_MAX: f32 = 2.0;

/// What thinks, and how patiently.
#[derive(Clone)]
pub(crate) struct Thinking {
    pub model: Arc<dyn ChatModel>,
    pub turn: TurnSettings,
    /// Everything ends.
    pub stop: CancellationToken,
}

/// Asks the model. The first error may come now or as a piece. Where the mod wants a tool called, whatever else
/// the model says is no answer: it is asked once more then.
pub(crate) async fn reply(thinking: &Thinking, asked: Asked) -> Result<Pieces, WireError> {
    let Some(forced) = Forced::of(&asked) else { return begin(thinking, asked).await };
    for attempt in 0..FORCED_ATTEMPTS_MAX {
        // The same seed would give the same answer.
        let seed = asked.seed.map(|seed| seed.wrapping_add(attempt));
        let pieces = begin(thinking, Asked { seed, ..asked.clone() }).await?;
        let pieces: Vec<Piece> = pieces.try_collect().await?;
        if forced.is_met(&pieces) {
            return Ok(futures::stream::iter(pieces.into_iter().map(Ok)).boxed());
        }
    }
    Err(WireError::new(ErrorCode::Protocol, "the model does not call the tool that `tool_choice` wants")
        .with_help("Ask with `tool_choice` auto, or choose a model that is made for tools."))
}

async fn begin(thinking: &Thinking, asked: Asked) -> Result<Pieces, WireError> {
    let Thinking { model, turn, stop: stop_all } = thinking;
    let local = model.label().1 == "local";
    let request = chat_request(asked, turn, local);
    trace!(?request.messages, "a prompt of a mod"); // players' words, at this level only
    let texts: Vec<String> = request.messages.iter().map(|message| message.text.clone()).collect();
    let stop = StopFilter::new(&request.stop);
    let trim = !request.decisions.is_empty();
    let request =
        ChatRequest { stop: request.stop.iter().take(MODEL_STOPS_MAX).cloned().collect(), ..request };
    let cancel = stop_all.child_token();
    let cancel_when_dropped = cancel.clone().drop_guard();
    let patience = Duration::from_millis(turn.timeout_ms);
    let begun = tokio::time::timeout(patience, model.stream(request, cancel)).await;
    let chunks = begun.map_err(|_| timed_out(patience))?.map_err(model_error)?;
    let reading = Reading {
        chunks,
        model: model.clone(),
        _cancel_when_dropped: cancel_when_dropped,
        stop_all: stop_all.clone(),
        patience,
        stop,
        trim,
        texts,
        said: String::new(),
        usage: TokenUsage::default(),
        called: false,
        ready: VecDeque::new(),
        over: false,
    };
    Ok(futures::stream::unfold(reading, |mut reading| async move {
        let piece = reading.next().await?;
        Some((piece, reading))
    })
    .boxed())
}

fn chat_request(asked: Asked, turn: &TurnSettings, local: bool) -> ChatRequest {
    let decision = tool_decision(&asked.tools, &asked.tool_choice);
    let mut messages = asked.messages;
    let conversation = conversation(&asked.conversation, &messages);
    let mut speech_lead = asked.begun;
    if local && decision.is_some() {
        tell_of_tools(&mut messages, &asked.tools);
        speech_lead.insert_str(0, "\nAnswer: ");
    }
    let temperature = asked.temperature.unwrap_or(turn.temperature);
    ChatRequest {
        conversation,
        messages,
        decisions: decision.into_iter().collect(),
        decide_aside: false,
        neutral_text: String::new(),
        speech_lead,
        max_tokens: asked.max_tokens.unwrap_or(REPLY_TOKENS_DEFAULT).min(REPLY_TOKENS_MAX),
        stop: asked.stop,
        sampling: Sampling {
            temperature: temperature.clamp(0.0, TEMPERATURE_MAX),
            min_p: asked.min_p.unwrap_or(turn.min_p).clamp(0.0, 1.0),
            // A mod's prompt may want the same words again: JSON keys, names, lists.
            dry_multiplier: 0.0,
            seed: asked.seed.unwrap_or_else(|| seed(turn)),
        },
        json_schema: asked.json_schema,
        raw_prompt: asked.raw_prompt,
    }
}

fn seed(turn: &TurnSettings) -> u64 {
    u64::try_from(turn.seed).unwrap_or_else(|_| getrandom::u64().unwrap_or_default())
}

/// Requests that begin with the same message belong together: the same character or the same job.
fn conversation(named: &str, messages: &[Message]) -> String {
    if !named.is_empty() {
        return format!("mod/{named}");
    }
    let first = messages.first().map(|message| message.text.as_str()).unwrap_or_default();
    let hash = Sha256::digest(first.as_bytes());
    let hash: String = hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("mod/{hash}")
}

fn tool_decision(tools: &[Tool], choice: &ToolChoice) -> Option<Decision> {
    let wanted = |tool: &&Tool| match choice {
        ToolChoice::Named(name) => tool.name == *name,
        _ => true,
    };
    let of_tool = |tool: &Tool| Choice {
        id: tool.name.clone(),
        text: format!(" {}", tool.name),
        description: tool.description.clone(),
        bias: 0.0,
        arguments: tool.parameters.clone().filter(takes_some),
    };
    let none = Choice {
        id: NO_TOOL.to_owned(),
        text: format!(" {}", NO_TOOL_WORDS[0]),
        description: String::new(),
        bias: 0.0,
        arguments: None,
    };
    let mut choices = match choice {
        ToolChoice::Never => return None,
        ToolChoice::Auto => vec![none],
        ToolChoice::Always | ToolChoice::Named(_) => Vec::new(),
    };
    choices.extend(tools.iter().filter(wanted).map(of_tool));
    let any = choices.iter().any(|choice| choice.id != NO_TOOL);
    any.then(|| Decision { name: TOOL_DECISION.to_owned(), lead: "Tool:".to_owned(), choices })
}

/// Without named parameters there is nothing to fill in: a small model would make something up.
fn takes_some(parameters: &Value) -> bool {
    parameters.get("properties").and_then(Value::as_object).is_none_or(|properties| !properties.is_empty())
}

/// The tools of which one has to be called.
struct Forced(Vec<Tool>);

impl Forced {
    fn of(asked: &Asked) -> Option<Forced> {
        let wanted = |tool: &&Tool| match &asked.tool_choice {
            ToolChoice::Always => true,
            ToolChoice::Named(name) => tool.name == *name,
            ToolChoice::Auto | ToolChoice::Never => false,
        };
        let tools: Vec<Tool> = asked.tools.iter().filter(wanted).cloned().collect();
        (!tools.is_empty()).then_some(Forced(tools))
    }

    fn is_met(&self, pieces: &[Piece]) -> bool {
        pieces.iter().any(|piece| match piece {
            Piece::Call(call) => {
                self.0.iter().any(|tool| tool.name == call.name && fits(tool, &call.arguments))
            }
            _ => false,
        })
    }
}

/// Whether the arguments are what the tool takes. A schema that makes no sense takes anything.
fn fits(tool: &Tool, arguments: &Value) -> bool {
    let validator = tool.parameters.as_ref().and_then(|schema| jsonschema::validator_for(schema).ok());
    validator.is_none_or(|validator| validator.is_valid(arguments))
}

/// A local model has no tools of its own: it picks one by the words of its prompt.
fn tell_of_tools(messages: &mut Vec<Message>, tools: &[Tool]) {
    let mut text = String::from("You can use these tools:\n");
    for Tool { name, description, parameters } in tools {
        let parameters = parameters.as_ref().map_or("{}".to_owned(), Value::to_string);
        writeln!(text, "- {name}: {description} Arguments: {parameters}").ok(); // writing to a String cannot fail
    }
    text.push_str(
        "Begin with `Tool:`, the name of the tool that is needed now and its arguments as JSON, or with \
         `Tool: none`. Then write `Answer:` and what you say.",
    );
    match messages.first_mut() {
        Some(first) if first.role == Role::System => first.text = format!("{}\n\n{text}", first.text),
        _ => messages.insert(0, Message::new(Role::System, text)),
    }
}

/// A reply of the model as it comes.
struct Reading {
    chunks: ChatStream,
    model: Arc<dyn ChatModel>,
    _cancel_when_dropped: DropGuard,
    /// The sidecar ends.
    stop_all: CancellationToken,
    patience: Duration,
    stop: StopFilter,
    /// The space between a lead and the first word is none of the reply.
    trim: bool,
    /// The prompt, for counting what a model does not count.
    texts: Vec<String>,
    said: String,
    usage: TokenUsage,
    called: bool,
    ready: VecDeque<Piece>,
    over: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<Piece, WireError>> {
        loop {
            if let Some(piece) = self.ready.pop_front() {
                return Some(Ok(piece));
            }
            if self.over {
                return None;
            }
            let chunk = tokio::select! {
                biased;
                () = self.stop_all.cancelled() => Err(shutting_down()),
                next = tokio::time::timeout(self.patience, self.chunks.next()) => match next {
                    Err(_) => Err(timed_out(self.patience)),
                    Ok(None) => Err(no_end()),
                    Ok(Some(chunk)) => chunk.map_err(model_error),
                },
            };
            match chunk {
                Ok(chunk) => self.take(chunk).await,
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
    }

    async fn take(&mut self, chunk: Chunk) {
        match chunk {
            Chunk::Decided { decision, choice, arguments }
                if decision == TOOL_DECISION && choice != NO_TOOL =>
            {
                let id = format!("call_{}", ulid::Ulid::new().to_string().to_lowercase());
                let arguments = arguments.unwrap_or_else(|| json!({}));
                self.ready.push_back(Piece::Call(ToolCall { id, name: choice, arguments }));
                self.called = true;
            }
            Chunk::Decided { .. } => {}
            // The mod answers the call first; words after it would be words about nothing.
            Chunk::Text(_) if self.called => self.end(Why::Calls).await,
            Chunk::Text(text) => {
                let (said, over) = self.stop.push(&text);
                self.say(&said);
                if over {
                    self.end(Why::Stop).await;
                }
            }
            Chunk::Usage(usage) => self.usage = usage,
            Chunk::Notice(notice) => debug!(code = notice.code, message = notice.message, "a notice"),
            Chunk::Done { stop, usage } => {
                self.usage = usage;
                let rest = self.stop.finish();
                self.say(&rest);
                let why = match stop {
                    _ if self.called => Why::Calls,
                    StopReason::Length => Why::Length,
                    StopReason::End | StopReason::Stop => Why::Stop,
                };
                self.end(why).await;
            }
        }
    }

    fn say(&mut self, text: &str) {
        let text = if self.trim { text.trim_start() } else { text };
        if !text.is_empty() {
            self.trim = false;
            self.said.push_str(text);
            self.ready.push_back(Piece::Text(text.to_owned()));
        }
    }

    async fn end(&mut self, why: Why) {
        self.over = true;
        self.chunks = futures::stream::empty().boxed(); // the model is free again
        if self.usage == TokenUsage::default() {
            let mut texts = std::mem::take(&mut self.texts);
            texts.push(std::mem::take(&mut self.said));
            self.usage = counted(self.model.clone(), texts).await;
        }
        self.ready.push_back(Piece::End { why, usage: self.usage });
    }
}

fn shutting_down() -> WireError {
    WireError::new(ErrorCode::ShuttingDown, "the sidecar is shutting down")
        .with_help("Start it again, then send the request again.")
}

/// For a reply that was ended before the model told what it cost. The last text is the reply.
async fn counted(model: Arc<dyn ChatModel>, texts: Vec<String>) -> TokenUsage {
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let Ok(mut counts) = model.count_tokens(&texts).await else { return TokenUsage::default() };
    let completion_tokens = counts.pop().unwrap_or(0);
    TokenUsage { prompt_tokens: counts.iter().sum(), completion_tokens, ..TokenUsage::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Vec<Tool> {
        let tool = |name: &str| Tool { name: name.into(), description: "Does it.".into(), parameters: None };
        vec![tool("wave"), tool("bow")]
    }

    fn choices(choice: &ToolChoice) -> Vec<String> {
        let decision = tool_decision(&tools(), choice);
        decision
            .map(|decision| decision.choices.into_iter().map(|choice| choice.id).collect())
            .unwrap_or_default()
    }

    #[test]
    fn a_tool_may_be_must_be_or_must_not_be_called() {
        assert_eq!(choices(&ToolChoice::Auto), [NO_TOOL, "wave", "bow"]);
        assert_eq!(choices(&ToolChoice::Always), ["wave", "bow"]);
        assert_eq!(choices(&ToolChoice::Named("bow".into())), ["bow"]);
        assert_eq!(choices(&ToolChoice::Never), [""; 0]);
        assert_eq!(tool_decision(&[], &ToolChoice::Auto), None);
    }

    #[test]
    fn only_a_local_model_is_told_of_tools_in_words() {
        let settings = crate::config::Settings::load(std::path::Path::new("none"), []).unwrap().turn;
        let asked = || Asked {
            messages: vec![Message::new(Role::System, "You are a guard."), Message::new(Role::User, "Wave!")],
            tools: tools(),
            ..Asked::default()
        };
        let online = chat_request(asked(), &settings, false);
        assert_eq!(online.messages, asked().messages);
        let local = chat_request(asked(), &settings, true);
        assert!(
            local.messages[0]
                .text
                .starts_with("You are a guard.\n\nYou can use these tools:\n- wave: Does it.")
        );
        assert_eq!(local.conversation, online.conversation);
        let without = chat_request(Asked { tools: vec![], ..asked() }, &settings, true);
        assert_eq!((without.messages, without.speech_lead.as_str()), (asked().messages, ""));
    }
}
