//! Each character service against its fake.

mod charisma;
mod convai;
mod player2;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use meddah_inference::http::Http;
use meddah_inference::service::{Heard, ServiceAction, ServiceScene};
use meddah_inference::services::{ServiceConfig, known, open};
use meddah_inference::{
    CharacterService, Chunk, ErrorKind, ModelError, ServiceRequest, StopReason, TokenUsage,
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

/// No test waits longer for anything.
const PATIENCE: Duration = Duration::from_secs(20);

type Service = Arc<dyn CharacterService>;

fn http() -> Http {
    Http::new().unwrap()
}

fn opened(config: ServiceConfig) -> Service {
    open(config, http()).unwrap()
}

fn options(options: Value) -> serde_json::Map<String, Value> {
    options.as_object().unwrap().clone()
}

/// The player says this to Mirela, who may serve two drinks and leave.
fn said(text: &str) -> ServiceRequest {
    let serve = ServiceAction {
        name: "serve".into(),
        description: "Serves a drink.".into(),
        targets: vec!["Mojito".into(), "White Russian".into()],
        ..Default::default()
    };
    let leave =
        ServiceAction { name: "leave".into(), description: "Goes away.".into(), ..Default::default() };
    ServiceRequest { actions: vec![serve, leave], ..said_without_actions(text) }
}

fn said_without_actions(text: &str) -> ServiceRequest {
    let labels = ["neutral", "joy", "affection", "curiosity", "surprise", "sadness", "fear", "anger"];
    ServiceRequest {
        conversation: "talk-1".into(),
        character: "mirela".into(),
        character_name: "Mirela".into(),
        description: "Keeps the tavern; she has seen it all.".into(),
        player: "p1".into(),
        player_name: "Ada".into(),
        heard: Heard::Said(text.into()),
        scene: ServiceScene {
            place: "The tavern".into(),
            time: "Evening".into(),
            present: vec!["Old Tom".into()],
            facts: vec!["It rains.".into()],
        },
        emotions: labels.map(String::from).into(),
        memories: vec!["Ada owes two coins.".into()],
        ..Default::default()
    }
}

/// All of a reply; what fails before its first piece is its only piece.
async fn told(service: &Service, request: ServiceRequest) -> Vec<Result<Chunk, ModelError>> {
    let telling = async {
        match service.stream(request, CancellationToken::new()).await {
            Ok(stream) => stream.collect().await,
            Err(error) => vec![Err(error)],
        }
    };
    tokio::time::timeout(PATIENCE, telling).await.expect("a reply ends")
}

/// The reply to a turn that works.
async fn reply(service: &Service, request: ServiceRequest) -> Vec<Chunk> {
    let chunks: Vec<Chunk> = told(service, request).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(chunks.last(), Some(&done()), "{chunks:?}");
    chunks
}

/// The error that a turn ends with.
async fn failure(service: &Service, request: ServiceRequest) -> ModelError {
    let mut chunks = told(service, request).await;
    let error = chunks.pop().expect("something").expect_err("an error");
    assert!(chunks.iter().all(Result::is_ok), "{chunks:?}");
    assert!(!error.help.is_empty() || error.kind == ErrorKind::Cancelled, "{error:?}");
    error
}

fn done() -> Chunk {
    Chunk::Done { stop: StopReason::End, usage: TokenUsage::default() }
}

fn text_of(chunks: &[Chunk]) -> String {
    let text = chunks.iter().filter_map(|chunk| match chunk {
        Chunk::Text(text) => Some(text.as_str()),
        _ => None,
    });
    text.collect()
}

fn decided(chunks: &[Chunk], wanted: &str) -> Vec<(String, Option<Value>)> {
    let decided = chunks.iter().filter_map(|chunk| match chunk {
        Chunk::Decided { decision, choice, arguments } if decision == wanted => {
            Some((choice.clone(), arguments.clone()))
        }
        _ => None,
    });
    decided.collect()
}

fn emotions(chunks: &[Chunk]) -> Vec<String> {
    decided(chunks, "emotion").into_iter().map(|(choice, _)| choice).collect()
}

fn actions(chunks: &[Chunk]) -> Vec<(String, Option<Value>)> {
    decided(chunks, "action")
}

fn serve_mojito() -> Vec<(String, Option<Value>)> {
    vec![("serve".to_owned(), Some(json!({"target": "Mojito"})))]
}

/// Nothing of a key in anything that may be shown.
fn assert_secret(key: &str, error: &ModelError) {
    let shown = format!("{error} {error:?} {}", error.help);
    assert!(!shown.contains(key) && !shown.contains(&key[..12]), "{shown}");
}

fn refused(config: ServiceConfig) -> ModelError {
    match open(config, http()) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error,
    }
}

#[test]
fn what_is_retired_or_unknown_says_what_to_do() {
    let error = refused(ServiceConfig { service: "inworld".into(), ..Default::default() });
    assert_eq!(error.message, "Inworld's character service was shut down");
    assert!(error.help.contains("provider `inworld`"));
    let error = refused(ServiceConfig { service: "conwai".into(), ..Default::default() });
    assert_eq!(error.message, "there is no service \"conwai\"");
    let names: Vec<&str> = known().iter().map(|known| known.name).collect();
    assert_eq!(names, ["charisma", "convai", "player2", "inworld"]);
}

#[test]
fn settings_that_do_not_fit_name_the_place_and_the_fix() {
    let config = |service: &str, given: Value| ServiceConfig {
        name: "mine".into(),
        service: service.into(),
        key: Some(meddah_inference::Key::new("some-key-0123456789")),
        options: options(given),
        ..Default::default()
    };
    for (service, given, said) in [
        ("convai", json!({"apy": "stream"}), "unknown field `apy`"),
        ("convai", json!({"api": "websocket"}), "unknown variant `websocket`"),
        ("charisma", json!({}), "missing field `story_id`"),
        ("charisma", json!({"story_id": 4, "memories": {"weather": "rain"}}), "unknown variant `weather`"),
        ("charisma", json!({"story_id": 4, "quiet_ms": 1}), "quiet_ms is out of range"),
        ("player2", json!({"api": "local"}), "needs game_id"),
        ("player2", json!({"voice": "x"}), "unknown field `voice`"),
    ] {
        let error = refused(config(service, given));
        assert!(error.message.contains(said) && error.message.contains("mine"), "{}", error.message);
        assert!(!error.help.is_empty());
        assert_secret("some-key-0123456789", &error);
    }
    let open_air =
        ServiceConfig { base_url: Some("http://convai.example".into()), ..config("convai", json!({})) };
    assert!(refused(open_air).message.contains("in the open"));
    let shown = format!("{:?}", config("convai", json!({})));
    assert!(!shown.contains("some-key"), "{shown}");
    let keyless = ServiceConfig { service: "convai".into(), ..Default::default() };
    assert_eq!(refused(keyless).kind, ErrorKind::Unauthorized);
}
