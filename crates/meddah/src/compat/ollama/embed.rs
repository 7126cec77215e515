//! `/api/embed`, and `/api/embeddings`, which older clients use.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;

use super::Refused;
use super::write::nanoseconds;
use crate::compat::embeddings::{Embedded, embed, texts_of};
use crate::compat::sent::{Fields as _, Sent, invalid};
use crate::transport::App;

/// The answer of `/api/embed`.
#[derive(Serialize)]
pub(super) struct Embeddings {
    model: String,
    embeddings: Vec<Vec<f32>>,
    total_duration: u64,
    load_duration: u64,
    prompt_eval_count: usize,
}

/// The answer of `/api/embeddings`.
#[derive(Serialize)]
pub(super) struct Single {
    embedding: Vec<f32>,
}

/// `/api/embed`: a text or a list of them. A text that is too long is embedded by its beginning, unless
/// `truncate` says no.
pub(super) async fn many(State(app): State<Arc<App>>, sent: Sent) -> Result<Json<Embeddings>, Refused> {
    let (body, began) = (sent.0?, Instant::now());
    let texts = texts_of(&body, "input")?;
    if body.flag("truncate") == Some(false) {
        check_lengths(&app, &texts).await?;
    }
    let Embedded { model, vectors, tokens } = embed(&app, &texts).await?;
    check_dimensions(&body, vectors.first())?;
    Ok(Json(Embeddings {
        // Mods look for the name that they asked for.
        model: body.text("model").map_or(model, str::to_owned),
        embeddings: vectors,
        total_duration: nanoseconds(began.elapsed()),
        load_duration: 0,
        prompt_eval_count: tokens,
    }))
}

/// `/api/embeddings`: one text. Without one it is a request to load the model.
pub(super) async fn single(State(app): State<Arc<App>>, sent: Sent) -> Result<Json<Single>, Refused> {
    let body = sent.0?;
    let texts: Vec<String> = body.text("prompt").map(str::to_owned).into_iter().collect();
    let vectors = embed(&app, &texts).await?.vectors;
    Ok(Json(Single { embedding: vectors.into_iter().next().unwrap_or_default() }))
}

async fn check_lengths(app: &App, texts: &[String]) -> Result<(), Refused> {
    // Without an embedder the answer is the error that says so.
    let Ok(embedder) = app.sidecar.ports.embedder.get().await else { return Ok(()) };
    match texts.iter().position(|text| embedder.count_tokens(text) >= meddah_embedding::WINDOW_TOKENS_MAX) {
        None => Ok(()),
        Some(place) => Err(Refused(invalid(
            format!("text {place} of `input` is longer than the model's window"),
            "Send it in parts, or let `truncate` be true.",
        ))),
    }
}

/// The model was not trained to be cut short.
fn check_dimensions(body: &Value, vector: Option<&Vec<f32>>) -> Result<(), Refused> {
    let Some((wanted, vector)) = body.whole("dimensions").filter(|wanted| *wanted > 0).zip(vector) else {
        return Ok(());
    };
    if usize::try_from(wanted) == Ok(vector.len()) {
        return Ok(());
    }
    let message = format!("this model has {} dimensions and cannot give {wanted}", vector.len());
    Err(Refused(invalid(message, "Leave `dimensions` away.")))
}
