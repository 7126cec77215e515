//! The models that can be named: the one that thinks, and every character.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::{Value, json};

use super::error::Refused;
use super::stream::now_s;
use crate::compat::character;
use crate::transport::App;

/// `GET /v1/models`.
pub(super) async fn list(State(app): State<Arc<App>>) -> Json<Value> {
    let models: Vec<Value> = names(&app).iter().map(|name| model(name)).collect();
    Json(json!({"object": "list", "data": models}))
}

/// `GET /v1/models/{id}`; the id may have slashes in it.
pub(super) async fn get(State(app): State<Arc<App>>, Path(id): Path<String>) -> Result<Json<Value>, Refused> {
    let names = names(&app);
    let fits = |name: &&String| {
        **name == id
            || character::named(&id).is_some_and(|(world, character)| {
                world.is_empty() && name.rsplit_once('/').is_some_and(|(_, last)| last == character)
            })
    };
    let name = names.iter().find(fits).ok_or_else(|| {
        let shown: String = id.chars().take(80).collect();
        WireError::new(ErrorCode::UnknownModel, format!("there is no model {shown:?}"))
            .with_help("`GET /v1/models` lists all; for chats any other name means the first of them.")
    })?;
    Ok(Json(model(name)))
}

pub(in crate::compat) fn names(app: &App) -> Vec<String> {
    // Without a model there is a label all the same, and it is empty.
    let mut names: Vec<String> =
        Some(app.sidecar.model().label().0).filter(|name| !name.is_empty()).into_iter().collect();
    names.extend(character::names(app));
    names
}

fn model(name: &str) -> Value {
    json!({"id": name, "object": "model", "created": now_s(), "owned_by": "meddah"})
}
