//! From a request to tokens, before it gets a place: a prompt that does not fit is refused at once.

use meddah_inference::{ChatRequest, Message, Role};

use super::decision::Options;
use super::pace::STEP_TOKENS_MAX;
use super::reply::ARGUMENT_TOKENS_MAX;
use crate::ffi::{Model, Token};
use crate::template::Template;
use crate::wire::{WireError, WireErrorKind};

/// More than any caller asks; a request with more is refused.
const DECISIONS_MAX: usize = 16;
const CHOICES_MAX: usize = 512;
const STOPS_MAX: usize = 64;

/// A request, ready to take a place.
pub struct Prepared {
    pub id: u64,
    pub request: ChatRequest,
    pub prompt: Vec<Token>,
    /// The prompt that says nothing, if the lean is asked.
    pub neutral: Option<Vec<Token>>,
    pub options: Vec<Options>,
    /// Most cells of attention memory that it can take.
    pub cells: usize,
    /// Nobody waits for it.
    pub ahead: bool,
}

/// Tokenizes everything that can be known beforehand.
pub fn prepare(
    model: &Model,
    template: &Template,
    context_tokens: usize,
    id: u64,
    request: ChatRequest,
) -> Result<Prepared, WireError> {
    check_counts(&request)?;
    let broken = |error: crate::template::TemplateError| {
        WireError::new(WireErrorKind::BadModel, error.to_string())
            .with_help("choose another file of this model; its chat template does not work")
    };
    let prompt = match &request.raw_prompt {
        Some(raw) => template.raw_tokens(model, raw),
        None => template.tokens(model, &request.messages).map_err(broken)?,
    };
    let options = options(model, &request);
    let lead = model.tokenize(request.speech_lead.as_bytes(), false).len();
    let decided: usize = options.iter().map(Options::tokens_max).sum();
    let fixed = prompt.len() + decided + lead + 1;
    if prompt.is_empty() || fixed >= context_tokens {
        let message =
            format!("the prompt has {} tokens and the model's context {context_tokens}", fixed.max(1));
        let help = "shorten the character's description or raise context_tokens";
        return Err(WireError::new(WireErrorKind::ContextFull, message).with_help(help));
    }
    let with_arguments = request.decisions.iter().filter(|d| d.choices.iter().any(|c| c.arguments.is_some()));
    let arguments = with_arguments.count() * ARGUMENT_TOKENS_MAX;
    let neutral = neutral_messages(&request).map(|messages| template.tokens(model, &messages)).transpose();
    let neutral = neutral.map_err(broken)?.filter(|neutral| neutral.len() + decided < context_tokens);
    let own = (fixed + arguments + request.max_tokens as usize).min(context_tokens);
    let side = neutral.as_ref().map_or(0, |neutral| neutral.len() + decided);
    // A step may hold a piece that is rolled back later.
    let cells = own + side.min(STEP_TOKENS_MAX);
    Ok(Prepared { id, request, prompt, neutral, options, cells, ahead: false })
}

fn check_counts(request: &ChatRequest) -> Result<(), WireError> {
    let refused = |what: &str| Err(WireError::new(WireErrorKind::Refused, what));
    if request.decisions.len() > DECISIONS_MAX {
        return refused("a request has too many decisions");
    }
    if request.decisions.iter().any(|decision| !(1..=CHOICES_MAX).contains(&decision.choices.len())) {
        return refused("a decision needs 1 to 512 choices");
    }
    if request.stop.len() > STOPS_MAX {
        return refused("a request has too many stop strings");
    }
    Ok(())
}

fn options(model: &Model, request: &ChatRequest) -> Vec<Options> {
    let leads = request.decisions.iter().skip(1).map(|decision| decision.lead.as_str());
    let following = leads.chain(std::iter::once(request.speech_lead.as_str()));
    let pairs = request.decisions.iter().zip(following);
    pairs.map(|(decision, following)| Options::new(model, decision, following)).collect()
}

fn neutral_messages(request: &ChatRequest) -> Option<Vec<Message>> {
    if request.neutral_text.is_empty() || request.decisions.is_empty() {
        return None;
    }
    let mut messages: Vec<Message> =
        request.messages.iter().take_while(|message| message.role == Role::System).cloned().collect();
    messages.push(Message::new(Role::User, request.neutral_text.clone()));
    Some(messages)
}
