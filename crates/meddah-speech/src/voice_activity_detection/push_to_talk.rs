//! A key that is held while speaking.
//!
//! People press it late and let it go early, with the last syllable still to come.

use std::collections::VecDeque;
use std::time::Duration;

use super::frames::{Frame, Frames};
use super::utterance::join_sounds;
use super::{FRAME_SAMPLES, PRE_ROLL, Utterance, VoiceActivity, frames_in, sound, time};
use crate::UTTERANCE_MAX;

/// So long it listens after the key was let go at least, and at most where a voice goes on.
const TAIL_MIN: Duration = Duration::from_millis(160);
const TAIL_MAX: Duration = Duration::from_millis(304);
/// So long a silence within the tail is the end.
const TAIL_SILENCE_FRAMES: u64 = 4;

/// Follows the key.
pub struct PushToTalk {
    frames: Frames,
    count: u64,
    key: Key,
    /// The last frames, for a voice that was there before the key.
    before: VecDeque<[f32; FRAME_SAMPLES]>,
}

#[derive(Clone, Copy)]
enum Key {
    /// Nobody speaks.
    Up,
    /// It is held.
    Down(Held),
    /// It was let go at this frame.
    Tail(Held, u64),
}

#[derive(Clone, Copy)]
struct Held {
    /// The first frame of the voice, if there was one.
    began: Option<u64>,
    /// Behind its last one.
    until: u64,
}

impl PushToTalk {
    /// Begins with the key up.
    pub fn new(judge: Box<dyn VoiceActivity>) -> PushToTalk {
        PushToTalk { frames: Frames::new(judge), count: 0, key: Key::Up, before: VecDeque::new() }
    }

    /// The key is pressed.
    pub fn down(&mut self) {
        self.key = match self.key {
            Key::Up => Key::Down(Held { began: None, until: self.count }),
            // Pressed again before the tail was over: it goes on.
            Key::Down(held) | Key::Tail(held, _) => Key::Down(held),
        };
    }

    /// The key is let go.
    pub fn up(&mut self) {
        if let Key::Down(held) = self.key {
            self.key = Key::Tail(held, self.count);
        }
    }

    /// Takes sound at 16 kHz all the time, key or not, and tells what was said. A key without a voice tells nothing.
    /// Silence before the voice is left out.
    pub fn push(&mut self, samples: &[f32]) -> Vec<Utterance> {
        let mut told = Vec::new();
        for samples in self.frames.cut(samples) {
            let speaking = matches!(self.key, Key::Down(Held { began: Some(_), .. }) | Key::Tail(..));
            let frame = self.frames.judge(samples, speaking);
            self.count += 1;
            self.key = match self.key {
                Key::Up => Key::Up,
                Key::Down(held) => self.held(held, &frame, &mut told),
                Key::Tail(held, since) => self.tail(held, since, &frame, &mut told),
            };
            if matches!(self.key, Key::Up | Key::Down(Held { began: None, .. })) {
                if self.before.len() == frames_in(PRE_ROLL) {
                    self.before.pop_front();
                }
                self.before.push_back(frame.samples);
            }
        }
        join_sounds(told)
    }

    fn held(&mut self, held: Held, frame: &Frame, told: &mut Vec<Utterance>) -> Key {
        let held = self.follow(held, frame, told);
        match held.began {
            Some(began) if time(self.count - began) >= UTTERANCE_MAX => self.end(held, told),
            _ => Key::Down(held),
        }
    }

    fn tail(&mut self, held: Held, since: u64, frame: &Frame, told: &mut Vec<Utterance>) -> Key {
        let held = self.follow(held, frame, told);
        let tail = time(self.count - since);
        let silent = self.count - held.until >= TAIL_SILENCE_FRAMES;
        if tail >= TAIL_MAX || tail >= TAIL_MIN && silent {
            self.end(held, told)
        } else {
            Key::Tail(held, since)
        }
    }

    fn follow(&mut self, mut held: Held, frame: &Frame, told: &mut Vec<Utterance>) -> Held {
        // The key says that somebody means to speak, so a hint of a voice is enough.
        let voice = frame.begins || frame.goes_on;
        if held.began.is_none() && voice {
            held.began = Some(self.count - 1);
            told.push(Utterance::Began { at: time(self.count - 1) });
            told.push(sound(self.before.drain(..).flatten().collect()));
        }
        if held.began.is_some() {
            told.push(sound(frame.samples.to_vec()));
        }
        if voice {
            held.until = self.count;
        }
        held
    }

    fn end(&mut self, held: Held, told: &mut Vec<Utterance>) -> Key {
        if held.began.is_some() {
            told.push(Utterance::Ended { at: time(self.count), speech_until: time(held.until) });
        }
        Key::Up
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Loudness, stretch, stretches};
    use super::*;

    fn fresh() -> PushToTalk {
        PushToTalk::new(Box::new(Loudness))
    }

    fn shown(told: &[Utterance]) -> Vec<(&'static str, u128)> {
        let shown = |event: &Utterance| match event {
            Utterance::Began { at } => ("began", at.as_millis()),
            Utterance::Sound(pcm) => ("sound", pcm.duration().as_millis()),
            Utterance::Ended { speech_until, .. } => ("ended", speech_until.as_millis()),
            other => panic!("{other:?}"),
        };
        told.iter().map(shown).collect()
    }

    #[test]
    fn the_voice_before_and_after_the_key_is_heard_and_silence_is_not() {
        let mut key = fresh();
        assert_eq!(key.push(&stretches(&[800])), []);
        key.down();
        let mut told = key.push(&stretches(&[800, 800]));
        key.up();
        told.extend(key.push(&stretches(&[0, 96, 400])));
        let told = shown(&join_sounds(told));
        assert_eq!(told, [("began", 1_600), ("sound", 304 + 896 + 64), ("ended", 2_496)]);
    }

    #[test]
    fn whoever_speaks_on_without_the_key_is_heard_for_a_moment() {
        let mut key = fresh();
        key.push(&stretches(&[800]));
        key.down();
        key.push(&stretch(true, 800));
        key.up();
        let told = key.push(&stretch(true, 800));
        let Some(Utterance::Ended { at, .. }) = told.last() else { panic!("{told:?}") };
        assert_eq!(*at, Duration::from_millis(1_600) + TAIL_MAX);
    }

    #[test]
    fn a_key_without_a_voice_tells_nothing() {
        let mut key = fresh();
        key.push(&stretches(&[800]));
        key.down();
        key.push(&stretches(&[800]));
        key.up();
        assert_eq!(key.push(&stretches(&[800])), []);
    }

    #[test]
    fn a_key_that_slipped_goes_on_with_the_same_utterance() {
        let mut key = fresh();
        key.push(&stretches(&[800]));
        key.down();
        let mut told = key.push(&stretch(true, 400));
        key.up();
        told.extend(key.push(&stretch(true, 80)));
        key.down();
        told.extend(key.push(&stretch(true, 400)));
        assert_eq!(told.iter().filter(|event| matches!(event, Utterance::Began { .. })).count(), 1);
        assert!(!told.iter().any(|event| matches!(event, Utterance::Ended { .. })));
    }
}
