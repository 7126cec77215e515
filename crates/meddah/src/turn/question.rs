//! What a turn asks of whoever thinks: a prompt for a model, composed for that model; the words alone for a
//! service that has a character of its own.

use std::time::Duration;

use async_trait::async_trait;
use meddah_engine::action::Offer;
use meddah_engine::condition::is_for_conditions;
use meddah_engine::emotion::EmotionLabel;
use meddah_engine::prompt::{Draft, one_line};
use meddah_inference::ladder::Question;
use meddah_inference::service::{Heard, ServiceAction, ServiceRequest, ServiceScene};
use meddah_inference::{ChatModel, ChatRequest, ErrorKind, ModelError, ModelInfo, ModelState, Notice};
use meddah_protocol::{EventKind, Scene};

use super::mind::Mind;
use super::{Cause, Turn, TurnEvents};
use crate::request::chat_request;

/// Tokens kept free for mood, action and arguments.
const HEAD_TOKENS_MAX: u32 = 96;
/// What a service is told of what its character remembers: the newest turns, no more.
const SERVICE_MEMORIES_MAX: usize = 12;

/// One turn's question.
pub(super) struct TurnQuestion<'t> {
    pub turn: &'t Turn,
    pub events: &'t TurnEvents,
    pub draft: &'t Draft,
    pub offer: &'t Offer,
    pub mind: &'t Mind,
    pub conversation: String,
}

#[async_trait]
impl Question for TurnQuestion<'_> {
    async fn for_model(&self, model: &dyn ChatModel) -> Result<ChatRequest, ModelError> {
        let info = load(model, self.events).await?;
        let counts = model.count_tokens(&self.draft.texts()).await?;
        let reserved = self.turn.settings.reply_tokens_max + HEAD_TOKENS_MAX;
        let room = info.context_tokens.saturating_sub(reserved);
        let messages =
            self.draft.clone().fit(&counts, info.message_overhead_tokens, room).map_err(|error| {
                ModelError::new(ErrorKind::ContextFull, error.to_string()).with_help(
                "Say it in fewer words, shorten the character file, or choose a model with a larger context.",
            )
            })?;
        let words = &self.mind.feelings.words;
        Ok(chat_request(self.turn, self.conversation.clone(), messages, self.offer, words))
    }

    fn for_service(&self) -> Option<ServiceRequest> {
        let Turn { character, player, scene, .. } = self.turn;
        let actions = self.offer.ranked.iter().filter_map(|ranked| self.turn.actions.at(ranked.index));
        let name_of = |id: &String| self.turn.world.characters.get(id).map_or(id.clone(), |c| c.name.clone());
        let told = self.mind.past.turns.iter().map(|turn| turn.told.clone());
        let skipped = self.mind.past.turns.len().saturating_sub(SERVICE_MEMORIES_MAX);
        Some(ServiceRequest {
            conversation: self.conversation.clone(),
            character: character.id.clone(),
            character_name: character.name.clone(),
            description: character.description.clone(),
            player: player.id.clone(),
            player_name: self.turn.partner_name().to_owned(),
            language: self.turn.language.clone().unwrap_or_else(|| self.turn.world.language.clone()),
            heard: match &self.turn.cause {
                Cause::Said { text, .. } => Heard::Said(one_line(text)),
                Cause::Happened { text, .. } => Heard::Happened(one_line(text)),
            },
            scene: ServiceScene {
                place: scene.place.clone().unwrap_or_default(),
                time: scene.time.clone().unwrap_or_default(),
                present: scene.present.iter().map(name_of).collect(),
                facts: told_facts(scene),
            },
            actions: actions
                .map(|action| ServiceAction {
                    name: action.name.clone(),
                    description: action.description.clone(),
                    arguments: self.offer.arguments_schema(action),
                    targets: action.targets.clone().unwrap_or_default(),
                })
                .collect(),
            emotions: EmotionLabel::ALL.into_iter().map(|label| label.name().to_owned()).collect(),
            memories: told.skip(skipped).collect(),
            knowledge: self.mind.on_mind.sentences().cloned().collect(),
        })
    }

    fn conversation(&self) -> &str {
        &self.conversation
    }

    fn tell(&self, Notice { code, message, help }: Notice) {
        self.events.push(EventKind::Notice { code, message, help, percent: None });
    }
}

/// What a service may be told of the scene: facts for conditions are for nobody's ears.
fn told_facts(scene: &Scene) -> Vec<String> {
    scene.facts.iter().filter(|fact| !is_for_conditions(fact)).map(|fact| one_line(fact)).collect()
}

/// Waits for the model, telling the game how far it is.
async fn load(model: &dyn ChatModel, events: &TurnEvents) -> Result<ModelInfo, ModelError> {
    const NOTICE_EVERY: Duration = Duration::from_millis(500);
    let info = model.info();
    tokio::pin!(info);
    let mut told = None;
    loop {
        tokio::select! {
            biased;
            info = &mut info => return info,
            () = tokio::time::sleep(NOTICE_EVERY) => {}
        }
        if let ModelState::Loading(percent) = model.state()
            && told != Some(percent)
        {
            told = Some(percent);
            events.push(EventKind::Notice {
                code: "model_loading".into(),
                message: format!("the model is loading ({percent} %)"),
                help: "The first answer takes a little longer.".into(),
                percent: Some(percent),
            });
        }
    }
}
