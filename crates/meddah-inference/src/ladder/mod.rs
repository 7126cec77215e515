//! The ladder: an ordered list of models and services. A turn is answered by the first rung that can.
//!
//! [`Ladder::ask`] goes down the rungs: one that rests is passed by, one that does not begin to answer
//! within its deadline or fails is left, and each step is told. It returns with the first piece of a
//! reply in hand. What comes later can still fail; whether anybody heard something by then is known to the
//! caller alone, so it is the caller who then asks again from the next rung on ([`Answer::rung`]).

mod breaker;
mod model;
mod retry;
mod rung;
#[cfg(test)]
mod tests;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use moka::sync::Cache;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::{ChatModel, ChatRequest, ChatStream, Chunk, ErrorKind, ModelError, Notice, ServiceRequest};
use retry::RetryBudget;
use watch::Watched;

pub use breaker::{Breaker, Pass};
pub use model::LadderModel;
pub use rung::{Rung, RungLimits, Thinker};

/// Conversations whose last rung is remembered, to tell a step up from no step.
const CONVERSATIONS_MAX: u64 = 10_000;
/// A probe of a rung that was away may take no longer: a turn waits for it.
const PROBE_WAIT_MAX: Duration = Duration::from_secs(4);
/// A shorter wait for the first piece says nothing of a rung's health.
const COUNTED_WAIT_MIN: Duration = Duration::from_secs(2);
/// Of the time that is left, a rung with others below it may take so much (in percent).
const SHARE_OF_TIME: u32 = 60;

/// What is asked, composed anew for each rung: a small local model reads another prompt than a large one.
#[async_trait]
pub trait Question: Send + Sync {
    /// For a model.
    async fn for_model(&self, model: &dyn ChatModel) -> Result<ChatRequest, ModelError>;

    /// For a service; `None` if no service can answer it.
    fn for_service(&self) -> Option<ServiceRequest>;

    /// Whose conversation this is.
    fn conversation(&self) -> &str;

    /// The ladder did something that the player should know.
    fn tell(&self, notice: Notice);
}

/// A reply that has begun.
pub struct Answer {
    /// The place of the rung that gives it, from 0.
    pub rung: usize,
    /// Name and kind of what gives it.
    pub label: (String, String),
    /// Its pieces, from the first on.
    pub stream: ChatStream,
}

/// An ordered list of rungs.
pub struct Ladder {
    rungs: Vec<Arc<Rung>>,
    retries: Arc<RetryBudget>,
    /// The rung that answered last, per conversation.
    last: Cache<String, usize>,
}

/// One turn on its way down.
#[derive(Clone, Copy)]
struct Asking<'a> {
    question: &'a dyn Question,
    deadline: Instant,
    cancel: &'a CancellationToken,
}

/// Why a rung was left.
struct Left {
    rung: usize,
    error: ModelError,
}

impl Ladder {
    /// A ladder of these rungs, the preferred one first.
    pub fn new(rungs: Vec<Arc<Rung>>) -> Ladder {
        Ladder { rungs, retries: Arc::default(), last: Cache::new(CONVERSATIONS_MAX) }
    }

    /// The rungs, the preferred one first.
    pub fn rungs(&self) -> &[Arc<Rung>] {
        &self.rungs
    }

    /// The model that is asked first, if it is of use to let it read ahead.
    pub fn reader(&self) -> Option<Arc<dyn ChatModel>> {
        let first = self.rungs.first().filter(|first| !first.rests())?;
        match first.thinker() {
            Ok(Thinker::Model(model)) if model.reads_ahead() => Some(model),
            _ => None,
        }
    }

    /// Asks the rungs from place `from` on, until one begins to answer before `deadline`.
    pub async fn ask(
        &self,
        question: &dyn Question,
        from: usize,
        deadline: Instant,
        cancel: &CancellationToken,
    ) -> Result<Answer, ModelError> {
        let mut left = Vec::new();
        let awake = |place: &usize| !self.rungs[*place].rests();
        let places: Vec<usize> = (from..self.rungs.len()).collect();
        // When all of them rest, a turn that would fail for certain may as well try one of them.
        let mut desperate = !places.iter().any(awake);
        let asking = Asking { question, deadline, cancel };
        for place in places {
            match self.try_rung(place, &mut desperate, asking).await {
                Ok(stream) => {
                    self.tell_step(question, place, &left);
                    return Ok(Answer { rung: place, label: self.rungs[place].label(), stream });
                }
                Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
                Err(error) => {
                    debug!(rung = self.rungs[place].name, kind = error.kind.name(), "a rung did not answer");
                    left.push(Left { rung: place, error });
                }
            }
        }
        Err(self.none_answered(left))
    }

    /// Whether a reply of this rung that broke off unheard is asked for once more, within the budget of retries:
    /// only if another way of asking may help. Otherwise the next rung is asked.
    pub fn asks_again(&self, place: usize, error: &ModelError) -> bool {
        let may = self.rungs.get(place).is_some_and(|rung| rung.limits.retries > 0);
        may && error.kind == ErrorKind::ToolsFailed && self.retries.wait_before_retry(error, true).is_some()
    }

    async fn try_rung(
        &self,
        place: usize,
        desperate: &mut bool,
        asking: Asking<'_>,
    ) -> Result<ChatStream, ModelError> {
        let rung = &self.rungs[place];
        // What cannot be opened was not asked: it is no failure of the other side, and may be mended any time.
        rung.thinker()?;
        let now = Instant::now();
        let pass = rung.breaker.pass(now);
        let usual = match pass {
            Pass::Open => rung.limits.first_token,
            Pass::Probe => rung.limits.first_token.min(PROBE_WAIT_MAX),
            Pass::Resting(_) if std::mem::take(desperate) => rung.limits.first_token.min(PROBE_WAIT_MAX),
            Pass::Resting(wait) | Pass::Told(wait) => return Err(rung.resting(wait)),
        };
        let patience = usual.min(self.share_of_time(place, asking.deadline));
        let mut probe = GivenUp { breaker: (pass == Pass::Probe).then_some(&rung.breaker) };
        let result = tokio::select! {
            biased;
            () = asking.cancel.cancelled() => return Err(ModelError::new(ErrorKind::Cancelled, "cancelled")),
            result = tokio::time::timeout(patience, self.begin(place, asking)) => result,
        };
        let error = match result {
            Ok(Ok(stream)) => {
                probe.breaker = None; // told when the reply ends
                return Ok(stream);
            }
            Ok(Err(error)) => error,
            // A caller in a hurry proves nothing against a rung that others have time for.
            Err(_) if patience < usual.min(COUNTED_WAIT_MIN) => return Err(no_token(patience)),
            Err(_) => no_token(patience),
        };
        probe.breaker = None;
        rung.failed(&error);
        Err(error)
    }

    /// How long a rung may take of the time that is left.
    fn share_of_time(&self, place: usize, deadline: Instant) -> Duration {
        let remaining = deadline.saturating_duration_since(Instant::now());
        if place + 1 < self.rungs.len() { remaining * SHARE_OF_TIME / 100 } else { remaining }
    }

    /// Asks one rung, again if that may help, until the first piece of its reply is there.
    async fn begin(&self, place: usize, asking: Asking<'_>) -> Result<ChatStream, ModelError> {
        let rung = &self.rungs[place];
        let can_step_down = place + 1 < self.rungs.len();
        self.retries.earn();
        let mut retries = 0;
        loop {
            let error = match first_piece(rung, asking).await {
                Ok((first, rest)) => {
                    let stall = rung.limits.stall.min(self.share_of_time(place, asking.deadline));
                    return Ok(Box::pin(Watched::new(rest, first, rung.clone(), stall)));
                }
                Err(error) => error,
            };
            let wait = (retries < rung.limits.retries)
                .then(|| self.retries.wait_before_retry(&error, can_step_down))
                .flatten();
            let Some(wait) = wait else { return Err(error) };
            retries += 1;
            debug!(rung = rung.name, kind = error.kind.name(), "asked once more");
            tokio::time::sleep(wait).await;
        }
    }

    /// Tells of a step since the last reply of this conversation.
    fn tell_step(&self, question: &dyn Question, place: usize, left: &[Left]) {
        let last = self.last.get(question.conversation()).unwrap_or(0);
        self.last.insert(question.conversation().to_owned(), place);
        let name = &self.rungs[place].name;
        if place > last {
            question.tell(stepped_down(name, self.why(left)));
        } else if place < last {
            question.tell(Notice {
                code: "stepped_up".into(),
                message: format!("{name} answers again"),
                help: String::from("Nothing is to be done."),
            });
        }
    }

    fn why(&self, left: &[Left]) -> Option<(String, ModelError)> {
        left.first().map(|left| (self.rungs[left.rung].name.clone(), left.error.clone()))
    }

    /// The error of the preferred rung, with those of the others in its message.
    fn none_answered(&self, left: Vec<Left>) -> ModelError {
        let name = |left: &Left| self.rungs[left.rung].name.as_str();
        match left.as_slice() {
            [] => ModelError::new(ErrorKind::NotFound, "no model is left to answer")
                .with_help("Name models in the `ladder` setting, or install one with `meddah models pull`."),
            [only] => only.error.clone(),
            [first, ..] => {
                let all = left.iter().map(|left| format!("{}: {}", name(left), left.error.message));
                ModelError { message: all.collect::<Vec<_>>().join("; "), ..first.error.clone() }
            }
        }
    }
}

/// The notice of a step down; `why` is the rung that was left and its error.
fn stepped_down(name: &str, why: Option<(String, ModelError)>) -> Notice {
    let (message, help) = match why {
        Some((left, error)) => (
            format!("{name} answers instead of {left} ({}: {})", error.kind.name(), error.message),
            error.help,
        ),
        None => (format!("{name} answers now"), String::new()),
    };
    let help = if help.is_empty() { "It is tried again by itself.".to_owned() } else { help };
    Notice { code: "stepped_down".into(), message, help }
}

async fn first_piece(
    rung: &Arc<Rung>,
    Asking { question, cancel, .. }: Asking<'_>,
) -> Result<(Chunk, ChatStream), ModelError> {
    let mut stream = match rung.thinker()? {
        Thinker::Model(model) => {
            let request = question.for_model(model.as_ref()).await?;
            model.stream(request, cancel.clone()).await?
        }
        Thinker::Service(service) => {
            let request = question.for_service().ok_or_else(|| {
                ModelError::new(ErrorKind::BadRequest, "a character service cannot answer this")
                    .with_help("Put a model into the ladder, beside the service.")
            })?;
            service.stream(request, cancel.clone()).await?
        }
    };
    loop {
        match stream.next().await {
            // Says nothing yet about whether an answer comes.
            Some(Ok(Chunk::Usage(_))) => {}
            Some(Ok(Chunk::Notice(notice))) => question.tell(notice),
            Some(Ok(first)) => return Ok((first, stream)),
            Some(Err(error)) => return Err(error),
            None => return Err(ModelError::new(ErrorKind::Protocol, "the reply had no beginning")),
        }
    }
}

/// Frees the place of a probe when the turn is dropped before its result is known.
struct GivenUp<'b> {
    breaker: Option<&'b Breaker>,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        if let Some(breaker) = self.breaker {
            breaker.given_up();
        }
    }
}

fn no_token(patience: Duration) -> ModelError {
    ModelError::new(ErrorKind::Timeout, format!("no answer began within {} ms", patience.as_millis()))
}
