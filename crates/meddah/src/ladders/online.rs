//! Models of providers elsewhere: where they are, with which key, and what they may cost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use meddah_inference::budget::{Estimate, Metered, Price, Rates, parse_micro};
use meddah_inference::providers::{self, ActionStyle, ProviderConfig, ProviderInfo};
use meddah_inference::{ChatModel, ChatRequest, ErrorKind, ModelError};

use super::open::Opener;
use super::order::{Purpose, RungName};
use super::settings::{HOST, PriceSettings, RungSettings};
use crate::suggestion::nearest;

/// What is known of the provider that a rung names.
pub(super) fn provider(settings: &RungSettings) -> Result<&'static ProviderInfo, ModelError> {
    providers::provider(&settings.provider).ok_or_else(|| unknown(&settings.provider))
}

fn unknown(name: &str) -> ModelError {
    let known: Vec<&str> = providers::known().iter().map(|info| info.name).collect();
    let message = match nearest(name, known.iter().copied()) {
        Some(best) => format!("there is no provider {name:?}; did you mean {best:?}?"),
        None => format!("there is no provider {name:?}"),
    };
    ModelError::new(ErrorKind::BadRequest, message).with_help(format!(
        "Providers are local, {}. Any server that speaks as OpenAI does is \"openai-compatible\" with a \
         `base_url`.",
        known.join(", ")
    ))
}

/// Settings that make no sense, found before anything is asked.
pub(super) fn check(name: &str, settings: &RungSettings) -> Result<(), ModelError> {
    let info = provider(settings)?;
    let bad =
        |message: String, help: &str| Err(ModelError::new(ErrorKind::BadRequest, message).with_help(help));
    if info.base_url.is_empty() && settings.base_url.is_empty() {
        return bad(
            format!("[rungs.{name}] has no `base_url`, and {} has no usual address", info.name),
            "Write where it is, for example `base_url = \"http://127.0.0.1:8000/v1\"`.",
        );
    }
    if settings.model.is_empty() && info.needs_key {
        return bad(
            format!("{name} names no model of {}", info.name),
            "Write `model = \"NAME\"`, or provider:model where the rung is named.",
        );
    }
    action_style(name, settings)?;
    price(name, settings).map(drop)
}

fn action_style(name: &str, settings: &RungSettings) -> Result<ActionStyle, ModelError> {
    match settings.actions.as_str() {
        "" | "auto" => Ok(ActionStyle::Auto),
        "tools" => Ok(ActionStyle::Tools),
        "schema" => Ok(ActionStyle::Schema),
        "lines" => Ok(ActionStyle::Lines),
        other => Err(ModelError::new(
            ErrorKind::BadRequest,
            format!("[rungs.{name}]: `actions` is {other:?}, which is not known"),
        )
        .with_help("Write \"auto\", \"tools\", \"schema\" or \"lines\".")),
    }
}

/// The price of the settings, if they name one.
fn price(name: &str, settings: &RungSettings) -> Result<Option<Price>, ModelError> {
    let Some(PriceSettings { input, cached_input, output, .. }) = &settings.price else { return Ok(None) };
    let amount = |key: &str, text: &str, usual: u64| amount(name, key, text, usual);
    let input = amount("input", input, 0)?;
    Ok(Some(Price {
        input,
        cached_input: amount("cached_input", cached_input, input)?,
        // What a cache costs to write is at most this at the providers that bill it.
        cache_write: input.saturating_mul(2),
        output: amount("output", output, 0)?,
    }))
}

/// An amount of money in the settings of a rung, in micro-units.
pub(super) fn amount(name: &str, key: &str, text: &str, usual: u64) -> Result<u64, ModelError> {
    if text.is_empty() {
        return Ok(usual);
    }
    parse_micro(text).map_err(|error| {
        ModelError::new(ErrorKind::BadRequest, format!("[rungs.{name}]: `price.{key}`: {error}"))
            .with_help("Write it as in \"0.40\".")
    })
}

impl Opener {
    /// What must be left of the budget for the shortest turn, in micro-units; `None` where nobody gets a bill.
    pub(super) fn least(&self, name: &str, settings: &RungSettings, reply_tokens: u32) -> Option<u64> {
        let info = provider(settings).ok()?;
        let own_price = price(name, settings).ok()?;
        if !info.paid && own_price.is_none() {
            return None;
        }
        let facts = self.table.lookup(info.name, &settings.model);
        let extra = providers::output_tokens_extra(&facts, &settings.model);
        let empty = ChatRequest { max_tokens: reply_tokens, ..ChatRequest::default() };
        let estimate = Estimate::of(&empty, extra);
        Some(own_price.unwrap_or(facts.price).most(estimate.prompt_most, estimate.output_most))
    }

    /// A provider's model, under the player's budget if somebody gets a bill.
    pub(super) fn online(
        &self,
        name: &RungName,
        settings: &RungSettings,
        purpose: Purpose,
    ) -> Result<Arc<dyn ChatModel>, ModelError> {
        let info = provider(settings)?;
        let shown = name.shown();
        let own_price = price(shown, settings)?;
        let facts = self.table.lookup(info.name, &settings.model);
        let config = ProviderConfig {
            name: shown.to_owned(),
            provider: info.name.to_owned(),
            model: settings.model.clone(),
            base_url: (!settings.base_url.is_empty()).then(|| settings.base_url.clone()),
            key: self.key(name, settings, info.key_name, info.base_url)?,
            context_tokens: (settings.context_tokens != 0).then_some(settings.context_tokens),
            actions: action_style(shown, settings)?,
            headers: headers(settings, purpose, self.limits(settings).first_token),
            extra: settings.extra.clone(),
        };
        let model = providers::open(config, self.http(), &self.table)?;
        if !info.paid && own_price.is_none() {
            return Ok(model);
        }
        let rates = Rates {
            part: purpose.part(),
            source: shown.to_owned(),
            model: settings.model.clone(),
            price: own_price.unwrap_or(facts.price),
            guessed: own_price.is_none() && facts.guessed,
            output_tokens_extra: providers::output_tokens_extra(&facts, &settings.model),
        };
        Ok(Arc::new(Metered::new(model, self.ledger(), rates)))
    }
}

/// A host serves what somebody waits for first, and lets nobody wait who would not stay so long.
fn headers(settings: &RungSettings, purpose: Purpose, patience: Duration) -> BTreeMap<String, String> {
    let mut headers = settings.headers.clone();
    if settings.provider == HOST {
        headers.insert("x-meddah-class".into(), purpose.class().into());
        headers.insert("x-meddah-patience-ms".into(), patience.as_millis().to_string());
    }
    headers
}
