//! What a turn asks of whoever thinks: a prompt for a model, composed for that model; the words alone for a
//! service that has a character of its own.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use meddah_engine::action::Offer;
use meddah_engine::condition::is_for_conditions;
use meddah_engine::emotion::EmotionLabel;
use meddah_engine::prompt::{
    self, Draft, Form, ModelFacts, Prompt, PromptInput, PromptPart, PromptSize, one_line,
};
use meddah_engine::reply::unsaid;
use meddah_inference::ladder::Question;
use meddah_inference::service::{Heard, ServiceAction, ServiceRequest, ServiceScene};
use meddah_inference::{ChatModel, ChatRequest, ErrorKind, ModelError, ModelInfo, ModelState, Notice};
use meddah_protocol::{EventKind, Scene};

use super::explain::Explanation;
use super::mind::Mind;
use super::{Cause, Turn, TurnEvents};
use crate::config::PromptChoice;
use crate::request::{asked_again, chat_request};
use crate::wire::told;

/// Tokens kept free for mood, action and arguments.
const HEAD_TOKENS_MAX: u32 = 96;
/// What a service is told of what its character remembers: the newest turns, no more.
const SERVICE_MEMORIES_MAX: usize = 12;

/// How the one who was asked last was asked.
#[derive(Default)]
struct Asked {
    told: String,
    form: Form,
    /// What the prompt consisted of.
    parts: Vec<PromptPart>,
}

/// One turn's question.
pub(super) struct TurnQuestion<'t> {
    pub turn: &'t Turn,
    /// Where what happens on the way is told; nobody wants to know of a turn that may never come.
    pub events: Option<&'t TurnEvents>,
    pub offer: &'t Offer,
    pub mind: &'t Mind<'t>,
    pub conversation: String,
    /// The first answer could not be used: words alone, drawn differently.
    pub again: bool,
    asked: Mutex<Asked>,
}

impl<'t> TurnQuestion<'t> {
    pub fn new(
        turn: &'t Turn,
        events: Option<&'t TurnEvents>,
        offer: &'t Offer,
        mind: &'t Mind<'t>,
        conversation: String,
    ) -> TurnQuestion<'t> {
        let question =
            TurnQuestion { turn, events, offer, mind, conversation, again: false, asked: Mutex::default() };
        let told = prompt::told(&question.input(Form::default()));
        question.keep(Asked { told, ..Asked::default() });
        question
    }

    /// What the character was told, as the one who was asked last read it.
    pub fn told(&self) -> String {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).told.clone()
    }

    /// The form in which it was told.
    pub fn form_asked(&self) -> Form {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).form
    }

    /// Sentences of what the one who was asked last read, for [`GuardRules`](meddah_engine::reply::GuardRules).
    pub fn unsaid(&self) -> Vec<String> {
        // Not before the question is sent: the answer takes longer than this.
        unsaid(&self.asked.lock().unwrap_or_else(PoisonError::into_inner).parts)
    }

    fn keep(&self, asked: Asked) {
        *self.asked.lock().unwrap_or_else(PoisonError::into_inner) = asked;
    }

    fn input(&self, form: Form) -> PromptInput<'_> {
        let turn = self.turn;
        PromptInput {
            form,
            world: &turn.world,
            character: &self.mind.character,
            player_name: turn.partner_name(),
            language: turn.language.as_deref(),
            actions: &turn.actions,
            past: &self.mind.past,
            on_mind: &self.mind.on_mind,
            occasion: turn.cause.occasion(),
        }
    }

    fn explain(&self, info: &ModelInfo, form: &Form, room_tokens: u32, prompt: &Prompt) {
        let Some(explainer) = &self.turn.settings.explain else { return };
        let on_mind = &self.mind.on_mind;
        explainer.tell(Explanation {
            turn: self.turn.id.clone(),
            character: self.turn.character.name.clone(),
            model: info.name.clone(),
            size: form.size.name(),
            room_tokens,
            left_out: Explanation::left_out(on_mind, &prompt.parts),
            parts: prompt.parts.clone(),
            reasons: on_mind.reasons.clone(),
            again: self.again,
        });
    }
}

/// The form that suits a model, unless the settings choose one.
pub(crate) fn form_for(choice: PromptChoice, info: &ModelInfo) -> Form {
    let facts = ModelFacts {
        name: &info.name,
        parameters: info.parameters,
        context_tokens: info.context_tokens,
        scores_choices: info.kind == LOCAL,
    };
    match choice {
        PromptChoice::Auto => Form::of(&facts),
        PromptChoice::Tiny => Form::sized(PromptSize::Tiny, &facts),
        PromptChoice::Small => Form::sized(PromptSize::Small, &facts),
        PromptChoice::Medium => Form::sized(PromptSize::Medium, &facts),
        PromptChoice::Large => Form::sized(PromptSize::Large, &facts),
    }
}

/// The kind of models that run in a worker of this program.
const LOCAL: &str = "local";

#[async_trait]
impl Question for TurnQuestion<'_> {
    async fn for_model(&self, model: &dyn ChatModel) -> Result<ChatRequest, ModelError> {
        let info = load(model, self.events).await?;
        let form = form_for(self.turn.settings.prompt, &info);
        let draft = Draft::new(&self.input(form));
        let counts = model.count_tokens(&draft.texts()).await?;
        let reserved = self.turn.reply_tokens_max() + HEAD_TOKENS_MAX;
        let room = info.context_tokens.saturating_sub(reserved);
        let prompt = draft.fit(&counts, info.message_overhead_tokens, room).map_err(|error| {
            ModelError::new(ErrorKind::ContextFull, error.to_string()).with_help(
                "Say it in fewer words, shorten the character file, or choose a model with a larger context.",
            )
        })?;
        self.explain(&info, &form, room, &prompt);
        self.keep(Asked { told: prompt.told, form, parts: prompt.parts });
        let words = &self.mind.feelings.words;
        let conversation = self.conversation.clone();
        let request = chat_request(self.turn, conversation, prompt.messages, self.offer, words, &form);
        Ok(if self.again { asked_again(request) } else { request })
    }

    fn for_service(&self) -> Option<ServiceRequest> {
        let Turn { character, player, scene, .. } = self.turn;
        let actions = self.offer.ranked.iter().filter_map(|ranked| self.turn.actions.at(ranked.index));
        let name_of = |id: &String| self.turn.world.name_of(id).to_owned();
        let told = self.mind.past.turns.iter().map(|turn| turn.told.clone().into_owned());
        let skipped = self.mind.past.turns.len().saturating_sub(SERVICE_MEMORIES_MAX);
        Some(ServiceRequest {
            conversation: self.conversation.clone(),
            character: character.id.clone(),
            character_name: character.name.clone(),
            description: character.description.clone(),
            player: player.id.clone(),
            player_name: self.turn.partner_name().to_owned(),
            language: self.turn.spoken_language().to_owned(),
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

    fn tell(&self, notice: Notice) {
        if let Some(events) = self.events {
            events.push(told(notice));
        }
    }
}

/// What a service may be told of the scene: facts for conditions are for nobody's ears.
fn told_facts(scene: &Scene) -> Vec<String> {
    scene.facts.iter().filter(|fact| !is_for_conditions(fact)).map(|fact| one_line(fact)).collect()
}

/// Waits for the model, telling the game how far it is.
async fn load(model: &dyn ChatModel, events: Option<&TurnEvents>) -> Result<ModelInfo, ModelError> {
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
        if let (ModelState::Loading(percent), Some(events)) = (model.state(), events)
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
