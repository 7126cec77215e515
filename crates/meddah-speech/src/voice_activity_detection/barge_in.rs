//! A player who speaks while a character does.
//!
//! The character has to stop within 150 ms, and must not be stopped by its own voice from the loudspeakers. How loud
//! that comes back is learned from what is played and what is heard at the same time: with headphones not at all.

use std::collections::VecDeque;
use std::time::Duration;

use super::frames::{Frames, Recent};
use super::{VoiceActivity, time};

/// So many voiced frames of so many: 64 of 112 ms.
const FRAMES: u32 = 4;
const OF: u32 = 7;
/// Echo comes back within a quarter of a second, and the room holds it.
const ECHO_FRAMES: usize = 16;
/// The voice has to be louder than the echo by so much, dB.
const ABOVE_ECHO_DB: f32 = 4.0;
/// Where nothing is known yet, the echo is as loud as what is played.
const ECHO_AT_FIRST_DB: f32 = 0.0;
/// Less is none.
const ECHO_MIN_DB: f32 = -80.0;
/// How fast the estimate falls, dB a frame: 12 dB a second, and 60 where the microphone hears nearly nothing.
const FALLS_DB: f32 = 0.2;
const FALLS_IN_SILENCE_DB: f32 = 1.0;
/// How fast it rises at most: less than the player's voice is there before it counts.
const RISES_DB: f32 = 0.4;
/// What is played softer than that has no echo, dB below full scale.
const PLAYED_MIN_DB: f32 = -45.0;
/// As silent is the microphone where no echo is, dB above the noise.
const SILENT_ABOVE_NOISE_DB: f32 = 2.0;

/// Notices that the player speaks.
pub struct BargeIn {
    frames: Frames,
    count: u64,
    recent: Recent,
    /// Levels of what was played and of what was heard lately, dB.
    played: VecDeque<f32>,
    heard: VecDeque<f32>,
    /// How much louder the echo is than what is played, dB.
    echo_db: f32,
    /// Voiced frames that are needed.
    needed: u32,
    of: u32,
    told: bool,
}

impl BargeIn {
    /// Begins with loudspeakers that are as loud as can be.
    pub fn new(judge: Box<dyn VoiceActivity>) -> BargeIn {
        BargeIn {
            frames: Frames::new(judge),
            count: 0,
            recent: Recent::default(),
            played: VecDeque::new(),
            heard: VecDeque::new(),
            echo_db: ECHO_AT_FIRST_DB,
            needed: FRAMES,
            of: OF,
            told: false,
        }
    }

    /// Lets a cough or an "mm" of so many milliseconds pass, at most 400. It makes the stop later by as much.
    pub fn ignoring(mut self, ms: u32) -> BargeIn {
        let more = ms.min(400) / 16;
        self.needed = FRAMES.max(more * 4 / 5 + 1);
        self.of = OF.max(more + 2);
        self
    }

    /// Takes what the microphone hears at 16 kHz, and how loud the character was played meanwhile: the root mean
    /// square, 0.0 to 1.0, nothing where nothing sounds, 1.0 where it is not known. Tells since when the player
    /// speaks, once for each time that they begin. Give it pieces of about 20 ms.
    pub fn push(&mut self, heard: &[f32], played: Option<f32>) -> Option<Duration> {
        let played_db = played.map_or(f32::NEG_INFINITY, |rms| 20.0 * rms.max(1e-6).log10());
        let mut since = None;
        for samples in self.frames.cut(heard) {
            since = self.frame(samples, played_db).or(since);
        }
        since
    }

    /// Whether the microphone may hear what is played, or what was a moment ago.
    pub(super) fn hears_played(&self) -> bool {
        self.played.iter().any(|played| *played > PLAYED_MIN_DB)
    }

    /// Whether the newest frame is the player's voice.
    pub(super) fn hears_player(&self) -> bool {
        self.recent.count(1) == 1
    }

    fn frame(&mut self, samples: [f32; super::FRAME_SAMPLES], played_db: f32) -> Option<Duration> {
        // The character's own voice is no noise of the room.
        let lately = self.hears_played() || played_db > PLAYED_MIN_DB;
        let frame = self.frames.judge(samples, lately || self.recent.count(self.of) > 0);
        self.count += 1;
        let loudest_db = loudest(&mut self.played, played_db);
        let heard_db = loudest(&mut self.heard, frame.level_db);
        let is_played = loudest_db > PLAYED_MIN_DB;
        let voice =
            frame.begins && (!is_played || frame.level_db > loudest_db + self.echo_db + ABOVE_ECHO_DB);
        if is_played {
            self.learn(heard_db - loudest_db, heard_db - self.frames.noise_db());
        }
        self.recent.add(voice);
        if self.recent.count(self.of) < self.needed {
            self.told &= self.recent.count(self.of) > 0;
            return None;
        }
        let first = self.count - 1 - u64::from(self.recent.oldest(self.of));
        (!std::mem::replace(&mut self.told, true)).then(|| time(first))
    }

    /// The echo is what is heard of what is played, the loudest of either: what is soft may be a pause on its way.
    fn learn(&mut self, heard_db: f32, above_noise_db: f32) {
        let rises_or_falls = if above_noise_db < SILENT_ABOVE_NOISE_DB {
            -FALLS_IN_SILENCE_DB
        } else {
            (heard_db - self.echo_db).clamp(-FALLS_DB, RISES_DB)
        };
        self.echo_db = (self.echo_db + rises_or_falls).max(ECHO_MIN_DB);
    }
}

/// Adds a level; gives the loudest of the last ones.
fn loudest(levels: &mut VecDeque<f32>, level: f32) -> f32 {
    if levels.len() == ECHO_FRAMES {
        levels.pop_front();
    }
    levels.push_back(level);
    levels.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Loudness, stretch};
    use super::*;

    /// Pushes pieces of 20 ms; tells after how many ms it noticed.
    fn noticed(barge_in: &mut BargeIn, heard: &[f32], played: Option<f32>) -> Option<usize> {
        heard.chunks(320).position(|piece| barge_in.push(piece, played).is_some()).map(|n| (n + 1) * 20)
    }

    fn quieter(sound: Vec<f32>, factor: f32) -> Vec<f32> {
        sound.into_iter().map(|sample| sample * factor).collect()
    }

    fn fresh() -> BargeIn {
        BargeIn::new(Box::new(Loudness))
    }

    #[test]
    fn who_speaks_is_noticed_within_150_ms_and_once() {
        let mut barge_in = fresh();
        assert_eq!(noticed(&mut barge_in, &stretch(false, 1_000), None), None);
        let after = noticed(&mut barge_in, &stretch(true, 600), None).unwrap();
        assert!(after <= 150, "{after}");
        let mut again = fresh();
        noticed(&mut again, &stretch(false, 1_000), None);
        let times = stretch(true, 900).chunks(320).filter(|piece| again.push(piece, None).is_some()).count();
        assert_eq!(times, 1);
    }

    #[test]
    fn its_own_voice_from_the_loudspeakers_is_not_the_player() {
        let mut barge_in = fresh();
        noticed(&mut barge_in, &stretch(false, 1_000), None);
        let echo = quieter(stretch(true, 4_000), 0.5);
        assert_eq!(noticed(&mut barge_in, &echo, Some(0.14)), None);
        let player = stretch(true, 600).iter().map(|sample| sample * 2.5).collect::<Vec<_>>();
        assert!(noticed(&mut barge_in, &player, Some(0.14)).is_some_and(|ms| ms <= 150));
    }

    #[test]
    fn with_headphones_a_soft_player_is_heard_over_a_loud_character() {
        let mut barge_in = fresh();
        noticed(&mut barge_in, &stretch(false, 1_000), None);
        assert_eq!(noticed(&mut barge_in, &stretch(false, 1_000), Some(0.3)), None);
        let soft = quieter(stretch(true, 600), 0.3);
        assert!(noticed(&mut barge_in, &soft, Some(0.3)).is_some_and(|ms| ms <= 150));
    }

    #[test]
    fn a_cough_may_be_let_pass() {
        let mut barge_in = fresh().ignoring(320);
        noticed(&mut barge_in, &stretch(false, 1_000), None);
        assert_eq!(noticed(&mut barge_in, &stretch(true, 200), None), None);
        noticed(&mut barge_in, &stretch(false, 1_000), None);
        assert!(noticed(&mut barge_in, &stretch(true, 900), None).is_some());
    }
}
