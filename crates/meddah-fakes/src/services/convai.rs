//! Convai: the classic form API and the event stream (docs.convai.com, August 2026).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use serde_json::{Value, json};

use super::{Open, Queue, Served, answer, json, lock, play, serve};
use crate::Transcript;

/// The key that it takes.
const KEY: &str = "convai-key-0123456789";
/// The character that it plays.
const CHARACTER: &str = "7bd3274c-1745-11ee-a3af-42010a400002";

/// A made-up Convai.
pub struct FakeConvai {
    served: Served,
    state: Arc<Convai>,
}

#[derive(Default)]
struct Convai {
    classic: Queue,
    stream: Queue,
    sessions: Mutex<Sessions>,
    seen: Mutex<Vec<(String, HashMap<String, String>)>>,
    open: Open,
}

#[derive(Default)]
struct Sessions {
    turns: HashMap<String, u32>,
    begun: u32,
}

impl Sessions {
    fn begin(&mut self, kind: &str) -> String {
        self.begun += 1;
        let id = format!("{kind}-session-{}", self.begun);
        self.turns.insert(id.clone(), 0);
        id
    }

    /// One more turn of a session; its number.
    fn turn(&mut self, id: &str) -> Option<u32> {
        let turns = self.turns.get_mut(id)?;
        *turns += 1;
        Some(*turns)
    }
}

impl FakeConvai {
    /// The key that it takes.
    pub const KEY: &str = KEY;
    /// The character that it plays.
    pub const CHARACTER: &str = CHARACTER;

    /// Starts it.
    pub async fn start() -> FakeConvai {
        let state = Arc::<Convai>::default();
        let router = Router::new()
            .route("/character/getResponse", post(classic))
            .route("/connect/stream", post(stream))
            .with_state(state.clone());
        FakeConvai { served: serve(router).await, state }
    }

    /// Its address; one for both APIs.
    pub fn base_url(&self) -> &str {
        &self.served.base_url
    }

    /// The classic API's next answer to a sound request.
    pub fn next_classic(&self, transcript: Transcript) {
        self.state.classic.push(transcript);
    }

    /// The stream's next answer to a sound request.
    pub fn next_stream(&self, transcript: Transcript) {
        self.state.stream.push(transcript);
    }

    /// Forgets all sessions, as the real one does after a while.
    pub fn drop_sessions(&self) {
        lock(&self.state.sessions).turns.clear();
    }

    /// Paths and form fields of what was asked so far.
    pub fn seen(&self) -> Vec<(String, HashMap<String, String>)> {
        lock(&self.state.seen).clone()
    }

    /// Waits until so many answers are under way.
    ///
    /// # Errors
    /// How many there are after ten seconds.
    pub async fn wait_for_open(&self, count: usize) -> Result<(), usize> {
        self.state.open.wait_for(count).await
    }
}

/// The form of a request; none if it is not `multipart/form-data`.
async fn form(request: Request) -> Option<HashMap<String, String>> {
    let mut form = Multipart::from_request(request, &()).await.ok()?;
    let mut fields = HashMap::new();
    while let Some(field) = form.next_field().await.ok()? {
        let name = field.name()?.to_owned();
        fields.insert(name, field.text().await.ok()?);
    }
    Some(fields)
}

fn key(headers: &HeaderMap, name: &str) -> bool {
    headers.get(name).is_some_and(|key| key.as_bytes() == KEY.as_bytes())
}

async fn classic(State(convai): State<Arc<Convai>>, request: Request) -> Response {
    let guard = convai.open.enter();
    if !key(request.headers(), "convai-api-key") {
        return json(401, &json!({"ERROR": "Invalid API key provided."}));
    }
    let Some(fields) = form(request).await else {
        return json(400, &json!({"ERROR": "The request body should be form-data"}));
    };
    lock(&convai.seen).push(("/character/getResponse".to_owned(), fields.clone()));
    if let Err(refusal) = check_classic(&fields) {
        return refusal;
    }
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    let mut sessions = lock(&convai.sessions);
    let session = match field("sessionID") {
        "-1" => sessions.begin("classic"),
        session => session.to_owned(),
    };
    let Some(turn) = sessions.turn(&session) else {
        return json(400, &json!({"ERROR": "Invalid session ID provided."}));
    };
    if let Some(transcript) = convai.classic.next() {
        return play(transcript, guard);
    }
    let text = format!("Turn {turn}: you said “{}”.", field("userText"));
    if !fields.contains_key("actions") {
        let body = json!({"charID": CHARACTER, "text": text, "audio": null, "sample_rate": null, "sessionID": session});
        return json(200, &body);
    }
    let sequence = sequence(field("userText"), field("actions"), field("objects"), field("characters"));
    let body = json!({
        "userQuery": field("userText"), "charID": CHARACTER, "sessionID": session, "text": text, "response": text,
        "actionSequence": sequence,
    });
    json(200, &body)
}

/// The actions that the words name, with the objects and people that they name, as Convai writes them.
fn sequence(said: &str, actions: &str, objects: &str, people: &str) -> String {
    let said = said.to_lowercase();
    let names = |list: &str| -> Vec<String> {
        let list: Vec<Value> = serde_json::from_str(list).unwrap_or_default();
        list.iter().filter_map(|object| Some(object["name"].as_str()?.to_owned())).collect()
    };
    let things = [names(objects), names(people)].concat();
    let mut lines = String::from(" ");
    for action in actions.split(", ").filter(|action| said.contains(&action.to_lowercase())) {
        let thing = things.iter().find(|thing| said.contains(&thing.to_lowercase()));
        let mut name = action.to_owned();
        name[..1].make_ascii_uppercase();
        lines.push_str(&format!("\n{name} {}", thing.map_or("", String::as_str)));
    }
    lines
}

fn check_classic(fields: &HashMap<String, String>) -> Result<(), Response> {
    let wrong = |message: &str| Err(json(400, &json!({"ERROR": message})));
    if fields.contains_key("userText") == fields.contains_key("file") {
        return wrong("Expecting only one; either an audio file or user's query as a string");
    }
    let field = |name: &str| fields.get(name).map_or("", String::as_str);
    if field("charID") != CHARACTER {
        let text = "process_failure, error: IndexError('list index out of range')";
        return Err(json(404, &json!({"charID": field("charID"), "text": text})));
    }
    if field("sessionID").is_empty() {
        return wrong("sessionID is missing");
    }
    if !matches!(field("voiceResponse"), "True" | "False" | "true" | "false") {
        return wrong("voiceResponse should be True or False");
    }
    if fields.contains_key("actions") {
        let list = |name: &str| serde_json::from_str::<Vec<HashMap<String, String>>>(field(name));
        let (Ok(objects), Ok(people)) = (list("objects"), list("characters")) else {
            return wrong("objects and characters should be lists");
        };
        let separated = |object: &HashMap<String, String>| object.values().any(|text| text.contains(';'));
        if objects.iter().chain(&people).any(separated) {
            return wrong("; is a separator");
        }
        if field("classification") != "multistep" {
            return wrong("classification should be multistep");
        }
    }
    Ok(())
}

async fn stream(State(convai): State<Arc<Convai>>, request: Request) -> Response {
    let guard = convai.open.enter();
    if !key(request.headers(), "x-api-key") {
        return json(401, &json!({"detail": "Invalid API key"}));
    }
    let Some(fields) = form(request).await else {
        return json(422, &missing("character_id"));
    };
    lock(&convai.seen).push(("/connect/stream".to_owned(), fields.clone()));
    for needed in ["character_id", "text_input"] {
        if fields.get(needed).is_none_or(String::is_empty) {
            return json(422, &missing(needed));
        }
    }
    if fields["character_id"] != CHARACTER {
        return json(404, &json!({"detail": "Character not found"}));
    }
    let mut sessions = lock(&convai.sessions);
    let session = match fields.get("character_session_id") {
        None => sessions.begin("stream"),
        Some(session) if session == "-1" => return json(422, &missing("character_session_id")),
        Some(session) => session.clone(),
    };
    let Some(turn) = sessions.turn(&session) else {
        return json(404, &json!({"detail": "Session not found"}));
    };
    if let Some(transcript) = convai.stream.next() {
        return play(transcript, guard);
    }
    let text = format!("Turn {turn}: you said “{}”.", fields["text_input"]);
    answer(200, "text/event-stream", events(&session, &text))
}

fn missing(field: &str) -> Value {
    json!({"detail": [{"type": "missing", "loc": ["body", field], "msg": "Field required", "input": null}]})
}

/// The events of one reply, as the documentation shows them.
fn events(session: &str, text: &str) -> String {
    let message = json!({"session_id": "connection-1", "transport": "sse", "character_session_id": session});
    let (first, second) = text.split_at(text.find(' ').unwrap_or(0));
    let rtvi = |kind: &str| json!({"label": "rtvi-ai", "type": kind});
    let words = |kind: &str, text: &str| json!({"label": "rtvi-ai", "type": kind, "data": {"text": text}});
    let events = [
        json!({"type": "connection-started", "message": message}),
        rtvi("bot-llm-started"),
        words("bot-llm-text", first),
        words("bot-llm-text", second),
        words("bot-transcription", text),
        rtvi("bot-llm-stopped"),
        json!({"type": "connection-stoppped"}),
    ];
    events.iter().map(|event| format!("data: {event}\n\n")).collect()
}
