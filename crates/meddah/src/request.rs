//! From a composed prompt to what the model port takes.

use meddah_engine::action::Offer;
use meddah_engine::emotion::EmotionLabel;
use meddah_engine::emotion::appraise::Appraisal;
use meddah_engine::prompt::{self, Form, Head, PromptMessage, PromptRole};
use meddah_inference::{ChatRequest, Choice, Decision, Message, Role, Sampling};

use crate::turn::Turn;

/// The request of one turn.
pub fn chat_request(
    turn: &Turn,
    conversation: String,
    messages: Vec<PromptMessage>,
    offer: &Offer,
    words: &Appraisal,
    form: &Form,
) -> ChatRequest {
    let settings = &turn.settings;
    let mut decisions = vec![emotion_decision(turn, words)];
    if !turn.actions.is_empty() {
        decisions.push(action_decision(turn, offer));
    }
    ChatRequest {
        conversation,
        messages: messages.into_iter().map(message).collect(),
        decisions,
        neutral_text: prompt::neutral_text(turn.partner_name()),
        decide_aside: form.head == Head::Aside,
        speech_lead: form.speech_lead().to_owned(),
        max_tokens: turn.reply_tokens_max(),
        stop: vec![
            "\nMood:".into(),
            "\nDoes:".into(),
            "\nSays:".into(),
            format!("\n{}:", turn.partner_name()),
        ],
        sampling: Sampling {
            temperature: settings.temperature.min(form.temperature_max()),
            min_p: settings.min_p,
            dry_multiplier: settings.dry_multiplier,
            seed: seed(turn),
        },
        json_schema: None,
        raw_prompt: None,
    }
}

/// How much warmer words are drawn the second time.
const AGAIN_TEMPERATURE: f32 = 0.25;

/// The same question once more, for words alone: mood and action stand, and the same words would come to nothing.
pub fn asked_again(mut request: ChatRequest) -> ChatRequest {
    request.decisions.clear();
    request.speech_lead = request.speech_lead.trim_start().to_owned();
    request.sampling.temperature += AGAIN_TEMPERATURE;
    request.sampling.seed = request.sampling.seed.wrapping_add(1);
    request
}

/// A message of a prompt as the port takes it.
pub fn message(message: PromptMessage) -> Message {
    let role = match message.role {
        PromptRole::System => Role::System,
        PromptRole::User => Role::User,
        PromptRole::Assistant => Role::Assistant,
    };
    Message::new(role, message.text)
}

/// Below this the model would hardly be asked.
const CHOICE_WEIGHT_MIN: f32 = 0.05;
/// Added to the log-odds of feeling nothing in particular: most of what is said stirs nobody, but the words
/// for it are no likelier than those for strong feelings.
const CALM_BIAS: f32 = 1.5;
/// What the words suggest counts at most so many times.
const WORDS_WEIGHT_MAX: f32 = 10.0;
/// For the mood that the character's file names.
const USUAL_MOOD_BIAS: f32 = 0.3;

/// What the words do counts beside the model's own choice.
fn emotion_decision(turn: &Turn, words: &Appraisal) -> Decision {
    let weight = choice_weight(turn);
    let usual: EmotionLabel = turn.character.mood.parse().unwrap_or_default();
    let words_weight = turn.settings.words_weight.clamp(0.0, WORDS_WEIGHT_MAX);
    let bias = |label: EmotionLabel| {
        let habit = match label {
            EmotionLabel::Neutral => CALM_BIAS,
            label if label == usual => USUAL_MOOD_BIAS,
            _ => 0.0,
        };
        habit + words_weight * words.score(label)
    };
    let choices = EmotionLabel::ALL.into_iter().map(|label| Choice {
        id: label.name().to_owned(),
        text: format!(" {}", label.adjective()),
        description: String::new(),
        bias: rounded(bias(label) / weight),
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
    let weight = choice_weight(turn);
    let nothing = Choice {
        id: prompt::NOTHING.to_owned(),
        text: format!(" {}", prompt::NOTHING),
        description: "Only talk.".to_owned(),
        bias: rounded(offer.nothing_bias / weight),
        arguments: None,
    };
    let offered = offer.ranked.iter().filter_map(|ranked| {
        let action = turn.actions.at(ranked.index)?;
        Some(Choice {
            id: action.name.clone(),
            text: format!(" {}", action.name),
            description: action.description.clone(),
            bias: rounded(ranked.bias / weight),
            arguments: offer.arguments_schema(action),
        })
    });
    Decision {
        name: prompt::ACTION_DECISION.to_owned(),
        lead: prompt::ACTION_LEAD.to_owned(),
        choices: std::iter::once(nothing).chain(offered).collect(),
    }
}

/// The port adds biases to the model's own log-probabilities; weighing those less is the same as weighing the
/// biases more.
fn choice_weight(turn: &Turn) -> f32 {
    turn.settings.choice_weight.clamp(CHOICE_WEIGHT_MIN, 1.0)
}

/// The seed of the settings, or one of this turn: whoever thought the turn up ahead had the same.
fn seed(turn: &Turn) -> u64 {
    u64::try_from(turn.settings.seed).unwrap_or_else(|_| turn.dice())
}

/// In hundredths: feelings fade with every moment, and what was thought up a moment ago is still what is asked.
fn rounded(bias: f32) -> f32 {
    (bias * 100.0).round() / 100.0
}
