//! From a composed prompt to what the model port takes.

use meddah_engine::action::Offer;
use meddah_engine::emotion::EmotionLabel;
use meddah_engine::prompt::{self, PromptMessage, PromptRole};
use meddah_inference::{ChatRequest, Choice, Decision, Message, Role, Sampling};

use crate::turn::Turn;

/// The request of one turn.
pub fn chat_request(turn: &Turn, messages: Vec<PromptMessage>, offer: &Offer) -> ChatRequest {
    let settings = &turn.settings;
    let mut decisions = vec![emotion_decision()];
    if !turn.actions.is_empty() {
        decisions.push(action_decision(turn, offer));
    }
    ChatRequest {
        conversation: format!("{}/{}/{}", turn.key.world, turn.key.player, turn.character.id),
        messages: messages.into_iter().map(message).collect(),
        decisions,
        neutral_text: prompt::neutral_text(&turn.player.name),
        speech_lead: prompt::SPEECH_LEAD.to_owned(),
        max_tokens: settings.reply_tokens_max,
        stop: vec!["\nMood:".into(), "\nDoes:".into(), "\nSays:".into(), format!("\n{}:", turn.player.name)],
        sampling: Sampling {
            temperature: settings.temperature,
            min_p: settings.min_p,
            dry_multiplier: settings.dry_multiplier,
            seed: seed(turn),
        },
        json_schema: None,
    }
}

fn message(message: PromptMessage) -> Message {
    let role = match message.role {
        PromptRole::System => Role::System,
        PromptRole::User => Role::User,
        PromptRole::Assistant => Role::Assistant,
    };
    Message::new(role, message.text)
}

fn emotion_decision() -> Decision {
    let choices = EmotionLabel::ALL.into_iter().map(|label| Choice {
        id: label.name().to_owned(),
        text: format!(" {}", label.adjective()),
        description: String::new(),
        bias: 0.0,
        arguments: None,
    });
    Decision {
        name: prompt::EMOTION_DECISION.to_owned(),
        lead: prompt::EMOTION_LEAD.to_owned(),
        choices: choices.collect(),
    }
}

/// "Do nothing" is always the first choice.
fn action_decision(turn: &Turn, offer: &Offer) -> Decision {
    let nothing = Choice {
        id: prompt::NOTHING.to_owned(),
        text: format!(" {}", prompt::NOTHING),
        description: "Only talk.".to_owned(),
        bias: offer.nothing_bias,
        arguments: None,
    };
    let offered = offer.ranked.iter().filter_map(|ranked| {
        let action = turn.actions.at(ranked.index)?;
        Some(Choice {
            id: action.name.clone(),
            text: format!(" {}", action.name),
            description: action.description.clone(),
            bias: ranked.bias,
            arguments: offer.arguments_schema(action),
        })
    });
    Decision {
        name: prompt::ACTION_DECISION.to_owned(),
        lead: prompt::ACTION_LEAD.to_owned(),
        choices: std::iter::once(nothing).chain(offered).collect(),
    }
}

/// The seed of the settings, or one drawn for this turn.
fn seed(turn: &Turn) -> u64 {
    u64::try_from(turn.settings.seed).unwrap_or_else(|_| getrandom::u64().unwrap_or_default())
}
