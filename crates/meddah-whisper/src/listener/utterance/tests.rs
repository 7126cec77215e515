//! Looks at an utterance while it grows, without a model: what is asked of one, and what becomes of its answers.

use futures::stream;
use meddah_speech::voice_activity_detection::FRAME_SAMPLES;

use super::*;

/// Takes everything loud for a voice.
struct Loudness;

impl VoiceActivity for Loudness {
    fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> f32 {
        if frame.iter().any(|sample| sample.abs() > 0.05) { 1.0 } else { 0.0 }
    }

    fn reset(&mut self) {}
}

/// The sound that is sent, what is asked of the model, and the utterance.
struct Rig {
    sound: mpsc::UnboundedSender<Pcm>,
    jobs: mpsc::Receiver<Job>,
    utterance: Utterance,
}

impl Rig {
    fn new(partial: Partial) -> Rig {
        let (jobs_sent, jobs) = mpsc::channel(8);
        let (sound, pieces) = mpsc::unbounded_channel();
        let pieces = stream::unfold(pieces, |mut pieces| async move { Some((pieces.recv().await?, pieces)) });
        let request = ListenRequest { sound: pieces.boxed(), language: None, names: Vec::new(), partial };
        let utterance = Utterance::judged_by(Box::new(Loudness), jobs_sent, request);
        Rig { sound, jobs, utterance }
    }

    /// Tenths of a second of a voice or of silence.
    fn hears(&self, voice: bool, tenths: usize) {
        for _ in 0..tenths {
            let samples = (0..1_600).map(|at| if voice { (at as f32 * 0.2).sin() * 0.3 } else { 0.0 });
            self.sound.send(Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples: samples.collect() }).unwrap();
        }
    }

    /// Lets it take all the sound that was sent.
    async fn takes_it(&mut self) {
        tokio::select! {
            biased;
            told = self.utterance.next() => panic!("nothing was to be told, not {told:?}"),
            () = tokio::task::yield_now() => {}
        }
    }

    /// What the model is asked, and how much of it in tenths of a second; nothing if it is not asked.
    fn asked(&mut self) -> Option<(usize, Job)> {
        let job = self.jobs.try_recv().ok()?;
        Some((job.samples.len() / 1_600, job))
    }

    /// What it is asked in the pause behind a second of speech.
    async fn asked_in_pause(&mut self) -> Job {
        self.hears(true, 10);
        self.hears(false, 2);
        self.takes_it().await;
        let (tenths, job) = self.asked().expect("the pause is looked at");
        assert_eq!((tenths, job.is_final), (12, false));
        assert!(self.asked().is_none());
        job
    }

    /// The next transcript.
    async fn told(&mut self) -> Transcript {
        self.utterance.next().await.unwrap().unwrap()
    }

    /// The sound is over. What was understood in the end; `model` gets what it is asked then.
    async fn ends(mut self, model: impl FnOnce(Option<Job>)) -> Transcript {
        drop(self.sound);
        let asked = async {
            tokio::task::yield_now().await;
            model(self.jobs.try_recv().ok());
        };
        let (told, ()) = tokio::join!(self.utterance.next(), asked);
        told.unwrap().unwrap()
    }
}

fn heard(job: Job, text: &str) {
    job.answer.send(Ok(Some(text.into()))).unwrap();
}

/// Hears all of so many tenths of a second.
fn hears_all(job: Option<Job>, tenths: usize, text: &str) {
    let job = job.expect("all of it is looked at");
    assert_eq!((job.samples.len() / 1_600, job.is_final), (tenths, true));
    heard(job, text);
}

#[tokio::test]
async fn what_was_understood_in_the_last_pause_is_all_and_not_asked_again() {
    let mut rig = Rig::new(Partial::InPauses);
    heard(rig.asked_in_pause().await, "hail to you");
    assert_eq!(rig.told().await, Transcript::in_pause("hail to you"));
    rig.hears(false, 5);
    rig.takes_it().await;
    assert!(rig.asked().is_none(), "silence is not looked at again");
    let last = rig.ends(|asked| assert!(asked.is_none())).await;
    assert_eq!(last, Transcript::last("hail to you"));
}

#[tokio::test]
async fn the_end_waits_for_what_is_being_understood_already() {
    let mut rig = Rig::new(Partial::InPauses);
    let job = rig.asked_in_pause().await;
    let last = rig.ends(|asked| {
        assert!(asked.is_none());
        heard(job, "hail");
    });
    assert_eq!(last.await, Transcript::last("hail"));
}

#[tokio::test]
async fn who_speaks_on_is_understood_anew() {
    let mut rig = Rig::new(Partial::InPauses);
    heard(rig.asked_in_pause().await, "hail");
    assert_eq!(rig.told().await, Transcript::in_pause("hail"));
    rig.hears(true, 5);
    let last = rig.ends(|asked| hears_all(asked, 17, "hail to you")).await;
    assert_eq!(last, Transcript::last("hail to you"));
}

#[tokio::test]
async fn what_is_understood_for_nothing_ends_when_they_speak_on() {
    let mut rig = Rig::new(Partial::InPauses);
    let job = rig.asked_in_pause().await;
    rig.hears(true, 2);
    rig.takes_it().await;
    assert!(job.cancel.is_cancelled() && rig.asked().is_none());
    rig.hears(false, 2);
    rig.takes_it().await;
    let (tenths, job) = rig.asked().expect("the next pause is looked at");
    assert_eq!((tenths, job.is_final), (16, false));
    heard(job, "hail to you");
    assert_eq!(rig.told().await, Transcript::in_pause("hail to you"));
}

#[tokio::test]
async fn when_others_went_first_the_end_is_asked_again() {
    let mut rig = Rig::new(Partial::InPauses);
    let job = rig.asked_in_pause().await;
    let Rig { sound, mut jobs, mut utterance } = rig;
    drop(sound);
    let model = async {
        tokio::task::yield_now().await;
        job.answer.send(Ok(None)).unwrap();
        hears_all(jobs.recv().await, 12, "hail");
    };
    let (last, ()) = tokio::join!(utterance.next(), model);
    assert_eq!(last.unwrap().unwrap(), Transcript::last("hail"));
}

#[tokio::test]
async fn nothing_is_looked_at_before_the_end_where_nobody_wants_to_know() {
    let mut rig = Rig::new(Partial::No);
    rig.hears(true, 10);
    rig.hears(false, 5);
    rig.takes_it().await;
    assert!(rig.asked().is_none());
}

#[tokio::test]
async fn a_pause_ends_the_look_at_less() {
    let mut rig = Rig::new(Partial::Always);
    rig.hears(true, 10);
    rig.takes_it().await;
    let (tenths, less) = rig.asked().expect("half a second is new");
    assert_eq!(tenths, 5);
    rig.hears(false, 2);
    rig.takes_it().await;
    assert!(less.cancel.is_cancelled());
    let (tenths, job) = rig.asked().expect("the pause is looked at");
    assert_eq!((tenths, job.is_final), (12, false));
    heard(job, "hail");
    assert_eq!(rig.told().await, Transcript::in_pause("hail"));
}

#[tokio::test]
async fn no_more_is_looked_at_than_the_worker_takes() {
    let mut rig = Rig::new(Partial::Always);
    // No other piece ends where the utterance has to.
    let odd = Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples: vec![0.3; 800] };
    rig.sound.send(odd).unwrap();
    let mut looks = 0;
    for _ in 0..2 * UTTERANCE_MAX.as_secs() {
        rig.hears(true, 5);
        rig.takes_it().await;
        while let Some((_, job)) = rig.asked() {
            assert!(job.samples.len() <= SAMPLES_MAX, "{}", job.samples.len());
            looks += 1;
            job.answer.send(Ok(None)).ok(); // it was aborted
        }
    }
    assert!(looks > UTTERANCE_MAX.as_secs(), "{looks}");
}
