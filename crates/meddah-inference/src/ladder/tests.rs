//! The ladder under faults, in simulated time.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::budget::{Limits, MemoryLedger, Metered, Part, Price, Rates};
use crate::scripted::ScriptedModel;
use crate::{Message, ModelInfo, ModelState, Role, StopReason, TokenUsage};

/// What a test double does when it is asked.
#[derive(Clone, Debug)]
enum Mood {
    Well,
    Hangs,
    Fails(ErrorKind, Option<Duration>),
    BreaksOff,
    StallsMidway,
}

struct Double {
    mood: Mutex<Mood>,
    asked: AtomicUsize,
}

impl Double {
    fn new(mood: Mood) -> Arc<Double> {
        Arc::new(Double { mood: Mutex::new(mood), asked: AtomicUsize::new(0) })
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl ChatModel for Double {
    async fn info(&self) -> Result<ModelInfo, ModelError> {
        Err(ModelError::new(ErrorKind::Broken, "not asked in these tests"))
    }

    fn label(&self) -> (String, String) {
        ("double".into(), "scripted".into())
    }

    fn state(&self) -> ModelState {
        ModelState::Ready
    }

    async fn count_tokens(&self, texts: &[&str]) -> Result<Vec<u32>, ModelError> {
        Ok(vec![1; texts.len()])
    }

    async fn stream(&self, _: ChatRequest, _: CancellationToken) -> Result<ChatStream, ModelError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let word = Ok(Chunk::Text("Well.".into()));
        let done = Ok(Chunk::Done { stop: StopReason::End, usage: TokenUsage::default() });
        let mood = self.mood.lock().unwrap().clone();
        match mood {
            Mood::Well => Ok(Box::pin(futures::stream::iter([word, done]))),
            Mood::Hangs => std::future::pending().await,
            Mood::Fails(kind, retry_after) => {
                Err(ModelError { retry_after, ..ModelError::new(kind, "as told") })
            }
            Mood::BreaksOff => Ok(Box::pin(futures::stream::iter([word]))),
            Mood::StallsMidway => {
                Ok(Box::pin(futures::stream::iter([word]).chain(futures::stream::pending())))
            }
        }
    }
}

struct Asked {
    conversation: String,
    told: Mutex<Vec<String>>,
}

impl Asked {
    fn by(conversation: &str) -> Asked {
        Asked { conversation: conversation.into(), told: Mutex::default() }
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut self.told.lock().unwrap())
    }
}

#[async_trait]
impl Question for Asked {
    async fn for_model(&self, _: &dyn ChatModel) -> Result<ChatRequest, ModelError> {
        Ok(ChatRequest { messages: vec![Message::new(Role::User, "Well?")], ..ChatRequest::default() })
    }

    fn for_service(&self) -> Option<ServiceRequest> {
        None
    }

    fn conversation(&self) -> &str {
        &self.conversation
    }

    fn tell(&self, notice: Notice) {
        self.told.lock().unwrap().push(format!("{}: {}", notice.code, notice.message));
    }
}

const LIMITS: RungLimits = RungLimits {
    first_token: Duration::from_secs(8),
    stall: Duration::from_secs(10),
    retries: 1,
    rests: true,
};

fn ladder(doubles: &[&Arc<Double>]) -> Ladder {
    let rung = |(place, double): (usize, &&Arc<Double>)| {
        Rung::new(format!("rung{place}"), Thinker::Model((*double).clone()), LIMITS)
    };
    Ladder::new(doubles.iter().enumerate().map(rung).collect())
}

async fn ask(
    ladder: &Ladder,
    asked: &Asked,
    timeout_s: u64,
) -> Result<(usize, Option<ErrorKind>), ErrorKind> {
    let deadline = Instant::now() + Duration::from_secs(timeout_s);
    let mut answer =
        ladder.ask(asked, 0, deadline, &CancellationToken::new()).await.map_err(|error| error.kind)?;
    let mut failed = None;
    while let Some(piece) = answer.stream.next().await {
        failed = piece.err().map(|error| error.kind);
    }
    Ok((answer.rung, failed))
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_the_first_rung_is_answered_by_the_second_and_the_ladder_climbs_back() {
    let faults = [
        Mood::Hangs,
        Mood::Fails(ErrorKind::Network, None),
        Mood::Fails(ErrorKind::RateLimited, Some(Duration::from_secs(20))),
        Mood::Fails(ErrorKind::Overloaded, None),
        Mood::Fails(ErrorKind::Unauthorized, None),
        Mood::Fails(ErrorKind::Refused, None),
    ];
    for fault in faults {
        let (first, second) = (Double::new(fault.clone()), Double::new(Mood::Well));
        let ladder = ladder(&[&first, &second]);
        let conversations: Vec<Asked> = (0..20).map(|n| Asked::by(&n.to_string())).collect();
        for round in 0..3 {
            let turns = conversations.iter().map(|asked| ask(&ladder, asked, 20));
            let answered = futures::future::join_all(turns).await;
            assert_eq!(answered, vec![Ok((1, None)); 20], "{fault:?}, round {round}");
        }
        for asked in &conversations {
            let told = asked.told();
            assert!(told.len() == 1 && told[0].starts_with("stepped_down: rung1 answers"), "{told:?}");
        }
        first.set(Mood::Well);
        tokio::time::sleep(Duration::from_secs(180)).await;
        for asked in &conversations {
            assert_eq!(ask(&ladder, asked, 20).await, Ok((0, None)), "{fault:?}: back up");
            assert_eq!(asked.told(), ["stepped_up: rung0 answers again"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rung_that_hangs_leaves_time_for_the_next_one_and_is_soon_left_alone() {
    let (first, second) = (Double::new(Mood::Hangs), Double::new(Mood::Well));
    let ladder = ladder(&[&first, &second]);
    let asked = Asked::by("a");
    let began = Instant::now();
    assert_eq!(ask(&ladder, &asked, 5).await, Ok((1, None)));
    assert!(began.elapsed() <= Duration::from_secs(3), "60 % of five seconds");
    for _ in 0..10 {
        assert_eq!(ask(&ladder, &asked, 5).await, Ok((1, None)));
    }
    assert_eq!(first.asked(), 3, "three failures open the breaker for five seconds");
}

#[tokio::test(start_paused = true)]
async fn while_a_rung_is_away_one_turn_at_a_time_tries_it() {
    let (first, second) = (Double::new(Mood::Fails(ErrorKind::Network, None)), Double::new(Mood::Well));
    let ladder = ladder(&[&first, &second]);
    for _ in 0..3 {
        ask(&ladder, &Asked::by("a"), 20).await.unwrap();
    }
    assert_eq!(first.asked(), 3);
    first.set(Mood::Hangs);
    tokio::time::sleep(Duration::from_secs(6)).await;
    let conversations: Vec<Asked> = (0..20).map(|n| Asked::by(&n.to_string())).collect();
    let began = Instant::now();
    let answered = futures::future::join_all(conversations.iter().map(|asked| ask(&ladder, asked, 20))).await;
    assert!(answered.iter().all(|answer| *answer == Ok((1, None))));
    assert_eq!(first.asked(), 4, "nineteen turns did not wait");
    assert!(began.elapsed() <= PROBE_WAIT_MAX);
}

#[tokio::test(start_paused = true)]
async fn a_retry_comes_before_the_first_piece_only() {
    let alone = Double::new(Mood::Fails(ErrorKind::Overloaded, None));
    let ladder1 = ladder(&[&alone]);
    assert_eq!(ask(&ladder1, &Asked::by("a"), 20).await, Err(ErrorKind::Overloaded));
    assert_eq!(alone.asked(), 2);
    let alone = Double::new(Mood::BreaksOff);
    let ladder2 = ladder(&[&alone]);
    assert_eq!(ask(&ladder2, &Asked::by("a"), 20).await, Ok((0, Some(ErrorKind::Protocol))));
    assert_eq!(alone.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_stalls_is_an_error_and_counts_against_the_rung() {
    let (first, second) = (Double::new(Mood::StallsMidway), Double::new(Mood::Well));
    let ladder = ladder(&[&first, &second]);
    let asked = Asked::by("a");
    for _ in 0..3 {
        assert_eq!(ask(&ladder, &asked, 60).await, Ok((0, Some(ErrorKind::Timeout))));
    }
    assert_eq!(ask(&ladder, &asked, 60).await, Ok((1, None)));
}

#[tokio::test(start_paused = true)]
async fn when_all_rest_they_are_tried_all_the_same_except_who_asked_not_to_be() {
    let (first, second) = (
        Double::new(Mood::Fails(ErrorKind::RateLimited, Some(Duration::from_secs(60)))),
        Double::new(Mood::Fails(ErrorKind::Unauthorized, None)),
    );
    let ladder = ladder(&[&first, &second]);
    let asked = Asked::by("a");
    for _ in 0..3 {
        assert!(ask(&ladder, &asked, 20).await.is_err());
    }
    assert_eq!(first.asked(), 1, "Retry-After is honoured");
    assert_eq!(second.asked(), 3);
}

#[tokio::test]
async fn cancelling_ends_the_wait_at_once() {
    let alone = Double::new(Mood::Hangs);
    let ladder = ladder(&[&alone]);
    let cancel = CancellationToken::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    let asked = Asked::by("a");
    let asking = ladder.ask(&asked, 0, deadline, &cancel);
    let (answer, ()) = tokio::join!(asking, async { cancel.cancel() });
    assert_eq!(answer.err().map(|error| error.kind), Some(ErrorKind::Cancelled));
    assert_eq!(ladder.rungs()[0].breaker.pass(Instant::now()), Pass::Open, "a cut is no failure");
}

#[test]
fn a_reply_that_broke_off_is_asked_for_again_only_if_another_way_may_help() {
    let rung = |retries| {
        let limits = RungLimits { retries, ..LIMITS };
        Rung::new("a", Thinker::Model(Double::new(Mood::Well)), limits)
    };
    let ladder = Ladder::new(vec![rung(1), rung(0)]);
    let error = |kind| ModelError::new(kind, "as told");
    assert!(ladder.asks_again(0, &error(ErrorKind::ToolsFailed)));
    assert!(!ladder.asks_again(0, &error(ErrorKind::Overloaded)), "the next rung is nearer");
    assert!(
        !ladder.asks_again(1, &error(ErrorKind::ToolsFailed))
            && !ladder.asks_again(2, &error(ErrorKind::ToolsFailed))
    );
    let again = (0..100).filter(|_| ladder.asks_again(0, &error(ErrorKind::ToolsFailed))).count();
    assert!(again < 5, "the budget of retries holds here, too: {again}");
}

#[tokio::test]
async fn the_first_rung_alone_reads_ahead_and_only_if_it_is_not_paid_for() {
    let reader: Arc<dyn ChatModel> = Arc::new(ScriptedModel::saying("Well."));
    let rung = |model: Arc<dyn ChatModel>| Rung::new("rung", Thinker::Model(model), LIMITS);
    let reader_of = |models: Vec<Arc<dyn ChatModel>>| {
        Ladder::new(models.into_iter().map(rung).collect()).reader().is_some()
    };
    let other: Arc<dyn ChatModel> = Double::new(Mood::Well);
    assert!(reader_of(vec![reader.clone(), other.clone()]));
    assert!(!reader_of(vec![other, reader.clone()]) && !reader_of(Vec::new()));
    let rates = Rates {
        part: Part::Talk,
        source: "rung".into(),
        model: "double".into(),
        price: Price::default(),
        guessed: false,
        output_tokens_extra: 0,
    };
    let ledger = Arc::new(MemoryLedger::new(Limits::default()));
    assert!(!reader_of(vec![Arc::new(Metered::new(reader, ledger, rates))]));
}
