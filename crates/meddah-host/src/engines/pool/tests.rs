//! The pool with engines that are only code, on a clock that stands still until everything waits.

mod trials;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt as _;
use futures::stream;
use tokio_util::bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::engines::{EngineFacts, EngineReply, Expected};

/// What a made-up engine does with a chat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Answer,
    Hang,
    Fail(EngineErrorKind),
    /// Fails, but not for the pool's own trial.
    FailPlayers(EngineErrorKind),
    BreakAfterFirst,
    /// Falls silent after so many events, as an engine does that has no room for longer answers.
    HangAfter(usize),
    /// An error as the first event, with a usage in it.
    ErrorEvent,
}

struct Made {
    name: String,
    way: Mutex<Way>,
    facts: Mutex<Result<EngineFacts, EngineErrorKind>>,
    running: Arc<AtomicU32>,
    most_running: AtomicU32,
    chats: AtomicU64,
}

impl Made {
    fn new(name: &str, slots: u32) -> Arc<Made> {
        let facts = EngineFacts { slots: Some(slots), ..EngineFacts::default() };
        Arc::new(Made {
            name: name.into(),
            way: Mutex::new(Way::Answer),
            facts: Mutex::new(Ok(facts)),
            running: Arc::default(),
            most_running: AtomicU32::new(0),
            chats: AtomicU64::new(0),
        })
    }

    fn goes(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    fn tells(&self, facts: Result<EngineFacts, EngineErrorKind>) {
        *self.facts.lock().unwrap() = facts;
    }

    fn chats(&self) -> u64 {
        self.chats.load(Ordering::SeqCst)
    }
}

struct Running(Arc<AtomicU32>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Engine for Made {
    fn name(&self) -> &str {
        &self.name
    }

    async fn probe(&self) -> Result<EngineFacts, EngineError> {
        self.facts.lock().unwrap().clone().map_err(|kind| EngineError::new(kind, "no"))
    }

    async fn chat(&self, request: EngineRequest) -> Result<EngineReply, EngineError> {
        self.chats.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let held = Running(self.running.clone());
        let is_trial = request.body.starts_with(br#"{"messages":[{"role":"user","content":"Hi"#);
        let way = *self.way.lock().unwrap();
        match way {
            Way::Fail(kind) => return Err(EngineError::new(kind, "failed")),
            Way::FailPlayers(kind) if !is_trial => return Err(EngineError::new(kind, "failed")),
            Way::Hang => std::future::pending().await,
            _ => {}
        }
        let text = |text: &'static str| Ok(Bytes::from_static(text.as_bytes()));
        let mut events = vec![text(r#"{"choices":[{"delta":{"content":"word"}}]}"#)];
        match way {
            Way::ErrorEvent => {
                events[0] =
                    text(r#"{"error":{"message":"no"},"usage":{"prompt_tokens":900,"completion_tokens":9}}"#);
            }
            Way::BreakAfterFirst => events.push(Err(EngineError::new(EngineErrorKind::Network, "broke"))),
            Way::HangAfter(words) => {
                let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap_or_default();
                let asked = body["max_tokens"].as_u64().map_or(usize::MAX, |tokens| tokens as usize);
                events = (0..asked.min(words))
                    .map(|_| text(r#"{"choices":[{"delta":{"content":"word"}}]}"#))
                    .collect();
                if asked > words {
                    events.push(Err(EngineError::new(EngineErrorKind::Timeout, "silent")));
                } else {
                    events.push(text(r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#));
                }
            }
            _ => events.push(text(r#"{"choices":[{"delta":{},"finish_reason":"stop"}]}"#)),
        }
        // A second for each event.
        let events = stream::unfold((events.into_iter(), held), async |(mut events, held)| {
            let event = events.next()?;
            tokio::time::sleep(Duration::from_secs(1)).await;
            Some((event, (events, held)))
        });
        Ok(EngineReply { events: events.boxed() })
    }
}

/// The engine, how many events came, and what ended them too early.
type Answer = Result<(String, usize, Option<EngineErrorKind>), EngineErrorKind>;

/// A pool that runs, and its stop.
struct Rig {
    pool: Arc<Pool>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn rig(engines: &[&Arc<Made>]) -> Rig {
    let engines =
        engines.iter().map(|engine| ((*engine).clone() as Arc<dyn Engine>, EngineSettings::default()));
    let pool = Pool::new(engines.collect(), PoolSettings::default());
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (running, stopped) = (pool.clone(), stop.clone());
    tasks.spawn(async move { running.run(stopped).await });
    let rig = Rig { pool, stop, tasks };
    tokio::time::sleep(Duration::from_millis(1)).await;
    rig
}

impl Rig {
    async fn chat(&self, affinity: u64) -> Answer {
        tokio::time::timeout(Duration::from_secs(3600), self.chat_to_the_end(affinity)).await.expect("an end")
    }

    async fn chat_to_the_end(&self, affinity: u64) -> Answer {
        let request = EngineRequest {
            body: Bytes::from_static(b"{}"),
            model: None,
            affinity,
            cancel: CancellationToken::new(),
        };
        let meter = Arc::new(Meter::new(Expected { body_bytes: 2, prompt_tokens: 1, output_tokens: 9 }));
        let reply = self.pool.chat(request, &meter).await.map_err(|error| error.kind)?;
        let (mut events, mut count) = (reply.events, 0);
        let mut broken = None;
        while let Some(event) = events.next().await {
            match event {
                Ok(_) => count += 1,
                Err(error) => broken = Some(error.kind),
            }
        }
        Ok((reply.engine.to_string(), count, broken))
    }

    /// Many at a time; how they came out.
    async fn chats(&self, affinities: std::ops::Range<u64>) -> Vec<Answer> {
        futures::future::join_all(affinities.map(|affinity| self.chat(affinity))).await
    }

    fn slots(&self) -> u32 {
        *self.pool.slots().borrow()
    }

    fn state(&self, engine: usize) -> EngineState {
        self.pool.states().swap_remove(engine)
    }
}

#[tokio::test(start_paused = true)]
async fn never_more_than_an_engine_has_slots_and_never_a_slot_that_idles() {
    let (a, b) = (Made::new("a", 2), Made::new("b", 3));
    let rig = rig(&[&a, &b]).await;
    assert_eq!(rig.slots(), 5);
    let start = Instant::now();
    // Three rounds of 2 s each would be beyond the wait for a slot within the pool.
    let answers = rig.chats(0..10).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(start.elapsed().as_secs(), 4);
    assert_eq!((a.most_running.load(Ordering::SeqCst), b.most_running.load(Ordering::SeqCst)), (2, 3));
    assert_eq!((rig.state(0).served + rig.state(1).served, rig.slots()), (10, 5));
    assert_eq!(rig.state(0).first_byte_p50, Some(Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_slot_in_time_is_told() {
    let a = Made::new("a", 1);
    let rig = rig(&[&a]).await;
    a.goes(Way::Hang);
    let both = tokio::time::timeout(Duration::from_secs(5), rig.chats(0..1));
    let second = async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        rig.chat(1).await
    };
    let (first, second) = tokio::join!(both, second);
    assert!(first.is_err());
    assert_eq!(second, Err(EngineErrorKind::Overloaded));
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_there_is_room_for() {
    let a = Made::new("a", 1);
    let rig = rig(&[&a]).await;
    a.goes(Way::Hang);
    let room = WAITERS_MAX as u64;
    let refused = AtomicU64::new(0);
    let ask = async |affinity| {
        if rig.chat(affinity).await == Err(EngineErrorKind::Overloaded) {
            refused.fetch_add(1, Ordering::SeqCst);
        }
    };
    let all = futures::future::join_all((0..1 + room + 5).map(ask));
    // Nobody's wait for a slot is over by now.
    assert!(tokio::time::timeout(Duration::from_secs(1), all).await.is_err());
    assert_eq!(refused.load(Ordering::SeqCst), 5);
}

#[tokio::test(start_paused = true)]
async fn a_request_fails_over_before_its_first_event_and_never_after() {
    let (a, b) = (Made::new("a", 4), Made::new("b", 4));
    let rig = rig(&[&a, &b]).await;
    let of_a = (0..).find(|affinity| favourite(&rig, *affinity) == 0).unwrap();
    a.goes(Way::Fail(EngineErrorKind::Network));
    assert_eq!(rig.chat(of_a).await, Ok(("b".into(), 2, None)));
    assert_eq!((rig.state(0).failed, rig.state(0).failed_over), (1, 1));
    a.goes(Way::BreakAfterFirst);
    assert_eq!(rig.chat(of_a).await, Ok(("a".into(), 1, Some(EngineErrorKind::Network))));
    a.goes(Way::Fail(EngineErrorKind::BadRequest));
    assert_eq!(rig.chat(of_a).await, Err(EngineErrorKind::BadRequest), "no other would take it");
    assert_eq!(b.chats(), 1);
}

fn favourite(rig: &Rig, affinity: u64) -> usize {
    let members = rig.pool.lock();
    let candidates =
        members.iter().map(|member| Candidate { key: member.key, slots: member.slots(), taken: 0 });
    choose::choose(affinity, &candidates.collect::<Vec<_>>()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_waits_at_an_engine_that_dies_goes_to_another() {
    let (a, b) = (Made::new("a", 8), Made::new("b", 8));
    let rig = rig(&[&a, &b]).await;
    a.goes(Way::Hang);
    a.tells(Err(EngineErrorKind::Timeout));
    let start = Instant::now();
    let answers = rig.chats(0..8).await;
    assert!(answers.iter().all(|answer| *answer == Ok(("b".into(), 2, None))), "{answers:?}");
    assert!(start.elapsed() < Duration::from_secs(15), "two probes find it out: {:?}", start.elapsed());
    assert_eq!((rig.state(0).health, rig.slots()), (Health::Down, 8));
    a.goes(Way::Answer);
    a.tells(Ok(EngineFacts { slots: Some(5), ..EngineFacts::default() }));
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!((rig.state(0).health, rig.slots()), (Health::Up, 13), "it came back with other slots");
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_was_left_lingers_until_its_engine_is_known_to_be_free() {
    let a = Made::new("a", 2);
    let facts = |busy| Ok(EngineFacts { slots: Some(2), busy, ..EngineFacts::default() });
    let rig = rig(&[&a]).await;
    a.goes(Way::Hang);
    let leave = async || assert!(tokio::time::timeout(Duration::from_secs(1), rig.chat(0)).await.is_err());

    leave().await;
    assert_eq!((rig.state(0).lingering, rig.slots()), (1, 1), "it does not tell");
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!((rig.state(0).lingering, rig.slots()), (0, 2), "so two seconds are enough");

    a.tells(facts(Some(1)));
    tokio::time::sleep(Duration::from_secs(6)).await;
    leave().await;
    tokio::time::sleep(Duration::from_secs(40)).await;
    assert_eq!((rig.state(0).lingering, rig.slots()), (1, 1), "it tells that it works on");
    a.tells(facts(Some(0)));
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!((rig.state(0).lingering, rig.slots()), (0, 2), "it tells that it is free");

    a.tells(facts(Some(1)));
    tokio::time::sleep(Duration::from_secs(6)).await;
    leave().await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert_eq!((rig.state(0).lingering, rig.slots()), (0, 2), "nobody is waited for without end");
}

#[tokio::test(start_paused = true)]
async fn a_draining_engine_ends_what_it_has_and_gets_nothing_new() {
    let (a, b) = (Made::new("a", 2), Made::new("b", 2));
    let rig = rig(&[&a, &b]).await;
    let running = rig.chats(0..4);
    let drained = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(rig.pool.drain("a") && !rig.pool.drain("c"));
        assert_eq!(rig.slots(), 4, "what runs there counts");
    };
    let (answers, ()) = tokio::join!(running, drained);
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(rig.slots(), 2);
    assert!(rig.chats(0..2).await.iter().all(|answer| answer.as_ref().is_ok_and(|answer| answer.0 == "b")));
    assert!(rig.pool.undrain("a"));
    assert_eq!(rig.slots(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_failures_is_not_doubled() {
    let engines: Vec<Arc<Made>> = (0..3).map(|place| Made::new(&place.to_string(), 500)).collect();
    let rig = rig(&engines.iter().collect::<Vec<_>>()).await;
    // Not an error on which the breakers open: they would end the storm before the budget does.
    engines.iter().for_each(|engine| engine.goes(Way::Fail(EngineErrorKind::NotFound)));
    let answers = rig.chats(0..300).await;
    assert!(answers.iter().all(|answer| answer.is_err()));
    let asked: u64 = engines.iter().map(|engine| engine.chats()).sum();
    // 300 requests earn 30 fail-overs; 10 are there to begin with.
    assert!((335..=340).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn what_an_engine_told_before_another_took_over_is_not_charged() {
    let (a, b) = (Made::new("a", 4), Made::new("b", 4));
    let rig = rig(&[&a, &b]).await;
    a.goes(Way::ErrorEvent);
    let of_a = (0..).find(|affinity| favourite(&rig, *affinity) == 0).unwrap();
    let meter = Arc::new(Meter::new(Expected { body_bytes: 5000, prompt_tokens: 40, output_tokens: 9 }));
    let request =
        EngineRequest { body: Bytes::new(), model: None, affinity: of_a, cancel: CancellationToken::new() };
    let reply = rig.pool.chat(request, &meter).await.map(|reply| reply.engine.to_string());
    assert_eq!((reply.unwrap().as_str(), a.chats()), ("b", 1));
    assert_eq!((meter.best_known().prompt_tokens, meter.best_known().completion_tokens), (40, 1));
}

#[tokio::test(start_paused = true)]
async fn the_operator_may_lower_what_an_engine_tells_and_not_raise_it() {
    for (set, slots) in [(1, 1), (9, 2)] {
        let a = Made::new("a", 2);
        let settings = EngineSettings { slots: Some(set), ..EngineSettings::default() };
        let mut member = Member::new(a.clone(), settings, Instant::now());
        let facts = a.probe().await.unwrap();
        member.probed(facts, (Instant::now(), 0), Instant::now());
        assert_eq!(member.slots(), slots);
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_says_nothing_of_what_was_left_after_it_was_sent() {
    let (start, second) = (Instant::now(), Duration::from_secs(1));
    let mut member = Member::new(Made::new("a", 2), EngineSettings::default(), start);
    let idle = EngineFacts { busy: Some(0), ..EngineFacts::default() };
    member.running = 1;
    member.ended(&member::Outcome::Left, Some(60 * second), start + 2 * second);
    member.probed(idle.clone(), (start + second, 0), start + 3 * second);
    assert_eq!(member.lingering.len(), 1);
    member.probed(idle, (start + 4 * second, 0), start + 5 * second);
    assert_eq!(member.lingering.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_engines_that_serve_a_model_are_asked_for_it() {
    let (a, b) = (Made::new("a", 1), Made::new("b", 1));
    b.tells(Ok(EngineFacts { slots: Some(1), models: vec!["big".into()], ..EngineFacts::default() }));
    let set = EngineSettings { models: vec!["small".into()], ..EngineSettings::default() };
    let pool =
        Pool::new(vec![(a.clone(), set), (b.clone(), EngineSettings::default())], PoolSettings::default());
    let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
    let (running, stopped) = (pool.clone(), stop.clone());
    tasks.spawn(async move { running.run(stopped).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    let ask = async |model: &str| {
        let request = EngineRequest {
            body: Bytes::new(),
            model: Some(model.into()),
            affinity: 1,
            cancel: CancellationToken::new(),
        };
        let reply = pool.chat(request, &Arc::new(Meter::new(Expected::default()))).await;
        reply.map(|reply| reply.engine.to_string()).map_err(|error| error.kind)
    };
    assert_eq!(ask("small").await, Ok("a".into()));
    assert_eq!(ask("big").await, Ok("b".into()));
    assert_eq!(ask("none").await, Err(EngineErrorKind::NotFound));
    stop.cancel();
    tasks.close();
    tasks.wait().await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_without_known_slots_is_given_more_as_it_proves_fast() {
    let a = Made::new("a", 1);
    a.tells(Ok(EngineFacts::default()));
    let rig = rig(&[&a]).await;
    assert_eq!(rig.slots(), 1);
    for _ in 0..10 {
        rig.chats(0..u64::from(rig.slots())).await;
    }
    assert!(rig.slots() >= 8, "{}", rig.slots());
    a.tells(Ok(EngineFacts { waiting: Some(3), ..EngineFacts::default() }));
    let before = rig.slots();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert!(rig.slots() < before, "its own queue says that it has too much");
}

#[tokio::test]
async fn a_pool_that_stops_leaves_no_task() {
    let a = Made::new("a", 1);
    let rig = rig(&[&a]).await;
    rig.stop.cancel();
    rig.tasks.close();
    tokio::time::timeout(Duration::from_secs(5), rig.tasks.wait()).await.expect("it ends");
}
