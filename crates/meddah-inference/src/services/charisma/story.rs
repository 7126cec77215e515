//! A story being played: its playthrough, its conversation, and what it is told to remember.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::Call;
use crate::services::line::Line;
use crate::{Key, ModelError, ServiceRequest};

/// Messages that are fetched after the connection was lost.
const HISTORY_MAX: u32 = 100;
/// What is written into one of the story's memories, characters.
const MEMORY_CHARS_MAX: usize = 2000;

/// Where a story comes from.
#[derive(Clone, Debug)]
pub(super) struct StorySource {
    pub(super) story_id: u64,
    /// -1 is the draft, which needs a key.
    pub(super) version: Option<i64>,
}

/// A playthrough with one conversation.
pub(super) struct Story {
    pub(super) token: Key,
    pub(super) playthrough: String,
    pub(super) conversation: String,
    /// The id of the last message that was told.
    pub(super) last_event: Option<String>,
    /// Our memories as they were last written.
    written: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TokenAnswer {
    token: String,
    playthrough_uuid: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConversationAnswer {
    conversation_uuid: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HistoryAnswer {
    events: Vec<HistoryEvent>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct HistoryEvent {
    id: Value,
    payload: Value,
}

impl Story {
    /// Begins a playthrough; `character` is the number of a character that is talked to outside the story.
    pub(super) async fn begin(
        line: &Line,
        source: &StorySource,
        character: Option<u64>,
        language: &str,
    ) -> Result<Story, ModelError> {
        let mut body = json!({"storyId": source.story_id});
        if let Some(version) = source.version {
            body["version"] = version.into();
        }
        if !language.is_empty() {
            body["languageCode"] = language.into();
        }
        let mut call = post(line, "play/token", &body)?;
        if let Some(key) = &line.key {
            call = call.with_key("authorization", "API-Key ", key)?;
        }
        let answer: TokenAnswer = parsed(line, line.ask_json(call).await?)?;
        let token = Key::new(&answer.token);
        let call = match character {
            Some(id) => post(line, "play/conversation/character", &json!({"characterId": id}))?,
            None => post(line, "play/conversation", &json!({}))?,
        };
        let call = call.with_key("authorization", "Bearer ", &token)?;
        let conversation: ConversationAnswer = parsed(line, line.ask_json(call).await?)?;
        Ok(Story {
            token,
            playthrough: answer.playthrough_uuid,
            conversation: conversation.conversation_uuid,
            last_event: None,
            written: BTreeMap::new(),
        })
    }

    /// Writes what has changed into the story's memories. `names` says which of our facts goes into which
    /// memory of the story.
    pub(super) async fn remember(
        &mut self,
        line: &Line,
        names: &BTreeMap<Fact, String>,
        request: &ServiceRequest,
    ) -> Result<(), ModelError> {
        let facts = names.iter().map(|(fact, name)| (name.clone(), fact.of(request)));
        let changed: BTreeMap<String, String> = facts
            .filter(|(name, value)| self.written.get(name).map_or(!value.is_empty(), |old| old != value))
            .collect();
        if changed.is_empty() {
            return Ok(());
        }
        let memories: Vec<Value> =
            changed.iter().map(|(name, value)| json!({"recallValue": name, "saveValue": value})).collect();
        let call = post(line, "play/set-memory", &json!({"memories": memories}))?;
        line.ask_text(call.with_key("authorization", "Bearer ", &self.token)?).await?;
        self.written.extend(changed);
        Ok(())
    }

    /// What the characters said since the last message that was told.
    pub(super) async fn missed(&self, line: &Line) -> Result<Vec<Value>, ModelError> {
        let mut url = line.url("", "play/event-history")?;
        url.query_pairs_mut()
            .append_pair("conversationUuid", &self.conversation)
            .append_pair("limit", &HISTORY_MAX.to_string())
            .append_pair("eventTypes", "message_character");
        if let Some(last) = &self.last_event {
            url.query_pairs_mut().append_pair("minEventId", last);
        }
        let call = Call::get(url).with_key("authorization", "Bearer ", &self.token)?;
        let answer: HistoryAnswer = parsed(line, line.ask_json(call).await?)?;
        let newer = answer.events.into_iter().filter(|event| self.is_news(&event.id));
        Ok(newer.map(|event| event.payload).collect())
    }

    /// Whether an event comes after the last one that was told. Ids are numbers, written as text because
    /// they are larger than JavaScript's.
    pub(super) fn is_news(&self, id: &Value) -> bool {
        let (Some(id), Some(last)) = (event_id(id), &self.last_event) else { return true };
        match (id.parse::<u64>(), last.parse::<u64>()) {
            (Ok(id), Ok(last)) => id > last,
            _ => id != *last,
        }
    }
}

/// An event's id as text.
pub(super) fn event_id(id: &Value) -> Option<String> {
    match id {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// What we know that a story may want to remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fact {
    /// Name of who plays.
    Player,
    /// Where.
    Place,
    /// When.
    Time,
    /// Who else is there.
    Present,
    /// What is true at the moment.
    Facts,
    /// What the character remembers.
    Memories,
    /// What the character knows that belongs to what was said.
    Knowledge,
}

impl Fact {
    fn of(self, request: &ServiceRequest) -> String {
        let text = match self {
            Fact::Player => request.player_name.clone(),
            Fact::Place => request.scene.place.clone(),
            Fact::Time => request.scene.time.clone(),
            Fact::Present => request.scene.present.join(", "),
            Fact::Facts => request.scene.facts.join(" "),
            Fact::Memories => request.memories.join(" "),
            Fact::Knowledge => request.knowledge.join(" "),
        };
        // The newest stands last.
        let skip = text.chars().count().saturating_sub(MEMORY_CHARS_MAX);
        text.chars().skip(skip).collect()
    }
}

fn post(line: &Line, tail: &str, body: &Value) -> Result<Call, ModelError> {
    Call::post_json(line.url("", tail)?, body).with_header("accept", "application/json")
}

fn parsed<T: serde::de::DeserializeOwned>(line: &Line, answer: Value) -> Result<T, ModelError> {
    serde_json::from_value(answer).map_err(|_| line.nonsense("something that lacks what it should have"))
}
