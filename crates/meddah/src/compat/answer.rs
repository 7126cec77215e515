//! Who answers: a character if the model's name is one, else the model.

use meddah_protocol::WireError;

use super::asked::Asked;
use super::reply::Pieces;
use super::{character, passthrough};
use crate::transport::App;

/// A reply and whose it is.
pub(crate) struct Reply {
    /// The name of the model, or of the character.
    pub model: String,
    /// What is said.
    pub pieces: Pieces,
}

/// Begins the reply. A model's name that nobody knows is no mistake: mods have names of their own built in.
pub(crate) async fn answer(app: &App, asked: Asked) -> Result<Reply, WireError> {
    asked.check()?;
    if let Some((world, id)) = character::named(&asked.model) {
        let pieces = character::reply(app, world, id, &asked).await?;
        return Ok(Reply { model: asked.model, pieces });
    }
    let model = app.sidecar.model();
    let name = model.label().0;
    let thinking =
        passthrough::Thinking { model, turn: app.sidecar.settings.turn.clone(), stop: app.stop.clone() };
    Ok(Reply { model: name, pieces: passthrough::reply(&thinking, asked).await? })
}
