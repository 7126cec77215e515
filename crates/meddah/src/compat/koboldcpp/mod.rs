//! The face of KoboldCpp on port 5001: raw prompts, and the routes of OpenAI that it has too.
//!
//! A raw prompt in a known template is taken apart into messages, any other is one message of the user; see
//! [`instruct`].

mod running;

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use meddah_inference::{Message, Role};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};

use super::answer::answer;
use super::asked::Asked;
use super::openai::error as openai_error;
use super::reply::{Piece, Pieces, Why, collect};
use super::sent::{Fields as _, Sent, invalid, texts, unsupported};
use super::streaming::{self, Writer};
use super::{character, instruct, openai};
use crate::transport::App;
use crate::wire::model_error;
use running::Running;

/// The version of KoboldCpp's interface that is followed; clients look at it before they stream.
const VERSION: &str = "1.76";
/// The version of the older interface below `/api/v1`.
const UNITED_VERSION: &str = "1.2.5";

/// What the face knows beside the sidecar.
struct Kobold {
    app: Arc<App>,
    running: Running,
    since: Instant,
}

/// All routes.
pub(super) fn face(app: &Arc<App>) -> Router {
    let state = Arc::new(Kobold { app: app.clone(), running: Running::default(), since: Instant::now() });
    let own = Router::new()
        .route("/", get(root))
        .route("/api/v1/generate", post(generate))
        .route("/api/latest/generate", post(generate))
        .route("/api/extra/generate/stream", post(stream))
        .route("/api/extra/generate/check", get(check).post(check))
        .route("/api/extra/abort", post(abort))
        .route("/api/v1/model", get(model))
        .route("/api/latest/model", get(model))
        .route("/api/v1/info/version", get(united_version))
        .route("/api/extra/version", get(version))
        .route("/api/extra/true_max_context_length", get(context))
        .route("/api/v1/config/max_context_length", get(context))
        .route("/api/v1/config/max_length", get(length))
        .route("/api/extra/perf", get(perf))
        .route("/api/extra/tokencount", post(count))
        .fallback(no_route)
        .method_not_allowed_fallback(wrong_method)
        .with_state(state);
    own.merge(openai::routes().with_state(app.clone()))
}

/// A request that was not carried out: `{"detail": {msg, type}}`.
pub(super) struct Refused(pub WireError);

impl From<WireError> for Refused {
    fn from(error: WireError) -> Refused {
        Refused(error)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (openai_error::status(&self.0), Json(detail(&self.0))).into_response()
    }
}

fn detail(error: &WireError) -> Value {
    let kind = if error.code == ErrorCode::Busy { "service_unavailable" } else { "bad_input" };
    json!({"detail": {"msg": openai_error::sentence(error), "type": kind}})
}

async fn root() -> &'static str {
    "KoboldCpp-compatible interface of Meddah"
}

pub(super) fn prompt_of(body: &Value) -> Result<Asked, WireError> {
    if !body.list("images").is_empty() {
        let help = "Turn off pictures in the mod's settings, or send what they show as text.";
        return Err(invalid("the request has pictures, and this model reads text", help));
    }
    let prompt = body.get("prompt").and_then(Value::as_str);
    let prompt =
        prompt.ok_or_else(|| invalid("`prompt` is missing or no text", "Send the prompt as text."))?;
    if body.text("grammar").is_some() {
        let help = "Leave `grammar` out, or send what the answer has to look like as `json_schema`.";
        return Err(invalid("`grammar` is written in GBNF, which is not followed here", help));
    }
    let Asked { mut messages, begun, mut raw_prompt, .. } = instruct::asked(prompt);
    if let Some(memory) = body.text("memory") {
        messages.insert(0, Message::new(Role::System, memory.trim()));
        raw_prompt = raw_prompt.map(|raw| format!("{memory}{raw}")); // as KoboldCpp joins them
    }
    Ok(Asked {
        model: body.text("model").unwrap_or_default().to_owned(),
        messages,
        begun,
        raw_prompt,
        json_schema: body.get("json_schema").filter(|schema| schema.is_object()).cloned(),
        max_tokens: body.whole("max_length").and_then(|tokens| u32::try_from(tokens).ok()),
        stop: texts(body, "stop_sequence"),
        temperature: body.float("temperature").map(|temperature| temperature as f32),
        min_p: body.float("min_p").filter(|&min_p| min_p > 0.0).map(|min_p| min_p as f32),
        seed: body.whole("sampler_seed").filter(|&seed| seed >= 0).map(i64::cast_unsigned),
        ..Asked::default()
    })
}

async fn begin(face: &Kobold, headers: &HeaderMap, sent: Sent) -> Result<Pieces, WireError> {
    let body = sent.0?;
    let asked = prompt_of(&body)?;
    let player = character::asker(&face.app, None, headers);
    let pieces = answer(&face.app, Asked { player, ..asked }).await?.pieces;
    Ok(face.running.watch(body.text("genkey").unwrap_or_default(), pieces))
}

async fn generate(
    State(face): State<Arc<Kobold>>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Json<Value>, Refused> {
    let whole = collect(begin(&face, &headers, sent).await?).await?;
    let usage = whole.usage;
    Ok(Json(json!({"results": [{"text": whole.text, "finish_reason": finish(whole.why),
        "prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}]})))
}

async fn stream(
    State(face): State<Arc<Kobold>>,
    headers: HeaderMap,
    sent: Sent,
) -> Result<Response, Refused> {
    let pieces = begin(&face, &headers, sent).await?;
    Ok(streaming::respond(pieces, Tokens, "text/event-stream").await?)
}

/// Writes pieces as `event: message`.
struct Tokens;

impl Tokens {
    fn write(text: &str, finish: Option<&str>, out: &mut Vec<u8>) {
        let data = json!({"token": text, "finish_reason": finish});
        out.extend_from_slice(format!("event: message\ndata: {data}\n\n").as_bytes());
    }
}

impl Writer for Tokens {
    fn piece(&mut self, piece: Piece, out: &mut Vec<u8>) {
        match piece {
            Piece::Text(text) => Tokens::write(&text, None, out),
            Piece::End { why, .. } => Tokens::write("", Some(finish(why)), out),
            Piece::Feeling(_) | Piece::Call(_) | Piece::Trouble(_) => {}
        }
    }

    fn failed(&mut self, _: &WireError, out: &mut Vec<u8>) {
        Tokens::write("", Some("error"), out);
    }

    fn heartbeat(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b": still here\n\n");
    }
}

fn finish(why: Why) -> &'static str {
    if why == Why::Length { "length" } else { "stop" }
}

async fn check(State(face): State<Arc<Kobold>>, sent: Sent) -> Json<Value> {
    let text = face.running.text(&genkey(sent));
    Json(json!({"results": [{"text": text}]}))
}

async fn abort(State(face): State<Arc<Kobold>>, sent: Sent) -> Json<Value> {
    let found = face.running.abort(&genkey(sent));
    let word = if found { "true" } else { "false" };
    Json(json!({"success": word, "done": word}))
}

fn genkey(sent: Sent) -> String {
    sent.0.ok().and_then(|body| body.text("genkey").map(str::to_owned)).unwrap_or_default()
}

async fn model(State(face): State<Arc<Kobold>>) -> Json<Value> {
    let name = face.app.sidecar.model().label().0;
    let name = if name.is_empty() { "none" } else { name.as_str() };
    Json(json!({"result": format!("koboldcpp/{name}")}))
}

async fn united_version() -> Json<Value> {
    Json(json!({"result": UNITED_VERSION}))
}

async fn version() -> Json<Value> {
    Json(
        json!({"result": "KoboldCpp", "version": VERSION, "protected": false, "txt2img": false, "vision": false,
        "transcribe": false, "multiplayer": false, "websearch": false, "tts": false}),
    )
}

async fn context(State(face): State<Arc<Kobold>>) -> Result<Json<Value>, Refused> {
    let info = face.app.sidecar.model().info().await.map_err(model_error)?;
    Ok(Json(json!({"value": info.context_tokens})))
}

async fn length(State(face): State<Arc<Kobold>>) -> Json<Value> {
    Json(json!({"value": face.app.sidecar.settings.turn.reply_tokens_max}))
}

async fn perf(State(face): State<Arc<Kobold>>) -> Json<Value> {
    let (made, running) = (face.running.made(), face.running.count());
    Json(json!({"total_gens": made, "queue": running, "idle": i32::from(running == 0),
        "uptime": face.since.elapsed().as_secs_f64()}))
}

async fn count(State(face): State<Arc<Kobold>>, sent: Sent) -> Result<Json<Value>, Refused> {
    let body = sent.0?;
    let prompt = body.text("prompt").unwrap_or_default().to_owned();
    let counts = face.app.sidecar.model().count_tokens(&[&prompt]).await.map_err(model_error)?;
    Ok(Json(json!({"value": counts.first().copied().unwrap_or(0), "ids": []})))
}

async fn no_route(uri: Uri) -> Refused {
    let path: String = uri.path().chars().take(80).collect();
    let error = WireError::new(ErrorCode::NotFound, format!("there is no route {path}"));
    Refused(error.with_help("Of KoboldCpp, Meddah serves what makes text."))
}

async fn wrong_method(method: Method, uri: Uri) -> Response {
    let path: String = uri.path().chars().take(80).collect();
    let error = unsupported(format!("{path} does not take {method}"), "Send prompts with POST.");
    (StatusCode::METHOD_NOT_ALLOWED, Json(detail(&error))).into_response()
}
