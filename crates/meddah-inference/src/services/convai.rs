//! Convai (docs.convai.com): the classic form API, and the event stream of its newer one.
//!
//! The stream tells words as they come, but takes no actions. The classic API answers in one piece and takes
//! actions. So the stream is used until a game declares actions; from then on that conversation stays with
//! the classic API, because a session of one is unknown to the other.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::OwnedMutexGuard;
use tokio_util::sync::CancellationToken;

use super::line::Line;
use super::reply::{self, Reply, Stop};
use super::sessions::Sessions;
use super::{Characters, ServiceConfig, actions, options_of, spoken};
use crate::http::{Call, Http, SseParser, post_form};
use crate::service::ServiceAction;
use crate::{CharacterService, ChatStream, ErrorKind, Key, ModelError, ModelState, ServiceRequest};

const SERVICE: &str = "Convai";
pub(super) const CLASSIC_URL: &str = "https://api.convai.com";
pub(super) const STREAM_URL: &str = "https://live.convai.com";
/// What stands for "no session yet" in the classic API.
const NEW_SESSION: &str = "-1";
/// Objects of a request; beyond it, a character does not find its way among them anyway.
const OBJECTS_MAX: usize = 64;
/// After the last word, actions and feelings may still follow for so long.
const AFTER_WORDS_WAIT: Duration = Duration::from_secs(2);
/// The longest session id that is believed, bytes.
const SESSION_BYTES_MAX: usize = 256;

/// Which of the two is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Api {
    #[default]
    Stream,
    Classic,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Options {
    api: Api,
}

/// The service's sessions of one conversation.
#[derive(Default)]
struct Session {
    classic: Option<String>,
    stream: Option<String>,
    /// Actions were needed once.
    needs_classic: bool,
}

struct Shared {
    stream: Line,
    classic: Line,
    sessions: Sessions<Session>,
}

/// A player's Convai account.
pub(super) struct Convai {
    name: String,
    api: Api,
    characters: Characters,
    shared: Arc<Shared>,
}

impl Convai {
    pub(super) fn open(config: ServiceConfig, http: Http) -> Result<Convai, ModelError> {
        let options: Options = options_of(&config)?;
        let key = config.key.clone().ok_or_else(no_key)?;
        let line = |default: &str| {
            let base = config.base_url.clone().unwrap_or_else(|| default.to_owned());
            Line::new(SERVICE, http.clone(), base, Some(key.clone()))
        };
        let shared =
            Shared { stream: line(STREAM_URL)?, classic: line(CLASSIC_URL)?, sessions: Sessions::new() };
        let characters = Characters::new(SERVICE, config.characters);
        Ok(Convai { name: config.name, api: options.api, characters, shared: Arc::new(shared) })
    }
}

fn no_key() -> ModelError {
    ModelError::new(ErrorKind::Unauthorized, "Convai needs a key")
        .with_help("Copy it from your profile at convai.com and give it to Meddah.")
}

#[async_trait]
impl CharacterService for Convai {
    fn label(&self) -> (String, String) {
        (self.name.clone(), "service".to_owned())
    }

    fn state(&self) -> ModelState {
        ModelState::Ready
    }

    async fn stream(
        &self,
        request: ServiceRequest,
        cancel: CancellationToken,
    ) -> Result<ChatStream, ModelError> {
        let character = self.characters.id_of(&request.character)?.to_owned();
        let (shared, api) = (self.shared.clone(), self.api);
        let work = move |reply: Reply| async move {
            let mut session = shared.sessions.enter(&reply.request().conversation).await;
            session.needs_classic |= api == Api::Classic || !reply.request().actions.is_empty();
            if session.needs_classic {
                shared.answer_classic(&character, reply, session).await
            } else {
                shared.answer_stream(&character, reply, session).await
            }
        };
        reply::begin(request, cancel, work).await
    }

    async fn forget(&self, conversation: &str) {
        self.shared.sessions.forget(conversation);
    }
}

// The classic API.

#[derive(Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
struct ClassicAnswer {
    text: Option<String>,
    response: Option<String>,
    #[serde(rename = "sessionID")]
    session_id: Option<String>,
    action_sequence: Option<String>,
    #[serde(rename = "ERROR")]
    error: Option<Value>,
    #[serde(rename = "API_ERROR")]
    api_error: Option<Value>,
}

impl Shared {
    async fn answer_classic(
        &self,
        character: &str,
        mut reply: Reply,
        mut session: OwnedMutexGuard<Session>,
    ) -> Result<(), Stop> {
        let request = reply.request().clone();
        let answer = match self.ask_classic(character, &request, session.classic.as_deref()).await {
            Err(error) if session.classic.is_some() && is_about_session(&error) => {
                session.classic = None;
                self.ask_classic(character, &request, None).await?
            }
            answer => answer?,
        };
        let id = answer.session_id.filter(|id| is_session(id) && id != NEW_SESSION);
        session.classic = id.or(session.classic.take());
        reply.text(answer.text.or(answer.response).unwrap_or_default().trim()).await?;
        for line in answer.action_sequence.unwrap_or_default().lines() {
            reply.acts(actions::said(line, &request)).await?;
        }
        Ok(())
    }

    async fn ask_classic(
        &self,
        character: &str,
        request: &ServiceRequest,
        session: Option<&str>,
    ) -> Result<ClassicAnswer, ModelError> {
        let mut fields = vec![
            ("userText", spoken(&request.heard)),
            ("charID", character.to_owned()),
            ("sessionID", session.unwrap_or(NEW_SESSION).to_owned()),
            ("voiceResponse", "False".to_owned()),
        ];
        if !request.actions.is_empty() {
            let names: Vec<String> = request.actions.iter().map(actions::spoken_name).collect();
            fields.push(("actions", names.join(", ")));
            fields.push(("classification", "multistep".to_owned()));
            fields.push(("objects", objects(request).to_string()));
            fields.push(("characters", people(request).to_string()));
        }
        let call = post_form(self.classic.url("", "character/getResponse")?, &fields, None)?;
        let call = with_key(call, "CONVAI-API-KEY", self.classic.key.as_ref())?;
        let body = self.classic.ask_text(call).await?;
        let answer: ClassicAnswer =
            serde_json::from_str(&body).map_err(|_| self.classic.nonsense("no JSON"))?;
        let failed = answer.text.as_deref().is_some_and(|text| text.starts_with("process_failure"));
        if failed || answer.error.is_some() || answer.api_error.is_some() {
            return Err(self.classic.refusal(200, &body, None));
        }
        if answer.text.is_none() && answer.response.is_none() {
            return Err(self.classic.nonsense("neither words nor a reason"));
        }
        Ok(answer)
    }
}

/// Things that actions can be done to, each with the actions that it is for.
fn objects(request: &ServiceRequest) -> Value {
    let mut names: Vec<&str> = request.actions.iter().flat_map(|a| &a.targets).map(String::as_str).collect();
    names.retain(|name| !is_person(name, request));
    names.sort_unstable();
    names.dedup();
    let object = |name: &str| {
        let takes = |action: &&ServiceAction| action.targets.iter().any(|target| target == name);
        let actions: Vec<String> = request.actions.iter().filter(takes).map(actions::spoken_name).collect();
        let description = format!("Can be used with: {}.", actions.join(", "));
        json!({"name": unseparated(name), "description": unseparated(&description)})
    };
    names.into_iter().take(OBJECTS_MAX).map(object).collect()
}

/// Who is there.
fn people(request: &ServiceRequest) -> Value {
    let player = json!({"name": unseparated(&request.player_name), "bio": "The player."});
    let this =
        json!({"name": unseparated(&request.character_name), "bio": unseparated(&request.description)});
    let others = request.scene.present.iter().take(OBJECTS_MAX);
    let others = others.map(|name| json!({"name": unseparated(name), "bio": ""}));
    [player, this].into_iter().chain(others).collect()
}

fn is_person(name: &str, request: &ServiceRequest) -> bool {
    name == request.player_name || request.scene.present.iter().any(|person| person == name)
}

/// Semicolons separate objects at Convai, wherever they stand.
fn unseparated(text: &str) -> String {
    text.replace(';', ",")
}

fn is_session(id: &str) -> bool {
    !id.is_empty() && id.len() <= SESSION_BYTES_MAX
}

fn is_about_session(error: &ModelError) -> bool {
    error.message.to_lowercase().contains("session")
}

fn with_key(call: Call, header: &str, key: Option<&Key>) -> Result<Call, ModelError> {
    match key {
        Some(key) => call.with_key(header, "", key),
        None => Ok(call),
    }
}

// The event stream.

/// Where a stream is.
#[derive(Default)]
struct Progress {
    /// Something that belongs to this API came.
    understood: bool,
    /// The words are over.
    spoken: bool,
    /// Nothing more comes.
    over: bool,
}

impl Shared {
    async fn answer_stream(
        &self,
        character: &str,
        mut reply: Reply,
        mut session: OwnedMutexGuard<Session>,
    ) -> Result<(), Stop> {
        let request = reply.request().clone();
        let mut answer = match self.ask_stream(character, &request, session.stream.as_deref()).await {
            Err(error) if session.stream.is_some() && is_about_session(&error) => {
                session.stream = None;
                self.ask_stream(character, &request, None).await?
            }
            answer => answer?,
        };
        let never = CancellationToken::new();
        let mut parser = SseParser::default();
        let mut progress = Progress::default();
        while !progress.over {
            let next = answer.next(&never);
            let bytes = match progress.spoken {
                false => next.await?,
                true => match tokio::time::timeout(AFTER_WORDS_WAIT, next).await {
                    Ok(Ok(bytes)) => bytes,
                    // Everything was said; how the connection ends does not matter.
                    Ok(Err(_)) | Err(_) => break,
                },
            };
            let ended = bytes.is_none();
            let events = match &bytes {
                Some(bytes) => parser.push(bytes),
                None => parser.finish(),
            };
            for event in events.map_err(|_| self.stream.nonsense("an event without end"))? {
                // What is no JSON is none of this API.
                if let Ok(event) = serde_json::from_str::<Value>(&event.data) {
                    self.take_event(&event, &mut reply, &mut session, &mut progress).await?;
                }
            }
            if ended {
                break;
            }
        }
        match progress {
            Progress { spoken: true, .. } | Progress { over: true, .. } => Ok(()),
            Progress { understood: true, .. } => Err(self.stream.broke().into()),
            _ => Err(self.stream.nonsense("no events").into()),
        }
    }

    async fn ask_stream(
        &self,
        character: &str,
        request: &ServiceRequest,
        session: Option<&str>,
    ) -> Result<crate::http::Reply, ModelError> {
        let mut fields = vec![("character_id", character.to_owned()), ("text_input", spoken(&request.heard))];
        // "Do not send -1 or other placeholder values."
        fields.extend(session.map(|session| ("character_session_id", session.to_owned())));
        let call = post_form(self.stream.url("", "connect/stream")?, &fields, None)?;
        let call = with_key(call, "X-API-Key", self.stream.key.as_ref())?;
        self.stream.ask(call.with_header("accept", "text/event-stream")?).await
    }

    /// Takes one event. Its fields may be absent or null, and come in two shapes: as they are, or wrapped
    /// into a `server-message`.
    async fn take_event(
        &self,
        event: &Value,
        reply: &mut Reply,
        session: &mut Session,
        progress: &mut Progress,
    ) -> Result<(), Stop> {
        let data = &event["data"];
        let kind = match event["type"].as_str() {
            Some("server-message") => data["type"].as_str().unwrap_or_default(),
            Some(kind) => kind,
            None if event["detail"].is_null() => return Ok(()),
            None => "error",
        };
        progress.understood = true;
        match kind {
            "connection-started" => {
                let id = event["message"]["character_session_id"].as_str();
                session.stream = id.filter(|id| is_session(id)).map(str::to_owned).or(session.stream.take());
            }
            "bot-llm-text" => reply.text(data["text"].as_str().unwrap_or_default()).await?,
            // The whole once more; only needed if its pieces did not come.
            "bot-transcription" if reply.is_empty() => {
                reply.text(data["text"].as_str().unwrap_or_default()).await?;
            }
            "bot-emotion" => reply.feels(data["emotion"].as_str().unwrap_or_default()).await?,
            "action-response" => {
                for action in data["actions"].as_array().into_iter().flatten() {
                    let (name, target) = (action["name"].as_str(), action["target"].as_str());
                    let call = name.and_then(|name| actions::named(name, target, reply.request()));
                    reply.acts(call).await?;
                }
            }
            "bot-llm-stopped" | "llm-no-response" | "bot-turn-completed" => progress.spoken = true,
            // Convai writes it with three p.
            "connection-stoppped" | "connection-stopped" => progress.over = true,
            "moderation-response" if data["result"].as_bool() == Some(false) => {
                let reason = data["reason"].as_str().unwrap_or_default();
                return Err(self.stream.refusal(0, &format!("moderation: {reason}"), None).into());
            }
            "usage-limit-reached" => {
                let reason = data["message"].as_str().unwrap_or_default();
                return Err(self.stream.refusal(0, &format!("usage limit reached. {reason}"), None).into());
            }
            "error" => return Err(self.stream.refusal(0, &event.to_string(), None).into()),
            _ => {}
        }
        Ok(())
    }
}
