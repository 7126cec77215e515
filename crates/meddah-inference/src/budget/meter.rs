//! One reservation from the moment that leave was given, and the stream that runs under it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::Stream;

use super::estimate::{json_bytes, tokens_of};
use super::{Ask, Charge, Ledger, NEAR_END_CODE, Price, Refusal, Reserved, format_micro};
use crate::{ChatStream, Chunk, ErrorKind, ModelError, Notice, TokenUsage};

/// Where so many replies like this one were left when it began, the ledger is not asked at its end whether it was
/// the last: to ask takes about as long as to write the charge down.
const REPLIES_LEFT_SURE: u64 = 64;

/// How a reply is charged.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tariff {
    /// By tokens.
    Tokens {
        price: Price,
        /// The price is not known for sure, so that what the provider says counts for more.
        guessed: bool,
        /// Tokens of the prompt if nobody counts them.
        prompt_likely: u64,
    },
    /// A fixed amount for each reply, in micro-units.
    Interaction(u64),
}

impl Tariff {
    /// What a reply cost of which this is known. Not `whole`: it was cut, so that counts may be too low.
    fn charge(&self, seen: Option<TokenUsage>, text_bytes: u64, whole: bool) -> Charge {
        let seen = seen.unwrap_or_default();
        match *self {
            Tariff::Interaction(micro) => {
                Charge { usage: seen, micro: micro.max(seen.charged_micro.unwrap_or(0)) }
            }
            Tariff::Tokens { price, guessed, prompt_likely } => {
                let usage = fill_in(seen, prompt_likely, text_bytes, whole);
                let reckoned = price.cost(&usage);
                let micro = match usage.charged_micro {
                    // A provider knows its prices better than a guess does.
                    Some(charged) if guessed && whole && charged > 0 => charged,
                    // Otherwise the higher one: "0" may only mean that somebody else sends the bill.
                    Some(charged) => charged.max(reckoned),
                    None => reckoned,
                };
                Charge { usage, micro }
            }
        }
    }
}

/// Puts estimates where a provider counted nothing, or where it could not count to the end.
fn fill_in(mut usage: TokenUsage, prompt_likely: u64, text_bytes: u64, whole: bool) -> TokenUsage {
    let short = |tokens| u32::try_from(tokens).unwrap_or(u32::MAX);
    if usage.prompt_tokens == 0 {
        usage.prompt_tokens = short(prompt_likely);
    }
    if usage.completion_tokens == 0 || !whole {
        usage.completion_tokens = usage.completion_tokens.max(short(tokens_of(text_bytes)));
    }
    usage
}

/// A reservation that is settled or released exactly once, at the latest when it is dropped.
pub(super) struct Meter {
    ledger: Arc<dyn Ledger>,
    open: Option<Reserved>,
    /// What was left when leave was given.
    left: u64,
    ask: Ask,
    tariff: Tariff,
    seen: Option<TokenUsage>,
    text_bytes: u64,
    /// Something of the reply has come.
    begun: bool,
}

impl Meter {
    pub fn new(ledger: Arc<dyn Ledger>, reserved: Reserved, ask: Ask, tariff: Tariff) -> Meter {
        let left = reserved.left;
        Meter { ledger, open: Some(reserved), left, ask, tariff, seen: None, text_bytes: 0, begun: false }
    }

    /// A failure before the reply began costs nothing, unless it was us who lost patience: then the provider
    /// has the request and may be at work.
    pub fn failed(&mut self, error: &ModelError) {
        let gave_up = matches!(error.kind, ErrorKind::Timeout | ErrorKind::Cancelled);
        if self.begun || self.seen.is_some() || gave_up {
            self.settle(false);
        } else if let Some(reserved) = self.open.take() {
            self.ledger.release(reserved.id);
        }
    }

    /// Whether there is a warning to give.
    fn note(&mut self, chunk: &Chunk) -> bool {
        match chunk {
            Chunk::Notice(_) => return false,
            Chunk::Usage(usage) => self.seen = Some(*usage),
            Chunk::Text(text) => self.text_bytes += text.len() as u64,
            Chunk::Decided { choice, arguments, .. } => {
                self.text_bytes += choice.len() as u64 + arguments.as_ref().map_or(0, json_bytes);
            }
            Chunk::Done { usage, .. } => {
                self.seen = Some(*usage);
                return self.settle(true);
            }
        }
        let first = !self.begun;
        self.begun = true;
        first && self.open.is_some_and(|reserved| reserved.warns)
    }

    /// What to say if the next reply like this one would be refused: long before a small ceiling is spent, what
    /// is left of it no longer covers the most that a reply can cost.
    fn is_last(&self) -> Option<Notice> {
        if self.left / REPLIES_LEFT_SURE >= self.ask.micro {
            return None;
        }
        let refusal = self.ledger.check(&self.ask).err()?;
        let Refusal::Ceiling { ceiling, asked, left, of } = refusal else { return None };
        // What others have reserved may come back.
        if left.saturating_add(self.ledger.held()) >= asked {
            return None;
        }
        let (asked, left, of) = (format_micro(asked), format_micro(left), format_micro(of));
        let message = format!(
            "{left} of {of} {ceiling} is left, and one more answer may cost up to {asked}: paid models stop here"
        );
        let help =
            "`meddah budget` shows what was spent; `meddah budget set` changes the ceilings.".to_owned();
        Some(Notice { code: NEAR_END_CODE.into(), message, help })
    }

    fn settle(&mut self, whole: bool) -> bool {
        let Some(reserved) = self.open.take() else { return false };
        let charge = self.tariff.charge(self.seen, self.text_bytes, whole);
        self.ledger.settle(reserved.id, &charge)
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.settle(false);
    }
}

/// A reply under a [`Meter`].
pub(super) struct MeteredStream {
    /// `None` once it has ended.
    inner: Option<ChatStream>,
    meter: Meter,
    /// Chunks that wait behind a notice.
    waiting: VecDeque<Chunk>,
}

impl MeteredStream {
    pub fn new(inner: ChatStream, meter: Meter) -> MeteredStream {
        MeteredStream { inner: Some(inner), meter, waiting: VecDeque::new() }
    }

    /// The chunk, behind a warning if there is one.
    fn pass_on(&mut self, chunk: Chunk) -> Chunk {
        let due = self.meter.note(&chunk);
        let warning = due.then(|| self.meter.ledger.take_warning()).flatten().map(|warning| warning.notice());
        let is_done = matches!(chunk, Chunk::Done { .. });
        match warning.or_else(|| if is_done { self.meter.is_last() } else { None }) {
            Some(notice) => {
                self.waiting.push_back(chunk);
                Chunk::Notice(notice)
            }
            None => chunk,
        }
    }
}

impl Stream for MeteredStream {
    type Item = Result<Chunk, ModelError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if let Some(chunk) = this.waiting.pop_front() {
            return Poll::Ready(Some(Ok(chunk)));
        }
        let Some(inner) = &mut this.inner else { return Poll::Ready(None) };
        let Poll::Ready(item) = inner.as_mut().poll_next(context) else { return Poll::Pending };
        match item {
            Some(Ok(chunk)) => {
                if matches!(chunk, Chunk::Done { .. }) {
                    this.inner = None;
                }
                Poll::Ready(Some(Ok(this.pass_on(chunk))))
            }
            Some(Err(error)) => {
                this.inner = None;
                this.meter.failed(&error);
                Poll::Ready(Some(Err(error)))
            }
            None => {
                this.inner = None;
                this.meter.settle(false);
                Poll::Ready(None)
            }
        }
    }
}
