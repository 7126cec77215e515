//! The pool with engines over real connections: one that misbehaves must not hurt the others, nor their players.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use meddah_fakes::engine::{EngineShape, FakeEngine, Fault, Figures};
use meddah_host::engines::{
    Engine, EngineErrorKind, EngineRequest, EngineSettings, Expected, Health, HttpEngine, HttpEngineSettings,
    Meter, Pool, PoolSettings,
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longer than anything here takes on a machine with other work.
const LONG: Duration = Duration::from_secs(60);

struct Rig {
    pool: Arc<Pool>,
    stop: CancellationToken,
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn rig(fakes: &[&FakeEngine]) -> Rig {
    let engine = |(place, fake): (usize, &&FakeEngine)| {
        let mut settings = HttpEngineSettings::new(place.to_string(), &fake.base_url);
        // So long that a machine with other work does not make a sound engine look like a silent one.
        settings.limits.first_event = Duration::from_secs(4);
        settings.limits.idle = Duration::from_secs(4);
        settings.limits.whole = Duration::from_secs(30);
        settings.limits.probe = Duration::from_secs(4);
        let engine: Arc<dyn Engine> = Arc::new(HttpEngine::new(settings).expect("an address"));
        (engine, EngineSettings::default())
    };
    let settings = PoolSettings {
        probe_every: Duration::from_millis(200),
        slot_wait: Duration::from_secs(10),
        linger_max: Duration::from_secs(10),
        trial_wait: Duration::from_secs(4),
        ..PoolSettings::default()
    };
    let pool = Pool::new(fakes.iter().enumerate().map(engine).collect(), settings);
    let (stop, running) = (CancellationToken::new(), pool.clone());
    let stopped = stop.clone();
    TaskTracker::new().spawn(async move { running.run(stopped).await });
    let mut slots = pool.slots();
    tokio::time::timeout(LONG, slots.wait_for(|slots| *slots as usize == 4 * fakes.len()))
        .await
        .expect("probed in time")
        .expect("the pool");
    Rig { pool, stop }
}

fn shape() -> EngineShape {
    EngineShape {
        slots: 4,
        prefill: Duration::ZERO,
        token: Duration::from_millis(2),
        ..EngineShape::default()
    }
}

/// How an answer came out.
struct Told {
    meter: Arc<Meter>,
    error: Option<EngineErrorKind>,
}

impl Rig {
    async fn chat(&self, affinity: u64, tokens: u32) -> Result<Told, EngineErrorKind> {
        let body = format!(
            r#"{{"messages":[{{"role":"user","content":"Hello number {affinity}"}}],"max_tokens":{tokens},
                "stream":true,"stream_options":{{"include_usage":true}}}}"#
        );
        let expected = Expected { body_bytes: body.len() as u64, prompt_tokens: 40, output_tokens: tokens };
        let meter = Arc::new(Meter::new(expected));
        let request =
            EngineRequest { body: body.into(), model: None, affinity, cancel: CancellationToken::new() };
        let reply = self.pool.chat(request, &meter).await.map_err(|error| error.kind)?;
        let (mut events, mut error) = (reply.events, None);
        while let Some(event) = events.next().await {
            error = error.or(event.err().map(|error| error.kind));
        }
        Ok(Told { meter, error })
    }

    /// So many chats, four at a time; how many were answered, and how many broke off.
    async fn chats(&self, count: u64, tokens: u32) -> (usize, usize) {
        let chats =
            futures::stream::iter(0..count).map(|affinity| self.chat(affinity, tokens)).buffer_unordered(4);
        let answers: Vec<_> = chats.collect().await;
        let told = answers.iter().filter_map(|answer| answer.as_ref().ok());
        let (well, broken): (Vec<_>, Vec<_>) = told.partition(|told| told.error.is_none());
        (well.len(), broken.len())
    }

    async fn wait_for_health(&self, engine: usize, health: Health) {
        let is_so = async {
            while self.pool.states()[engine].health != health {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(LONG, is_so)
            .await
            .unwrap_or_else(|_| panic!("{:?}", self.pool.states()[engine]));
    }
}

#[tokio::test]
async fn load_is_shared_and_no_engine_ever_has_a_queue() {
    let (a, b) = (FakeEngine::start(shape()).await, FakeEngine::start(shape()).await);
    let rig = rig(&[&a, &b]).await;
    let chats = futures::stream::iter(0..80).map(|affinity| rig.chat(affinity, 10)).buffer_unordered(8);
    let answers: Vec<_> = chats.collect().await;
    assert!(answers.iter().all(|answer| answer.as_ref().is_ok_and(|told| told.error.is_none())));
    for figures in [a.figures(), b.figures()] {
        assert_eq!((figures.most_waiting, figures.cancelled, figures.failed), (0, 0, 0), "{figures:?}");
        assert!(figures.finished >= 20, "{figures:?}");
    }
    assert!(a.figures().connections + b.figures().connections <= 20, "connections are kept");
}

#[tokio::test]
async fn whatever_one_engine_does_before_the_first_event_its_players_are_answered_by_the_other() {
    for fault in [
        Fault::HangBeforeHead,
        Fault::Status(500),
        Fault::Garbage,
        Fault::Noise,
        Fault::ErrorAfter(0),
        Fault::CutAfter(0),
    ] {
        let (a, b) = (FakeEngine::start(shape()).await, FakeEngine::start(shape()).await);
        let rig = rig(&[&a, &b]).await;
        a.set_fault(fault);
        assert_eq!(rig.chats(60, 4).await, (60, 0), "{fault:?}");
        // Whoever failed at first rests by now, so that few had to wait for it.
        let states = rig.pool.states();
        assert!(states[0].failed <= 12, "{fault:?}: {:?}", states[0]);
        assert_eq!((states[1].failed, states[1].health), (0, Health::Up), "{fault:?}");
    }
}

#[tokio::test]
async fn what_breaks_off_in_the_middle_is_told_and_the_engine_rests() {
    for fault in [Fault::HangAfter(2), Fault::CutAfter(2), Fault::ErrorAfter(2), Fault::Oversized(2 << 20)] {
        let (a, b) = (FakeEngine::start(shape()).await, FakeEngine::start(shape()).await);
        let rig = rig(&[&a, &b]).await;
        a.set_fault(fault);
        let (well, broken) = rig.chats(60, 4).await;
        assert_eq!(well + broken, 60, "{fault:?}");
        assert!((1..=12).contains(&broken), "{fault:?}: {broken}");
        assert_eq!(rig.pool.states()[1].failed, 0, "{fault:?}");
    }
}

#[tokio::test]
async fn an_engine_that_failed_for_a_while_is_back_after_its_rest() {
    let (a, b) = (FakeEngine::start(shape()).await, FakeEngine::start(shape()).await);
    let rig = rig(&[&a, &b]).await;
    a.set_fault(Fault::Status(500));
    assert_eq!(rig.chats(40, 4).await, (40, 0));
    rig.wait_for_health(0, Health::Resting).await;
    a.clear_fault();
    rig.wait_for_health(0, Health::Up).await;
    let before = a.figures().finished;
    assert_eq!(rig.chats(40, 4).await, (40, 0));
    assert!(a.figures().finished > before);
}

#[tokio::test]
async fn an_engine_that_was_restarted_is_found_again() {
    let (a, b) = (FakeEngine::start(shape()).await, FakeEngine::start(shape()).await);
    let rig = rig(&[&a, &b]).await;
    let port = a.port();
    a.stop().await;
    assert_eq!(rig.chats(30, 4).await, (30, 0));
    rig.wait_for_health(0, Health::Down).await;
    assert_eq!(*rig.pool.slots().borrow(), 4);
    let again = FakeEngine::start_on(EngineShape { slots: 2, ..shape() }, port).await;
    rig.wait_for_health(0, Health::Up).await;
    assert_eq!(*rig.pool.slots().borrow(), 6, "with what it has now");
    assert_eq!(rig.chats(40, 4).await, (40, 0));
    assert!(again.figures().finished > 0);
}

#[tokio::test]
async fn a_frozen_engine_is_left_by_those_who_wait_there() {
    let (a, b) = (FakeEngine::start(shape()).await, FakeEngine::start(shape()).await);
    let rig = rig(&[&a, &b]).await;
    a.set_fault(Fault::Frozen);
    assert_eq!(rig.chats(40, 4).await, (40, 0));
    rig.wait_for_health(0, Health::Down).await;
    a.clear_fault();
    rig.wait_for_health(0, Health::Up).await;
}

#[tokio::test]
async fn an_engine_that_lies_about_usage_is_charged_by_what_it_delivered() {
    let a = FakeEngine::start(shape()).await;
    let rig = rig(&[&a]).await;
    let honest = rig.chat(1, 40).await.unwrap().meter;
    assert_eq!(honest.best_known().completion_tokens, 40);
    for lie in [Fault::Usage(0, 0), Fault::Usage(u64::MAX, u64::MAX), Fault::NoUsage] {
        a.set_fault(lie);
        let told = rig.chat(1, 40).await.unwrap();
        let usage = told.meter.best_known();
        assert_eq!(told.error, None);
        assert_eq!(usage.prompt_tokens, 40, "as reserved");
        assert!((40..=60).contains(&usage.completion_tokens), "{lie:?}: {usage:?}");
    }
}

#[tokio::test]
async fn a_player_who_leaves_is_metered_and_the_slot_is_free_at_once() {
    let a = FakeEngine::start(EngineShape { token: Duration::from_millis(20), ..shape() }).await;
    let rig = rig(&[&a]).await;
    let meter = Arc::new(Meter::new(Expected { body_bytes: 99, prompt_tokens: 10, output_tokens: 1000 }));
    let body = r#"{"messages":[{"content":"Hi"}],"max_tokens":1000,"stream":true}"#;
    let request =
        EngineRequest { body: body.into(), model: None, affinity: 1, cancel: CancellationToken::new() };
    let mut events = rig.pool.chat(request, &meter).await.unwrap().events;
    for _ in 0..6 {
        events.next().await.unwrap().unwrap();
    }
    drop(events);
    let usage = meter.best_known();
    assert_eq!(usage.prompt_tokens, 10);
    assert!((5..=10).contains(&usage.completion_tokens), "{usage:?}");
    a.wait_for(LONG, |figures| figures.running == 0).await.expect("stopped");
    let mut slots = rig.pool.slots();
    let start = Instant::now();
    tokio::time::timeout(LONG, slots.wait_for(|slots| *slots == 4)).await.unwrap().unwrap();
    assert!(start.elapsed() < Duration::from_secs(9), "its own word frees the slot: {:?}", start.elapsed());
    assert_eq!((rig.pool.states()[0].left, rig.pool.states()[0].lingering), (1, 0));
}

#[tokio::test]
async fn an_engine_that_ignores_who_leaves_keeps_the_slot_until_it_is_done() {
    let a = FakeEngine::start(EngineShape { slots: 4, token: Duration::from_millis(10), ..shape() }).await;
    let rig = rig(&[&a]).await;
    a.set_fault(Fault::IgnoresCancel);
    // Four leave after a moment; their answers take 1.5 s.
    let left =
        (0..4).map(|affinity| tokio::time::timeout(Duration::from_millis(300), rig.chat(affinity, 150)));
    assert!(futures::future::join_all(left).await.iter().all(Result::is_err));
    let busy = |figures: &Figures| figures.running == 4;
    assert!(busy(&a.figures()) && rig.pool.states()[0].lingering == 4);
    assert_eq!(*rig.pool.slots().borrow(), 0);
    a.clear_fault();
    // The next one waits here, and not in the engine's queue.
    assert!(rig.chat(9, 4).await.is_ok_and(|told| told.error.is_none()));
    let figures = a.figures();
    assert_eq!((figures.most_waiting, figures.finished), (0, 1), "{figures:?}");
}
