//! A turn that may come: the model that would be asked first thinks up its reply beforehand.
//!
//! It is composed as the turn's own will be, from what is remembered, and nothing else happens: nothing is told to the
//! game, written down, felt or paid.

use meddah_inference::TokenUsage;
use meddah_inference::ladder::Question as _;
use meddah_protocol::WireError;
use tracing::debug;

use super::mind::{self, Mind};
use super::question::TurnQuestion;
use super::{Ports, Turn, conversation, offer};
use crate::wire::model_error;

/// Returns when the reply is thought up, or when there is no use in going on.
pub(crate) async fn read_ahead(turn: &Turn, ports: &Ports) {
    match read(turn, ports).await {
        Ok(None) => {}
        Ok(Some(usage)) => {
            debug!(tokens = usage.prompt_tokens, known = usage.cached_tokens, "a prompt was read ahead");
        }
        // The turn itself will say what is wrong.
        Err(error) => debug!(error = error.message, "a prompt was not read ahead"),
    }
}

/// `None` if nobody reads ahead.
async fn read(turn: &Turn, ports: &Ports) -> Result<Option<TokenUsage>, WireError> {
    let ladder = ports.ladders.of(turn);
    let Some(model) = ladder.reader() else { return Ok(None) };
    let (witnessed, asked) = mind::read(turn, ports).await?;
    let mind = Mind::recall(turn, ports, &ladder, &witnessed, asked).await?;
    let offer = offer(turn, &mind);
    let conversation = conversation(&turn.key, &turn.character.id);
    let question = TurnQuestion::new(turn, None, &offer, &mind, conversation);
    let request = question.for_model(&*model).await.map_err(model_error)?;
    model.read_ahead(request).await.map(Some).map_err(model_error)
}
