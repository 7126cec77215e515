//! The ladder under faults, in simulated time.

use std::sync::Mutex;

use super::*;
use crate::{ScriptedSpeech, VoiceSettings};

/// A voice that does as it is told.
struct Double {
    fails: Mutex<Option<SpeechErrorKind>>,
    inner: ScriptedSpeech,
}

impl Double {
    fn new(fails: Option<SpeechErrorKind>, inner: ScriptedSpeech) -> Arc<Double> {
        Arc::new(Double { fails: Mutex::new(fails), inner })
    }
}

#[async_trait]
impl TextToSpeech for Double {
    async fn voices(&self) -> Vec<Voice> {
        self.inner.voices().await
    }

    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        let fails = *self.fails.lock().unwrap();
        let spoken = self.inner.speak(request.clone()).await;
        match fails {
            Some(SpeechErrorKind::UnknownVoice) if request.settings.voice.is_none() => spoken,
            Some(kind) => Err(SpeechError::new(kind, "as told", "help")),
            None => spoken,
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(2);

fn ladder(doubles: &[&Arc<Double>]) -> SpeechLadder {
    let rung = |(place, double): (usize, &&Arc<Double>)| {
        SpeechRung::new(format!("rung{place}"), (*double).clone(), PATIENCE)
    };
    SpeechLadder::new(doubles.iter().enumerate().map(rung).collect())
}

async fn speak(ladder: &SpeechLadder) -> (usize, Option<String>) {
    let spoken = ladder.speak_with(SpeechRequest::new("one two")).await.unwrap();
    assert_eq!(spoken.stream.map(Result::unwrap).collect::<Vec<_>>().await.len(), 2);
    (spoken.rung, spoken.notice.map(|notice| notice.code))
}

#[tokio::test]
async fn a_ladder_is_a_voice() {
    let broken = Double::new(Some(SpeechErrorKind::Network), ScriptedSpeech::default());
    let well = Double::new(None, ScriptedSpeech::default());
    crate::suite::all(&ladder(&[&broken, &well]), &VoiceSettings::default()).await;
}

#[tokio::test(start_paused = true)]
async fn the_next_one_speaks_and_the_first_is_tried_again_later() {
    use SpeechErrorKind as Kind;
    for fault in
        [Kind::Network, Kind::Unauthorized, Kind::Quota, Kind::Overloaded, Kind::Refused, Kind::Protocol]
    {
        let first = Double::new(Some(fault), ScriptedSpeech::default());
        let second = Double::new(None, ScriptedSpeech::default());
        let ladder = ladder(&[&first, &second]);
        assert_eq!(speak(&ladder).await, (1, Some("voice_stepped_down".into())), "{fault:?}");
        for _ in 0..10 {
            assert_eq!(speak(&ladder).await, (1, None), "{fault:?}: told once");
        }
        let asked = first.inner.seen().len();
        // What was refused says nothing of its health.
        assert!(asked <= 3 || fault == Kind::Refused, "{fault:?}: asked {asked} times");
        *first.fails.lock().unwrap() = None;
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(speak(&ladder).await, (0, Some("voice_stepped_up".into())), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_slow_is_left_before_its_first_piece_only() {
    let slow = || ScriptedSpeech::slow(Duration::from_secs(3));
    let (first, second) = (Double::new(None, slow()), Double::new(None, ScriptedSpeech::default()));
    let began = Instant::now();
    assert_eq!(speak(&ladder(&[&first, &second])).await.0, 1);
    assert_eq!(began.elapsed(), PATIENCE);
    let last = ladder(&[&second, &first]);
    *second.fails.lock().unwrap() = Some(SpeechErrorKind::Network);
    assert_eq!(speak(&last).await.0, 1, "the last one is waited for");
    let halfway = Double::new(None, ScriptedSpeech::failing_at(1));
    *second.fails.lock().unwrap() = None;
    let spoken = ladder(&[&halfway, &second]).speak_with(SpeechRequest::new("one two")).await.unwrap();
    let pieces: Vec<_> = spoken.stream.collect().await;
    assert!(spoken.rung == 0 && pieces[0].is_ok() && pieces[1].is_err(), "what was heard stands");
}

#[tokio::test]
async fn a_voice_that_a_rung_does_not_know_is_its_usual_one_there() {
    let only = Double::new(Some(SpeechErrorKind::UnknownVoice), ScriptedSpeech::default());
    let settings = VoiceSettings { voice: Some("Rachel".into()), ..VoiceSettings::default() };
    let request = SpeechRequest { settings, ..SpeechRequest::new("one") };
    let spoken = ladder(&[&only]).speak_with(request).await.unwrap();
    assert_eq!((spoken.rung, only.inner.seen().len()), (0, 2));
}

#[tokio::test]
async fn when_none_speaks_all_are_named() {
    let (first, second) = (
        Double::new(Some(SpeechErrorKind::Quota), ScriptedSpeech::default()),
        Double::new(Some(SpeechErrorKind::Network), ScriptedSpeech::default()),
    );
    let error = ladder(&[&first, &second]).speak_with(SpeechRequest::new("one")).await.err().unwrap();
    assert_eq!(error.kind, SpeechErrorKind::Quota);
    assert_eq!(error.message, "rung0: as told; rung1: as told");
    assert_eq!(
        ladder(&[]).speak_with(SpeechRequest::new("one")).await.err().unwrap().kind,
        SpeechErrorKind::NotFound
    );
}
