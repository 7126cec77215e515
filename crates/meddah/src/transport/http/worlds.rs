//! `/v1/worlds`: characters and lore as data, changeable while the game runs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use meddah_protocol::WireError;
use serde_json::{Value, json};

use super::answer::{self, Failed};
use super::body::{FromPath, JsonBody};
use crate::transport::App;
use crate::worlds::Worlds;

type Ids = FromPath<(String, String)>;

pub(super) async fn characters(
    State(app): State<Arc<App>>,
    FromPath(world): FromPath<String>,
) -> Result<Json<Value>, Failed> {
    let world = app.sidecar.worlds.find(&world)?;
    let characters = world.characters.values();
    let characters: Vec<Value> =
        characters.map(|one| json!({"id": one.id, "name": one.name, "role": one.role})).collect();
    Ok(Json(json!({"world": world.id, "characters": characters})))
}

pub(super) async fn get_character(
    State(app): State<Arc<App>>,
    FromPath((world, id)): Ids,
) -> Result<Json<Value>, Failed> {
    Ok(Json(app.sidecar.worlds.get_character(&world, &id)?))
}

pub(super) async fn put_character(
    State(app): State<Arc<App>>,
    FromPath((world, id)): Ids,
    JsonBody(value): JsonBody<Value>,
) -> Result<Json<Value>, Failed> {
    change(&app, move |worlds| worlds.put_character(&world, &id, value)).await
}

pub(super) async fn delete_character(
    State(app): State<Arc<App>>,
    FromPath((world, id)): Ids,
) -> Result<Json<Value>, Failed> {
    change(&app, move |worlds| {
        worlds.delete_character(&world, &id)?;
        Ok(json!({"world": world, "id": id, "deleted": true}))
    })
    .await
}

pub(super) async fn get_lore(
    State(app): State<Arc<App>>,
    FromPath((world, id)): Ids,
) -> Result<Json<Value>, Failed> {
    Ok(Json(app.sidecar.worlds.get_lore(&world, &id)?))
}

pub(super) async fn put_lore(
    State(app): State<Arc<App>>,
    FromPath((world, id)): Ids,
    JsonBody(value): JsonBody<Value>,
) -> Result<Json<Value>, Failed> {
    change(&app, move |worlds| worlds.put_lore(&world, &id, value)).await
}

pub(super) async fn delete_lore(
    State(app): State<Arc<App>>,
    FromPath((world, id)): Ids,
) -> Result<Json<Value>, Failed> {
    change(&app, move |worlds| {
        worlds.delete_lore(&world, &id)?;
        Ok(json!({"world": world, "id": id, "deleted": true}))
    })
    .await
}

/// A change waits for the disk, away from the threads that serve everybody.
async fn change(
    app: &App,
    make: impl FnOnce(&Worlds) -> Result<Value, WireError> + Send + 'static,
) -> Result<Json<Value>, Failed> {
    let worlds = app.sidecar.worlds.clone();
    let made = tokio::task::spawn_blocking(move || make(&worlds)).await;
    Ok(Json(made.map_err(|error| answer::internal(format!("the change was not made: {error}")))??))
}
