//! The ladder of listeners under faults, in simulated time.

use super::*;
use crate::{Partial, ScriptedListener};

const PATIENCE: Duration = Duration::from_secs(2);

/// Takes so long before it listens at all.
struct Slow(Duration, ScriptedListener);

#[async_trait]
impl SpeechToText for Slow {
    async fn listen(&self, request: ListenRequest) -> Result<TranscriptStream, SpeechError> {
        tokio::time::sleep(self.0).await;
        self.1.listen(request).await
    }
}

/// Fails before it hears anything.
struct Deaf(SpeechErrorKind);

#[async_trait]
impl SpeechToText for Deaf {
    async fn listen(&self, _: ListenRequest) -> Result<TranscriptStream, SpeechError> {
        Err(SpeechError::new(self.0, "as told", "help"))
    }
}

fn ladder(listeners: Vec<Arc<dyn SpeechToText>>) -> ListeningLadder {
    let rung = |(place, listener): (usize, Arc<dyn SpeechToText>)| {
        ListeningRung::new(format!("rung{place}"), listener, PATIENCE)
    };
    ListeningLadder::new(listeners.into_iter().enumerate().map(rung).collect())
}

/// Half a second in pieces of a tenth, as it is spoken.
fn request() -> ListenRequest {
    let piece = Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples: vec![0.1; 1_600] };
    let pieces = stream::iter(vec![piece; 5]).then(|piece| async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        piece
    });
    ListenRequest { sound: pieces.boxed(), language: None, names: vec!["Mira".into()], partial: Partial::No }
}

async fn understood(ladder: &ListeningLadder) -> Result<String, SpeechError> {
    let transcripts = ladder.listen(request()).await?.collect::<Vec<_>>().await;
    let finals = transcripts.iter().filter(|told| told.as_ref().map_or(true, |told| told.is_final)).count();
    assert_eq!(finals, 1, "{transcripts:?}");
    transcripts.into_iter().next_back().unwrap().map(|told| told.text)
}

fn hearing(text: &str) -> Arc<ScriptedListener> {
    Arc::new(ScriptedListener::hearing(text))
}

#[tokio::test(start_paused = true)]
async fn who_fails_halfway_costs_no_word() {
    let fails = Arc::new(ScriptedListener { fails: true, ..ScriptedListener::hearing("what") });
    let second = hearing("hail to you");
    let ladder = ladder(vec![fails.clone(), second.clone()]);
    assert_eq!(understood(&ladder).await.unwrap(), "hail to you");
    assert_eq!(second.heard(), [Duration::from_millis(500)], "from the first sound on");
    let notice = ladder.notice().unwrap();
    assert_eq!(notice.code, "listener_stepped_down");
    assert!(notice.message.starts_with("rung1 listens instead of rung0"), "{}", notice.message);
    understood(&ladder).await.unwrap();
    assert_eq!(ladder.notice(), None, "told once");
}

#[tokio::test(start_paused = true)]
async fn the_first_is_tried_again_later() {
    use SpeechErrorKind as Kind;
    for fault in [Kind::Network, Kind::Unauthorized, Kind::Quota, Kind::Overloaded, Kind::Protocol] {
        let second = hearing("hail");
        let ladder = ladder(vec![Arc::new(Deaf(fault)), second.clone()]);
        for _ in 0..3 {
            assert_eq!(understood(&ladder).await.unwrap(), "hail", "{fault:?}");
        }
        assert_eq!(second.heard().len(), 3);
        assert_eq!(ladder.notice().unwrap().code, "listener_stepped_down", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_after_the_last_word_is_left_and_the_last_is_waited_for() {
    let slow = || Arc::new(Slow(Duration::from_secs(60), ScriptedListener::hearing("late")));
    let began = Instant::now();
    assert_eq!(understood(&ladder(vec![slow(), hearing("hail")])).await.unwrap(), "hail");
    assert_eq!(began.elapsed(), Duration::from_millis(500) + PATIENCE);
    assert_eq!(
        understood(&ladder(vec![Arc::new(Deaf(SpeechErrorKind::Network)), slow()])).await.unwrap(),
        "late"
    );
}

#[tokio::test(start_paused = true)]
async fn partial_transcripts_come_through() {
    let ladder = ladder(vec![Arc::new(Deaf(SpeechErrorKind::Network)), hearing("hail to you")]);
    let request = ListenRequest { partial: Partial::Always, ..request() };
    let told: Vec<_> = ladder.listen(request).await.unwrap().map(Result::unwrap).collect().await;
    let told: Vec<_> = told.iter().map(|told| (told.text.as_str(), told.is_final)).collect();
    assert_eq!(told, [("hail", false), ("hail to", false), ("hail to you", true)]);
}

#[tokio::test(start_paused = true)]
async fn when_none_understands_all_are_named() {
    let deaf = |kind| Arc::new(Deaf(kind)) as Arc<dyn SpeechToText>;
    let error = understood(&ladder(vec![deaf(SpeechErrorKind::Quota), deaf(SpeechErrorKind::Network)])).await;
    let error = error.unwrap_err();
    assert_eq!(
        (error.kind, error.message.as_str()),
        (SpeechErrorKind::Quota, "rung0: as told; rung1: as told")
    );
    let nobody = understood(&ladder(Vec::new())).await.unwrap_err();
    assert!(nobody.kind == SpeechErrorKind::NotFound && !nobody.help.is_empty());
}
