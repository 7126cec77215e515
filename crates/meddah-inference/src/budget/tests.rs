use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::{
    CharacterService, ChatModel, ChatRequest, ChatStream, Chunk, Message, ModelInfo, ModelState, Role,
    ServiceRequest, StopReason,
};

const PRICE: Price =
    Price { input: 1_000_000, cached_input: 100_000, cache_write: 1_250_000, output: 2_000_000 };

#[test]
fn the_double_passes_the_suite() {
    suite::all(&|limits, clock| Arc::new(MemoryLedger::with_clock(limits, clock)));
}

/// Plays chunks, one per poll, and counts how often it is asked.
#[derive(Default)]
struct Player {
    chunks: Vec<Result<Chunk, ModelError>>,
    /// Fail to begin.
    fails: Option<ModelError>,
    /// Never answer at all.
    hangs: bool,
    asked: AtomicUsize,
}

impl Player {
    fn of(chunks: Vec<Result<Chunk, ModelError>>) -> Arc<Player> {
        Arc::new(Player { chunks, ..Player::default() })
    }

    async fn begin(&self) -> Result<ChatStream, ModelError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if let Some(error) = &self.fails {
            return Err(error.clone());
        }
        Ok(Box::pin(stream::iter(self.chunks.clone())))
    }
}

#[async_trait]
impl ChatModel for Player {
    async fn info(&self) -> Result<ModelInfo, ModelError> {
        Err(ModelError::new(ErrorKind::NotFound, "not asked for"))
    }

    fn label(&self) -> (String, String) {
        ("player".into(), "online".into())
    }

    fn state(&self) -> ModelState {
        ModelState::Ready
    }

    async fn count_tokens(&self, _: &[&str]) -> Result<Vec<u32>, ModelError> {
        Ok(Vec::new())
    }

    async fn stream(&self, _: ChatRequest, _: CancellationToken) -> Result<ChatStream, ModelError> {
        self.begin().await
    }
}

#[async_trait]
impl CharacterService for Player {
    fn label(&self) -> (String, String) {
        ("player".into(), "service".into())
    }

    fn state(&self) -> ModelState {
        ModelState::Ready
    }

    async fn stream(&self, _: ServiceRequest, _: CancellationToken) -> Result<ChatStream, ModelError> {
        self.begin().await
    }

    async fn forget(&self, _: &str) {}
}

fn metered(player: &Arc<Player>, ledger: &Arc<MemoryLedger>, guessed: bool) -> Metered {
    let rates = Rates {
        part: Part::Talk,
        model: "m".into(),
        source: "rung".into(),
        price: PRICE,
        guessed,
        output_tokens_extra: 0,
    };
    Metered::new(player.clone(), ledger.clone(), rates)
}

fn ledger(per_day: u64) -> Arc<MemoryLedger> {
    Arc::new(MemoryLedger::new(Limits { per_day: Some(per_day), ..Limits::default() }))
}

fn request() -> ChatRequest {
    let messages = vec![Message::new(Role::User, "x".repeat(300))];
    ChatRequest { messages, max_tokens: 100, ..ChatRequest::default() }
}

async fn begin(model: &Metered) -> Result<ChatStream, ModelError> {
    ChatModel::stream(model, request(), CancellationToken::new()).await
}

fn text(words: &str) -> Result<Chunk, ModelError> {
    Ok(Chunk::Text(words.into()))
}

fn usage(prompt: u32, completion: u32) -> TokenUsage {
    TokenUsage { prompt_tokens: prompt, completion_tokens: completion, ..TokenUsage::default() }
}

fn done(usage: TokenUsage) -> Result<Chunk, ModelError> {
    Ok(Chunk::Done { stop: StopReason::End, usage })
}

fn failure(kind: ErrorKind) -> ModelError {
    ModelError::new(kind, "it failed")
}

/// What one whole reply of these chunks is charged.
async fn charged(chunks: Vec<Result<Chunk, ModelError>>, guessed: bool) -> u64 {
    let ledger = ledger(1_000_000);
    let model = metered(&Player::of(chunks), &ledger, guessed);
    begin(&model).await.unwrap().collect::<Vec<_>>().await;
    assert_eq!((ledger.open(), ledger.reserved()), (0, 0));
    ledger.spent()
}

/// 300 bytes in two counted messages.
const PROMPT_LIKELY: u64 = 100 + 8;

#[tokio::test]
async fn a_whole_reply_is_charged_by_its_usage() {
    assert_eq!(charged(vec![text("Hail"), done(usage(80, 10))], false).await, 80 + 20);
}

#[tokio::test]
async fn where_nobody_counts_an_estimate_is_charged() {
    let nothing = usage(0, 0);
    assert_eq!(charged(vec![text("123456789"), done(nothing)], false).await, PROMPT_LIKELY + 2 * 3);
    assert_eq!(charged(vec![text("123456789")], false).await, PROMPT_LIKELY + 2 * 3, "it just ends");
}

#[tokio::test]
async fn what_the_provider_says_counts_for_more_where_the_price_is_a_guess() {
    let says = |charged| TokenUsage { charged_micro: Some(charged), ..usage(80, 10) };
    for (charged_micro, known, guess) in [(60, 100, 60), (150, 150, 150), (0, 100, 100)] {
        let chunks = || vec![done(says(charged_micro))];
        assert_eq!((charged(chunks(), false).await, charged(chunks(), true).await), (known, guess));
    }
}

#[tokio::test]
async fn a_failed_reply_is_charged_as_far_as_it_came() {
    let broke = || Err(failure(ErrorKind::Network));
    let seen = || Ok(Chunk::Usage(usage(70, 2)));
    assert_eq!(charged(vec![seen(), text("123456789"), broke()], false).await, 70 + 2 * 3);
    assert_eq!(charged(vec![text("123456789"), broke()], false).await, PROMPT_LIKELY + 2 * 3);
    assert_eq!(charged(vec![broke()], false).await, 0, "before the first byte");
    let gave_up = Err(failure(ErrorKind::Timeout));
    assert_eq!(charged(vec![gave_up], false).await, PROMPT_LIKELY, "the provider may be at work");
}

#[tokio::test]
async fn a_request_that_is_not_taken_is_refunded() {
    let player = Arc::new(Player { fails: Some(failure(ErrorKind::RateLimited)), ..Player::default() });
    let ledger = ledger(1_000_000);
    let error = begin(&metered(&player, &ledger, false)).await.err().unwrap();
    assert_eq!(error.kind, ErrorKind::RateLimited);
    assert_eq!((ledger.open(), ledger.spent()), (0, 0));
}

#[tokio::test]
async fn nobody_waiting_for_the_first_byte_is_charged_for_the_prompt() {
    let player = Arc::new(Player { hangs: true, ..Player::default() });
    let ledger = ledger(1_000_000);
    let model = metered(&player, &ledger, false);
    let waited = tokio::time::timeout(Duration::from_millis(5), begin(&model)).await;
    assert!(waited.is_err());
    assert_eq!((ledger.open(), ledger.spent()), (0, PROMPT_LIKELY));
}

#[tokio::test]
async fn without_leave_nothing_is_sent() {
    let off = Limits { talk: PartLimit::Off, ..Limits::default() };
    for limits in [off, Limits { per_day: Some(500), ..Limits::default() }] {
        let player = Player::of(vec![done(usage(1, 1))]);
        let ledger = Arc::new(MemoryLedger::new(limits));
        let error = begin(&metered(&player, &ledger, false)).await.err().unwrap();
        assert_eq!(error.kind, ErrorKind::OverBudget);
        assert!(!error.help.is_empty());
        assert_eq!((player.asked.load(Ordering::SeqCst), ledger.open()), (0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn what_others_only_reserved_is_waited_for_and_what_is_spent_is_not() {
    let (player, ledger) = (Player::of(vec![text("Hail"), done(usage(1, 1))]), ledger(10_000));
    let model = metered(&player, &ledger, false);
    let ask = Ask { part: Part::Talk, source: "rung".into(), model: "m".into(), micro: 9_999 };
    let held = ledger.reserve(&ask).unwrap();
    let given_back = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert_eq!(player.asked.load(Ordering::SeqCst), 0);
        ledger.release(held.id);
    };
    let (answer, ()) = tokio::join!(begin(&model), given_back);
    assert!(answer.is_ok());
    drop(answer);
    let held = ledger.reserve(&Ask { micro: 9_800, ..ask }).unwrap();
    ledger.settle(held.id, &Charge { micro: 9_800, ..Charge::default() });
    let began = tokio::time::Instant::now();
    assert_eq!(begin(&model).await.err().unwrap().kind, ErrorKind::OverBudget);
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn most_of_the_budget_is_told_once_and_before_the_end() {
    let ledger = ledger(20_000);
    let model = metered(&Player::of(vec![text("Hail"), done(usage(8_500, 0))]), &ledger, false);
    let mut notices = Vec::new();
    for _ in 0..2 {
        let chunks: Vec<_> = begin(&model).await.unwrap().map(Result::unwrap).collect().await;
        assert!(matches!(chunks.last(), Some(Chunk::Done { .. })), "{chunks:?}");
        notices.push(chunks.iter().filter(|chunk| matches!(chunk, Chunk::Notice(_))).count());
    }
    assert_eq!(notices, [0, 1]);
    let cheap = metered(&Player::of(vec![done(usage(1, 0))]), &ledger, false);
    let small = ChatRequest { max_tokens: 1, ..ChatRequest::default() };
    let reply = ChatModel::stream(&cheap, small, CancellationToken::new()).await.unwrap();
    assert_eq!(reply.count().await, 1);
}

#[tokio::test]
async fn the_last_reply_that_a_small_ceiling_covers_says_so() {
    let wide = ledger(1 << 40);
    let reply = begin(&metered(&Player::of(vec![text("Hail")]), &wide, false)).await.unwrap();
    let most = wide.reserved();
    drop(reply);
    let spends = |tokens: u64| vec![text("Hail"), done(usage(u32::try_from(tokens).unwrap(), 0))];
    for (ceiling, expected) in [(most * 3 / 2, 1), (most * 2, 0)] {
        let ledger = ledger(ceiling);
        let model = metered(&Player::of(spends(most * 6 / 10)), &ledger, false);
        let chunks: Vec<_> = begin(&model).await.unwrap().map(Result::unwrap).collect().await;
        let notices: Vec<_> = chunks.iter().filter(|chunk| matches!(chunk, Chunk::Notice(_))).collect();
        assert_eq!(notices.len(), expected, "{ceiling} {notices:?}");
        assert_eq!(begin(&model).await.is_err(), expected == 1, "and it was true");
    }
}

#[tokio::test]
async fn a_warning_that_a_cut_reply_could_not_give_comes_with_the_next() {
    let ledger = ledger(10_000);
    let long = metered(&Player::of(vec![Ok(Chunk::Usage(usage(8_000, 0))), text("Hail")]), &ledger, false);
    let mut cut = begin(&long).await.unwrap();
    cut.next().await;
    drop(cut);
    let next = metered(&Player::of(vec![text("So"), done(usage(1, 0))]), &ledger, false);
    let small = ChatRequest { max_tokens: 1, ..ChatRequest::default() };
    let chunks: Vec<_> = ChatModel::stream(&next, small, CancellationToken::new())
        .await
        .unwrap()
        .map(Result::unwrap)
        .collect()
        .await;
    match &chunks[..] {
        [Chunk::Notice(notice), Chunk::Text(_), Chunk::Done { .. }] => {
            assert_eq!(
                (notice.code.as_str(), notice.message.as_str()),
                (NEAR_END_CODE, "0.008 of 0.01 for today is spent")
            );
        }
        other => panic!("{other:?}"),
    }
}

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 27)) % limit
    }
}

/// Counts what a ledger is told about each reservation.
struct Witness {
    inner: MemoryLedger,
    reserved: AtomicU64,
    ended: std::sync::Mutex<Vec<ReservationId>>,
}

impl Ledger for Witness {
    fn reserve(&self, ask: &Ask) -> Result<Reserved, Refusal> {
        self.reserved.fetch_add(1, Ordering::SeqCst);
        self.inner.reserve(ask)
    }

    fn check(&self, ask: &Ask) -> Result<(), Refusal> {
        self.inner.check(ask)
    }

    fn settle(&self, id: ReservationId, charge: &Charge) -> bool {
        self.ended.lock().unwrap().push(id);
        self.inner.settle(id, charge)
    }

    fn release(&self, id: ReservationId) {
        self.ended.lock().unwrap().push(id);
        self.inner.release(id);
    }

    fn held(&self) -> u64 {
        self.inner.held()
    }

    fn take_warning(&self) -> Option<Warning> {
        self.inner.take_warning()
    }
}

#[tokio::test]
async fn a_thousand_replies_dropped_anywhere_leave_nothing_open() {
    let witness = Arc::new(Witness {
        inner: MemoryLedger::new(Limits::default()),
        reserved: AtomicU64::new(0),
        ended: std::sync::Mutex::default(),
    });
    let mut chance = Chance(7);
    for round in 0..1_000_u64 {
        let mut chunks = vec![Ok(Chunk::Usage(usage(50, 1))), text("Good"), text("evening")];
        match chance.below(4) {
            0 => chunks.push(Err(failure(ErrorKind::Network))),
            1 => chunks.insert(0, Err(failure(ErrorKind::Overloaded))),
            2 => {}
            _ => chunks.push(done(usage(50, 4))),
        }
        let rates = Rates {
            part: Part::ALL[(round % 3) as usize],
            source: "rung".into(),
            model: "m".into(),
            price: PRICE,
            guessed: false,
            output_tokens_extra: 0,
        };
        let model = Metered::new(Player::of(chunks), witness.clone(), rates);
        let beginning = begin(&model);
        if chance.below(10) == 0 {
            drop(beginning);
            continue;
        }
        let mut reply = beginning.await.unwrap();
        for _ in 0..chance.below(7) {
            reply.next().await;
        }
    }
    let mut ended = witness.ended.lock().unwrap().clone();
    let count = ended.len() as u64;
    assert_eq!(count, witness.reserved.load(Ordering::SeqCst));
    ended.sort_unstable();
    ended.dedup();
    assert_eq!(ended.len() as u64, count, "each exactly once");
    assert!(count > 850, "{count}");
    assert_eq!((witness.inner.open(), witness.inner.reserved()), (0, 0));
    assert!(witness.inner.spent() > 0);
}

#[tokio::test]
async fn a_service_is_paid_by_the_reply() {
    let one = |player: &Arc<Player>, ledger: &Arc<MemoryLedger>| {
        let rates = ServiceRates { part: Part::Talk, source: "service".into(), per_interaction: 500 };
        MeteredService::new(player.clone(), ledger.clone(), rates)
    };
    let ledger = ledger(1_400);
    let begin = async |service: &MeteredService| {
        CharacterService::stream(service, ServiceRequest::default(), CancellationToken::new()).await
    };
    let whole = Player::of(vec![text("Hail"), done(usage(0, 0))]);
    begin(&one(&whole, &ledger)).await.unwrap().collect::<Vec<_>>().await;
    assert_eq!(ledger.spent(), 500);
    drop(begin(&one(&whole, &ledger)).await.unwrap());
    assert_eq!(ledger.spent(), 1_000, "a cut reply is paid in full");
    let broken = Arc::new(Player { fails: Some(failure(ErrorKind::Network)), ..Player::default() });
    let small = ServiceRates { part: Part::Talk, source: "service".into(), per_interaction: 400 };
    let service = MeteredService::new(broken.clone(), ledger.clone(), small);
    assert!(begin(&service).await.is_err());
    assert_eq!((ledger.spent(), broken.asked.load(Ordering::SeqCst)), (1_000, 1));
    let error = begin(&one(&whole, &ledger)).await.err().unwrap();
    assert_eq!((error.kind, whole.asked.load(Ordering::SeqCst)), (ErrorKind::OverBudget, 2));
}
