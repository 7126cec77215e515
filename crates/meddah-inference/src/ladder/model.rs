//! A ladder as one model, for requests whose prompt somebody else has written.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{Ladder, Question, Thinker};
use crate::{
    ChatModel, ChatRequest, ChatStream, ErrorKind, ModelError, ModelInfo, ModelState, Notice, ServiceRequest,
};

/// A ladder behind the port of a model. Each rung gets the same request; services are passed by.
pub struct LadderModel {
    ladder: Arc<Ladder>,
    timeout: Duration,
}

impl LadderModel {
    /// A ladder whose replies must begin within `timeout`.
    pub fn new(ladder: Arc<Ladder>, timeout: Duration) -> LadderModel {
        LadderModel { ladder, timeout }
    }

    /// The first rung that is a model and does not rest; else the first model.
    fn model(&self) -> Result<Arc<dyn ChatModel>, ModelError> {
        let models = || {
            self.ladder.rungs().iter().filter_map(|rung| match rung.thinker() {
                Ok(Thinker::Model(model)) => Some((rung.rests(), model)),
                Ok(Thinker::Service(_)) | Err(_) => None,
            })
        };
        let awake = models().find(|(rests, _)| !rests).or_else(|| models().next());
        awake.map(|(_, model)| model).ok_or_else(|| {
            ModelError::new(ErrorKind::NotFound, "no model is set up for requests with prompts of their own")
                .with_help(
                    "Add a model to the `ladder` setting, or install one with `meddah models pull`; services \
                     take no prompts.",
                )
        })
    }
}

struct AsItIs {
    request: ChatRequest,
}

#[async_trait]
impl Question for AsItIs {
    async fn for_model(&self, _: &dyn ChatModel) -> Result<ChatRequest, ModelError> {
        Ok(self.request.clone())
    }

    fn for_service(&self) -> Option<ServiceRequest> {
        None
    }

    fn conversation(&self) -> &str {
        &self.request.conversation
    }

    fn tell(&self, notice: Notice) {
        debug!(code = notice.code, message = notice.message, "notice of the ladder");
    }
}

#[async_trait]
impl ChatModel for LadderModel {
    async fn info(&self) -> Result<ModelInfo, ModelError> {
        self.model()?.info().await
    }

    fn label(&self) -> (String, String) {
        self.model().map(|model| model.label()).unwrap_or_default()
    }

    fn state(&self) -> ModelState {
        self.model().map_or(ModelState::Failed, |model| model.state())
    }

    async fn count_tokens(&self, texts: &[&str]) -> Result<Vec<u32>, ModelError> {
        self.model()?.count_tokens(texts).await
    }

    async fn stream(
        &self,
        request: ChatRequest,
        cancel: CancellationToken,
    ) -> Result<ChatStream, ModelError> {
        let deadline = Instant::now() + self.timeout;
        let answer = self.ladder.ask(&AsItIs { request }, 0, deadline, &cancel).await?;
        Ok(answer.stream)
    }
}
