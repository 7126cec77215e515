//! Models of made-up providers, and what came of asking them.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use meddah_fakes::{Dialect, Fake};
use meddah_inference::http::Http;
use meddah_inference::model_table::ModelTable;
use meddah_inference::providers::{self, ActionStyle, ProviderConfig};
use meddah_inference::{
    ChatModel, ChatRequest, Choice, Chunk, Decision, ErrorKind, Key, Message, ModelError, Role, StopReason,
    TokenUsage,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// Must never be seen anywhere.
pub const SECRET: &str = "sk-secret-0123456789abcdef";
/// Nothing takes longer.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// What every transcript of a turn says.
pub const WORDS: &str = "Here is your ale, friend. Grüße! 🍺";

pub fn config(dialect: Dialect, base_url: &str) -> ProviderConfig {
    ProviderConfig {
        name: "my rung".into(),
        provider: dialect.name().into(),
        model: "test-model".into(),
        base_url: Some(base_url.into()),
        key: Some(Key::new(SECRET)),
        ..ProviderConfig::default()
    }
}

pub fn open(config: ProviderConfig) -> Arc<dyn ChatModel> {
    providers::open(config, Http::new().unwrap(), &ModelTable::embedded()).unwrap()
}

/// The model of a fake; the way in which the transcript of this name answers.
pub fn model(dialect: Dialect, case: &str, fake: &Fake) -> Arc<dyn ChatModel> {
    let actions = match case {
        _ if case.contains("tools") => ActionStyle::Tools,
        _ if case.contains("schema") => ActionStyle::Schema,
        _ if case.contains("lines") || case == "bold-heads" => ActionStyle::Lines,
        _ => ActionStyle::Auto,
    };
    let name = if case.starts_with("think-end") { "deepseek-r1" } else { "test-model" };
    open(ProviderConfig { actions, model: name.into(), ..config(dialect, &fake.base_url) })
}

fn choice(id: &str, text: &str) -> Choice {
    Choice { id: id.into(), text: text.into(), description: String::new(), bias: 0.0, arguments: None }
}

/// A character's turn, as the program asks for it.
pub fn request() -> ChatRequest {
    let give = Choice {
        description: "Hands something over.".into(),
        arguments: Some(json!({
            "type": "object", "required": ["item"], "additionalProperties": false,
            "properties": {"item": {"type": "string", "enum": ["ale", "bread"]}},
        })),
        ..choice("give_item", " give_item")
    };
    let moods = [("neutral", " calm"), ("joy", " cheerful"), ("anger", " angry"), ("sadness", " sad")];
    ChatRequest {
        conversation: "tavern/ann/mira".into(),
        messages: vec![
            Message::new(Role::System, "You are Mira, the innkeeper."),
            Message::new(Role::User, "Ann: Hello."),
            Message::new(Role::Assistant, "Mood: calm\nDoes: nothing\nSays: Good evening."),
            Message::new(Role::User, "Ann: An ale, please."),
        ],
        decisions: vec![
            Decision {
                name: "emotion".into(),
                lead: "Mood:".into(),
                choices: moods.iter().map(|(id, text)| choice(id, text)).collect(),
            },
            Decision {
                name: "action".into(),
                lead: "\nDoes:".into(),
                choices: vec![choice("nothing", " nothing"), give, choice("wave", " wave")],
            },
        ],
        speech_lead: "\nSays:".into(),
        max_tokens: 100,
        stop: ["\nMood:", "\nDoes:", "\nSays:", "\nAnn:"].map(str::to_owned).to_vec(),
        ..ChatRequest::default()
    }
}

/// What came of a reply, without how it was cut into pieces.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Of each emotion that was decided, the choice.
    pub moods: Vec<String>,
    /// Of each action that was decided, the choice and its arguments.
    pub actions: Vec<(String, Option<Value>)>,
    pub text: String,
    /// The mood was decided before the first word.
    pub mood_first: bool,
    pub stop: Option<StopReason>,
    pub usage: TokenUsage,
    pub error: Option<ErrorKind>,
    /// Message, help and debug form of the error.
    pub error_text: String,
    pub retry_after: Option<Duration>,
}

impl Outcome {
    fn take(&mut self, chunk: Chunk) {
        assert!(self.stop.is_none(), "something follows the end: {chunk:?}");
        match chunk {
            Chunk::Decided { decision, choice, .. } if decision == "emotion" => {
                self.mood_first |= self.text.is_empty();
                self.moods.push(choice);
            }
            Chunk::Decided { choice, arguments, .. } => self.actions.push((choice, arguments)),
            Chunk::Text(text) => {
                assert!(!text.is_empty());
                self.text.push_str(&text);
            }
            Chunk::Usage(usage) => self.usage = usage,
            Chunk::Notice(notice) => panic!("a notice: {notice:?}"),
            Chunk::Done { stop, usage } => {
                self.stop = Some(stop);
                self.usage = usage;
            }
        }
    }

    fn fail(&mut self, error: &ModelError) {
        assert!(self.error.is_none() && self.stop.is_none());
        assert!(!error.help.is_empty() || error.kind == ErrorKind::Cancelled, "no help: {error:?}");
        self.error = Some(error.kind);
        self.error_text = format!("{error} {} {error:?} {error:#?}", error.help);
        self.retry_after = error.retry_after;
    }
}

/// Asks and waits for the end.
pub async fn ask(model: &dyn ChatModel, request: ChatRequest) -> Outcome {
    tokio::time::timeout(PATIENCE, ask_with(model, request, CancellationToken::new())).await.unwrap()
}

pub async fn ask_with(model: &dyn ChatModel, request: ChatRequest, cancel: CancellationToken) -> Outcome {
    let mut outcome = Outcome::default();
    match model.stream(request, cancel).await {
        Err(error) => outcome.fail(&error),
        Ok(mut stream) => {
            while let Some(item) = stream.next().await {
                match item {
                    Ok(chunk) => outcome.take(chunk),
                    Err(error) => outcome.fail(&error),
                }
            }
            assert!(outcome.stop.is_some() || outcome.error.is_some(), "neither an end nor an error");
        }
    }
    outcome
}
