//! An open microphone beside characters who speak: the player cuts them short, and their own voice from the
//! loudspeakers does not.
//!
//! While nothing is played, utterances begin as [`UtteranceDetector`] finds them. While something is, only what
//! [`BargeIn`] takes for the player begins one; its sound goes back to before the player was noticed, so that no word
//! is lost.

use super::{BargeIn, FRAME_SAMPLES, SoFar, Utterance, UtteranceDetector, VoiceActivity};

use super::utterance::join_sounds;

/// Finds the player's utterances in what the microphone hears.
pub struct OpenMicrophone {
    utterances: UtteranceDetector,
    barge_in: BargeIn,
}

impl OpenMicrophone {
    /// Begins with silence. Each of the two judges remembers what it heard, so there are two.
    pub fn new(judge: impl Fn() -> Box<dyn VoiceActivity>) -> OpenMicrophone {
        OpenMicrophone { utterances: UtteranceDetector::new(judge()), barge_in: BargeIn::new(judge()) }
    }

    /// What was understood so far of the utterance that goes on; see [`UtteranceDetector::understood`].
    pub fn understood(&mut self, so_far: SoFar) {
        self.utterances.understood(so_far);
    }

    /// Takes what was heard at 16 kHz, and how loud a character was played meanwhile; see [`BargeIn::push`].
    pub fn push(&mut self, heard: &[f32], played: Option<f32>) -> Vec<Utterance> {
        let mut told = Vec::new();
        // Both cut the same frames, and a piece as short as a frame completes one at most.
        for piece in heard.chunks(FRAME_SAMPLES) {
            let noticed = self.barge_in.push(piece, played);
            if self.utterances.is_open() || !self.barge_in.hears_played() {
                told.extend(self.utterances.push(piece));
                continue;
            }
            self.utterances.pass(piece, self.barge_in.hears_player());
            if let Some(since) = noticed {
                told.extend(self.utterances.begin_at(since));
            }
        }
        join_sounds(told)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{Loudness, stretch, stretches};
    use super::super::{PRE_ROLL, frames_in};
    use super::*;

    /// What a character's voice is at the loudspeaker, and 14 dB softer at the microphone.
    const PLAYED: Option<f32> = Some(0.14);

    fn echo(ms: usize) -> Vec<f32> {
        stretch(true, ms).iter().map(|sample| sample * 0.2).collect()
    }

    fn fresh() -> OpenMicrophone {
        let mut microphone = OpenMicrophone::new(|| Box::new(Loudness));
        assert_eq!(microphone.push(&stretches(&[1_008]), None), []);
        microphone
    }

    fn began(told: &[Utterance]) -> Vec<u128> {
        let began = told.iter().filter_map(|told| match told {
            Utterance::Began { at } => Some(at.as_millis()),
            _ => None,
        });
        began.collect()
    }

    #[test]
    fn a_character_does_not_cut_itself_short() {
        let mut microphone = fresh();
        assert_eq!(microphone.push(&echo(4_000), PLAYED), []);
        // Its last sound still comes back from the walls when it is over.
        assert_eq!(microphone.push(&echo(160), None), []);
        assert_eq!(microphone.push(&stretches(&[2_000]), None), []);
    }

    #[test]
    fn the_player_who_cuts_in_is_noticed_soon_and_heard_from_the_first_sound() {
        let mut microphone = fresh();
        microphone.push(&echo(3_008), PLAYED);
        let voice = stretch(true, 800);
        let mut told = Vec::new();
        let noticed = voice.chunks(320).position(|piece| {
            told.extend(microphone.push(piece, PLAYED));
            !told.is_empty()
        });
        let after_ms = (noticed.unwrap() + 1) * 20;
        assert!(after_ms <= 150, "{after_ms}");
        assert_eq!(began(&told), [4_016]);
        // Then the character is silent, and the player speaks on.
        told.extend(microphone.push(&voice[after_ms * 16..], None));
        told.extend(microphone.push(&stretches(&[2_000]), None));
        let sound: Vec<f32> = told
            .iter()
            .filter_map(|told| match told {
                Utterance::Sound(pcm) => Some(pcm.samples.clone()),
                _ => None,
            })
            .flatten()
            .collect();
        let before = frames_in(PRE_ROLL) * FRAME_SAMPLES;
        assert_eq!(sound[before..before + voice.len()], voice);
        assert!(matches!(told.last(), Some(Utterance::Ended { .. })));
    }

    #[test]
    fn who_begins_with_the_characters_last_sound_is_heard_whole() {
        let mut microphone = fresh();
        microphone.push(&stretches(&[2_000]), PLAYED);
        let mut told = microphone.push(&stretch(true, 48), PLAYED);
        told.extend(microphone.push(&stretch(true, 800), None));
        assert_eq!(began(&told), [3_008]);
    }

    #[test]
    fn where_nothing_is_played_it_finds_what_the_detector_finds() {
        let sound = stretches(&[800, 80, 800, 800, 400, 640, 1_600]);
        let alone = UtteranceDetector::new(Box::new(Loudness)).push(&sound);
        let mut microphone = OpenMicrophone::new(|| Box::new(Loudness));
        assert_eq!(microphone.push(&sound, None), alone);
        assert_eq!(began(&alone), [Duration::from_millis(1_680).as_millis()]);
    }
}
