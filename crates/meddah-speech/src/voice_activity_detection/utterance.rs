//! An open microphone: where utterances begin and end.

use std::collections::VecDeque;
use std::time::Duration;

use super::frames::{Frame, Frames, Recent};
use super::pauses::Pauses;
use super::{FRAME, FRAME_SAMPLES, PRE_ROLL, SoFar, Utterance, VoiceActivity, frames_in, sound, time};
use crate::UTTERANCE_MAX;

/// An utterance begins with so many voiced frames of so many: 112 of 160 ms. A click or a knock of 80 ms touches six.
const BEGIN_FRAMES: u32 = 7;
const BEGIN_OF: u32 = 10;
/// What is kept until then.
const BEFORE_FRAMES: usize = frames_in(PRE_ROLL) + BEGIN_OF as usize;
/// After a pause it goes on with 48 of 80 ms.
pub(super) const RESUME_FRAMES: u32 = 3;
const RESUME_OF: u32 = 5;
/// After such a silence what was said can be looked at.
const MAY_BE_OVER: Duration = Duration::from_millis(208);
/// Who begins again so soon after the end had not finished.
const REGRET: Duration = Duration::from_millis(1_600);
/// Who speaks so long without a pause makes few.
const FLUENT: Duration = Duration::from_millis(1_500);
/// What a pause is at least; less is within a word.
const PAUSE_MIN: Duration = Duration::from_millis(150);

/// Finds utterances in sound that never ends.
pub struct UtteranceDetector {
    frames: Frames,
    /// Frames so far.
    count: u64,
    recent: Recent,
    /// The last frames, for the beginning of the next utterance.
    before: VecDeque<[f32; FRAME_SAMPLES]>,
    speaking: Option<Speaking>,
    pauses: Pauses,
    so_far: SoFar,
    /// Where the last utterance's voice ended.
    last_until: Option<u64>,
}

/// An utterance that goes on.
struct Speaking {
    /// The first frame.
    began: u64,
    /// Behind the last frame with a voice.
    until: u64,
    /// It may be over.
    pausing: bool,
    /// There was a pause already.
    paused: bool,
}

impl UtteranceDetector {
    /// Begins with silence and an unknown speaker.
    pub fn new(judge: Box<dyn VoiceActivity>) -> UtteranceDetector {
        UtteranceDetector {
            frames: Frames::new(judge),
            count: 0,
            recent: Recent::default(),
            before: VecDeque::new(),
            speaking: None,
            pauses: Pauses::default(),
            so_far: SoFar::Unknown,
            last_until: None,
        }
    }

    /// What was understood so far of the utterance that goes on. It makes the wait for its end longer or shorter.
    pub fn understood(&mut self, so_far: SoFar) {
        self.so_far = so_far;
    }

    /// Somebody else speaks from now on.
    pub fn forget_speaker(&mut self) {
        self.pauses = Pauses::default();
        self.last_until = None;
    }

    /// Whether an utterance goes on.
    pub(super) fn is_open(&self) -> bool {
        self.speaking.is_some()
    }

    /// Takes sound in which a character may be heard, while no utterance goes on. It begins nothing, and is no noise of
    /// the room; `players` says that the last of it is the player's voice.
    pub(super) fn pass(&mut self, samples: &[f32], players: bool) {
        for samples in self.frames.cut(samples) {
            let frame = self.frames.judge(samples, true);
            self.count += 1;
            self.keep(&frame, players);
        }
    }

    /// The player is known to speak, since the frame that began then.
    pub(super) fn begin_at(&mut self, since: Duration) -> Vec<Utterance> {
        let began = (since.as_millis() / FRAME.as_millis()) as u64;
        let mut told = Vec::new();
        self.begin(self.count.saturating_sub(began + 1), &mut told);
        told
    }

    /// Takes sound at 16 kHz, in pieces of any size, and tells what happened in it.
    pub fn push(&mut self, samples: &[f32]) -> Vec<Utterance> {
        let mut told = Vec::new();
        for samples in self.frames.cut(samples) {
            let frame = self.frames.judge(samples, self.speaking.is_some());
            self.count += 1;
            match self.speaking.take() {
                None => self.listen(&frame, &mut told),
                Some(speaking) => self.follow(speaking, &frame, &mut told),
            }
        }
        join_sounds(told)
    }

    /// Nobody speaks so far.
    fn listen(&mut self, frame: &Frame, told: &mut Vec<Utterance>) {
        self.keep(frame, frame.begins);
        if self.recent.count(BEGIN_OF) >= BEGIN_FRAMES {
            self.begin(u64::from(self.recent.oldest(BEGIN_OF)), told);
        }
    }

    fn keep(&mut self, frame: &Frame, begins: bool) {
        self.recent.add(begins);
        if self.before.len() == BEFORE_FRAMES {
            self.before.pop_front();
        }
        self.before.push_back(frame.samples);
    }

    /// An utterance began `first` frames before the newest one.
    fn begin(&mut self, first: u64, told: &mut Vec<Utterance>) {
        let began = self.count - 1 - first;
        let silence = self.last_until.map(|until| time(began.saturating_sub(until)));
        if let Some(silence) = silence.filter(|silence| *silence < REGRET) {
            self.pauses.regret(silence);
        }
        self.so_far = SoFar::Unknown;
        told.push(Utterance::Began { at: time(began) });
        let kept = (first as usize + 1 + frames_in(PRE_ROLL)).min(self.before.len());
        let skipped = self.before.len() - kept;
        told.push(sound(self.before.drain(..).skip(skipped).flatten().collect()));
        self.speaking = Some(Speaking { began, until: self.count, pausing: false, paused: false });
    }

    /// Somebody speaks, or pauses.
    fn follow(&mut self, mut speaking: Speaking, frame: &Frame, told: &mut Vec<Utterance>) {
        self.recent.add(frame.goes_on);
        told.push(sound(frame.samples.to_vec()));
        let silence = time(self.count - speaking.until);
        if speaking.pausing {
            if self.recent.count(RESUME_OF) >= RESUME_FRAMES {
                let at = self.count - 1 - u64::from(self.recent.oldest(RESUME_OF));
                self.pauses.learn(time(at.saturating_sub(speaking.until)));
                (speaking.until, speaking.pausing, speaking.paused) = (self.count, false, true);
                told.push(Utterance::Resumed { at: time(at) });
            }
        } else if frame.goes_on {
            if silence > PAUSE_MIN {
                self.pauses.learn(silence - FRAME);
                speaking.paused = true;
            }
            speaking.until = self.count;
        } else if silence >= MAY_BE_OVER {
            speaking.pausing = true;
            told.push(Utterance::MayBeOver { at: time(speaking.until) });
        }
        let speech = time(speaking.until - speaking.began);
        let silence = time(self.count - speaking.until);
        let too_long = time(self.count - speaking.began) >= UTTERANCE_MAX;
        if too_long || silence >= self.pauses.limit(speech, self.so_far) {
            if !speaking.paused && speech >= FLUENT {
                self.pauses.learn_none();
            }
            self.recent = Recent::default();
            self.last_until = Some(speaking.until);
            told.push(Utterance::Ended { at: time(self.count), speech_until: time(speaking.until) });
        } else {
            self.speaking = Some(speaking);
        }
    }
}

/// One piece of sound instead of one for each frame.
pub(super) fn join_sounds(told: Vec<Utterance>) -> Vec<Utterance> {
    let mut joined: Vec<Utterance> = Vec::with_capacity(told.len());
    for event in told {
        match (joined.last_mut(), event) {
            (Some(Utterance::Sound(before)), Utterance::Sound(more)) => before.samples.extend(more.samples),
            (_, event) => joined.push(event),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{Loudness, stretches};
    use super::*;

    fn ms(event: &Utterance) -> (&'static str, u128) {
        match event {
            Utterance::Began { at } => ("began", at.as_millis()),
            Utterance::Sound(pcm) => ("sound", pcm.duration().as_millis()),
            Utterance::MayBeOver { at } => ("may be over", at.as_millis()),
            Utterance::Resumed { at } => ("resumed", at.as_millis()),
            Utterance::Ended { speech_until, .. } => ("ended", speech_until.as_millis()),
        }
    }

    fn told(detector: &mut UtteranceDetector, ms: &[usize]) -> Vec<Utterance> {
        detector.push(&stretches(ms))
    }

    fn fresh() -> UtteranceDetector {
        UtteranceDetector::new(Box::new(Loudness))
    }

    #[test]
    fn an_utterance_has_its_beginning_its_pause_and_its_end() {
        let told = told(&mut fresh(), &[800, 800, 400, 640, 1_600]);
        let told: Vec<_> = told.iter().map(ms).filter(|event| event.0 != "sound").collect();
        let expected = [
            ("began", 800),
            ("may be over", 1_600),
            ("resumed", 2_000),
            ("may be over", 2_640),
            ("ended", 2_640),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn the_sound_begins_before_the_voice_and_goes_on_to_the_end() {
        let told = told(&mut fresh(), &[1_600, 800, 1_600]);
        let sound: Duration = told
            .iter()
            .filter_map(|event| match event {
                Utterance::Sound(pcm) => Some(pcm.duration()),
                _ => None,
            })
            .sum();
        let Some(Utterance::Ended { at, .. }) = told.last() else { panic!("{told:?}") };
        assert_eq!(sound, *at - Duration::from_millis(1_600) + PRE_ROLL);
    }

    #[test]
    fn knocks_begin_nothing_and_prolong_nothing() {
        assert_eq!(told(&mut fresh(), &[500, 80, 300, 80, 400, 64, 500]), []);
        let one = told(&mut fresh(), &[800, 800, 400, 32, 1_600]);
        assert!(!one.iter().any(|event| matches!(event, Utterance::Resumed { .. })));
    }

    #[test]
    fn nobody_speaks_without_end() {
        let told = told(&mut fresh(), &[800, 31_000, 100]);
        assert!(told.iter().any(|event| matches!(event, Utterance::Ended { at, .. }
            if at.abs_diff(UTTERANCE_MAX) < Duration::from_secs(1))));
    }

    #[test]
    fn words_that_cannot_be_all_keep_the_utterance_open() {
        let end_ms = |so_far| {
            let mut detector = fresh();
            told(&mut detector, &[800, 800]);
            detector.understood(so_far);
            let told = detector.push(&stretches(&[2_400]));
            told.iter().find_map(|event| match event {
                Utterance::Ended { at, .. } => Some(at.as_millis()),
                _ => None,
            })
        };
        let [complete, unknown, open] = [SoFar::Complete, SoFar::Unknown, SoFar::Open].map(end_ms);
        assert!(complete < unknown && unknown < open, "{complete:?} {unknown:?} {open:?}");
    }

    #[test]
    fn who_was_cut_off_is_waited_for_longer() {
        let mut detector = fresh();
        let ends = |told: &[Utterance]| told.iter().filter(|event| ms(event).0 == "ended").count();
        let slow = [800, 800, 1_008, 800, 1_008, 800, 1_008, 800, 1_008, 800, 3_000];
        assert!((2..5).contains(&ends(&told(&mut detector, &slow))), "a stranger");
        assert_eq!(ends(&told(&mut detector, &slow)), 1, "now it knows");
        detector.forget_speaker();
        assert!(ends(&told(&mut detector, &slow)) > 1);
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_tell_the_same(
            lengths in prop::collection::vec(20_usize..900, 1..12),
            sizes in prop::collection::vec(1_usize..3_000, 1..10),
        ) {
            let sound = stretches(&lengths);
            let whole = fresh().push(&sound);
            let mut detector = fresh();
            let (mut told, mut rest, mut sizes) = (Vec::new(), sound.as_slice(), sizes.into_iter().cycle());
            while !rest.is_empty() {
                let (piece, behind) = rest.split_at(sizes.next().unwrap_or(1).min(rest.len()));
                told.extend(detector.push(piece));
                rest = behind;
            }
            prop_assert_eq!(&join_sounds(told), &whole);
            let kinds: Vec<_> = whole.iter().map(|event| ms(event).0).filter(|kind| *kind != "sound").collect();
            for pair in kinds.windows(2) {
                let follows = match pair[0] {
                    "began" | "resumed" => pair[1] == "may be over" || pair[1] == "ended",
                    "may be over" => pair[1] == "resumed" || pair[1] == "ended",
                    _ => pair[1] == "began",
                };
                prop_assert!(follows, "{:?}", kinds);
            }
        }
    }
}
