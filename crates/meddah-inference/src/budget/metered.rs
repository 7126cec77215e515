//! Models and services that ask the ledger before they send anything.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::meter::{Meter, MeteredStream, Tariff};
use super::{Ask, Estimate, Ledger, Part, Price, Refusal, Reserved};
use crate::{
    CharacterService, ChatModel, ChatRequest, ChatStream, ModelError, ModelInfo, ModelState, ServiceRequest,
};

/// For what and by which prices a model is paid.
#[derive(Clone, Debug)]
pub struct Rates {
    /// For what.
    pub part: Part,
    /// The rung of the ladder, for the ledger.
    pub source: String,
    /// The model, likewise.
    pub model: String,
    /// The price.
    pub price: Price,
    /// The price is a guess: what the provider says that it charged counts instead, if it says so.
    pub guessed: bool,
    /// Tokens that the adapter allows beyond a request's `max_tokens`, for reasoning and tool calls.
    pub output_tokens_extra: u32,
}

/// A model that is paid by tokens. It belongs directly around the provider, inside of retries: each attempt
/// is reserved and charged by itself. One for each [`Part`] may share the provider and the ledger.
///
/// The reservation is the most that the request can cost: one token for each byte of the prompt, at the
/// dearest of the prompt's prices, and `max_tokens` of reply. An honest provider cannot charge more; what a
/// dishonest one does charge is written down in full.
pub struct Metered {
    inner: Arc<dyn ChatModel>,
    ledger: Arc<dyn Ledger>,
    rates: Rates,
}

impl Metered {
    /// Around a model.
    pub fn new(inner: Arc<dyn ChatModel>, ledger: Arc<dyn Ledger>, rates: Rates) -> Metered {
        Metered { inner, ledger, rates }
    }
}

#[async_trait]
impl ChatModel for Metered {
    async fn info(&self) -> Result<ModelInfo, ModelError> {
        self.inner.info().await
    }

    fn label(&self) -> (String, String) {
        self.inner.label()
    }

    fn state(&self) -> ModelState {
        self.inner.state()
    }

    async fn count_tokens(&self, texts: &[&str]) -> Result<Vec<u32>, ModelError> {
        self.inner.count_tokens(texts).await
    }

    async fn stream(
        &self,
        request: ChatRequest,
        cancel: CancellationToken,
    ) -> Result<ChatStream, ModelError> {
        let Rates { part, source, model, price, guessed, output_tokens_extra } = &self.rates;
        let estimate = Estimate::of(&request, *output_tokens_extra);
        let ask = Ask {
            part: *part,
            source: source.clone(),
            model: model.clone(),
            micro: price.most(estimate.prompt_most, estimate.output_most),
        };
        let tariff =
            Tariff::Tokens { price: *price, guessed: *guessed, prompt_likely: estimate.prompt_likely };
        let reserved = reserve(&*self.ledger, &ask).await?;
        let meter = Meter::new(self.ledger.clone(), reserved, ask, tariff);
        run(meter, self.inner.stream(request, cancel)).await
    }
}

/// For what and how a service is paid.
#[derive(Clone, Debug)]
pub struct ServiceRates {
    /// For what.
    pub part: Part,
    /// The rung of the ladder, for the ledger.
    pub source: String,
    /// What one reply costs, in micro-units.
    pub per_interaction: u64,
}

/// A service that is paid by the reply. A reply that was cut is paid in full.
pub struct MeteredService {
    inner: Arc<dyn CharacterService>,
    ledger: Arc<dyn Ledger>,
    rates: ServiceRates,
}

impl MeteredService {
    /// Around a service.
    pub fn new(
        inner: Arc<dyn CharacterService>,
        ledger: Arc<dyn Ledger>,
        rates: ServiceRates,
    ) -> MeteredService {
        MeteredService { inner, ledger, rates }
    }
}

#[async_trait]
impl CharacterService for MeteredService {
    fn label(&self) -> (String, String) {
        self.inner.label()
    }

    fn state(&self) -> ModelState {
        self.inner.state()
    }

    async fn stream(
        &self,
        request: ServiceRequest,
        cancel: CancellationToken,
    ) -> Result<ChatStream, ModelError> {
        let ServiceRates { part, source, per_interaction } = &self.rates;
        let ask =
            Ask { part: *part, source: source.clone(), model: self.inner.label().0, micro: *per_interaction };
        let tariff = Tariff::Interaction(*per_interaction);
        let reserved = reserve(&*self.ledger, &ask).await?;
        let meter = Meter::new(self.ledger.clone(), reserved, ask, tariff);
        run(meter, self.inner.stream(request, cancel)).await
    }

    async fn forget(&self, conversation: &str) {
        self.inner.forget(conversation).await;
    }
}

/// Many replies at once reserve more than they spend: how long one waits for what the others give back.
const GIVEN_BACK_WAIT_MAX: Duration = Duration::from_secs(3);
const GIVEN_BACK_LOOK: Duration = Duration::from_millis(50);

/// Asks for leave, again while what others have reserved could make room; for adapters of other ports than those here.
///
/// # Errors
/// The last refusal, after at most three seconds.
pub async fn reserve(ledger: &dyn Ledger, ask: &Ask) -> Result<Reserved, Refusal> {
    let deadline = Instant::now() + GIVEN_BACK_WAIT_MAX;
    loop {
        let refusal = match ledger.reserve(ask) {
            Ok(reserved) => return Ok(reserved),
            Err(refusal) => refusal,
        };
        let may_fit = matches!(
            refusal,
            Refusal::Ceiling { asked, left, .. } if left.saturating_add(ledger.held()) >= asked
        );
        if !may_fit || Instant::now() >= deadline {
            return Err(refusal);
        }
        tokio::time::sleep(GIVEN_BACK_LOOK).await;
    }
}

/// Sends the request under the meter, which is settled if the caller does not wait for the answer.
async fn run(
    mut meter: Meter,
    sending: impl Future<Output = Result<ChatStream, ModelError>>,
) -> Result<ChatStream, ModelError> {
    match sending.await {
        Ok(stream) => Ok(Box::pin(MeteredStream::new(stream, meter))),
        Err(error) => {
            meter.failed(&error);
            Err(error)
        }
    }
}
