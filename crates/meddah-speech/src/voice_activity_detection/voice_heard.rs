//! The sound of one utterance, for whoever understands it: whether there is a voice in it at all, and whether it may
//! be over. Told to understand a storm, a recogniser invents words; and what was said before a pause need not be
//! understood again if nobody spoke after it.
//!
//! Words must not be lost here, so whatever sounds like a voice is one, however soft. In a crowd there is no pause.

use std::time::Duration;

use super::utterance::RESUME_FRAMES;
use super::{FRAME_SAMPLES, VoiceActivity, frames_in};
use crate::Pcm;

/// Voices are mostly above 0.9; the beginning of white noise comes up to 0.61.
const VOICE: f32 = 0.7;
/// So many such frames are a voice, about 50 ms: a short word has more.
const VOICE_FRAMES: usize = 3;
/// What may belong to a voice.
const MAYBE: f32 = 0.3;

/// After such a silence a look at what was said may be worth it. Silences within words are shorter for the most part; a
/// look for nothing is aborted, and one that comes sooner leaves more of the real pause to whoever answers.
const PAUSE: Duration = Duration::from_millis(128);

/// Looks at a sound while it comes in.
pub struct VoiceHeard {
    judge: Box<dyn VoiceActivity>,
    /// Less than a frame.
    waiting: Vec<f32>,
    /// Frames that are a voice for certain.
    certain: usize,
    /// Frames that may belong to a voice.
    voiced: usize,
    /// Frames since the last of those.
    silent: usize,
}

/// A place in the sound, see [`VoiceHeard::spoke_since`].
#[derive(Clone, Copy, Debug)]
pub struct VoiceMark(usize);

impl VoiceHeard {
    /// Of which no sound has come yet.
    pub fn new(judge: Box<dyn VoiceActivity>) -> VoiceHeard {
        VoiceHeard { judge, waiting: Vec::with_capacity(FRAME_SAMPLES), certain: 0, voiced: 0, silent: 0 }
    }

    /// Takes more of the sound.
    pub fn push(&mut self, pcm: &Pcm) {
        self.waiting.extend_from_slice(&pcm.samples);
        let (frames, rest) = self.waiting.as_chunks::<FRAME_SAMPLES>();
        for frame in frames {
            let probability = self.judge.probability(frame);
            self.certain += usize::from(probability >= VOICE);
            self.voiced += usize::from(probability >= MAYBE);
            self.silent = if probability >= MAYBE { 0 } else { self.silent + 1 };
        }
        self.waiting = rest.to_vec();
    }

    /// There was a voice.
    pub fn seen(&self) -> bool {
        self.certain >= VOICE_FRAMES
    }

    /// There was a voice, and there is none now.
    pub fn pauses(&self) -> bool {
        self.seen() && self.silent >= frames_in(PAUSE)
    }

    /// Here.
    pub fn mark(&self) -> VoiceMark {
        VoiceMark(self.voiced)
    }

    /// There was a voice behind this place: as much of one as goes on after a pause, so that a click is none.
    pub fn spoke_since(&self, VoiceMark(voiced): VoiceMark) -> bool {
        self.voiced - voiced >= RESUME_FRAMES as usize
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Loudness, stretch};
    use super::*;
    use crate::LISTEN_RATE_HZ;

    fn push(heard: &mut VoiceHeard, voice: bool, ms: usize) {
        heard.push(&Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples: stretch(voice, ms) });
    }

    #[test]
    fn a_pause_is_silence_after_a_voice() {
        let mut heard = VoiceHeard::new(Box::new(Loudness));
        push(&mut heard, false, 800);
        assert!(!heard.seen() && !heard.pauses());
        push(&mut heard, true, 320);
        assert!(heard.seen() && !heard.pauses());
        push(&mut heard, false, 112);
        assert!(!heard.pauses());
        push(&mut heard, false, 32);
        assert!(heard.pauses());
    }

    #[test]
    fn a_click_is_no_voice_and_a_word_is() {
        let mut heard = VoiceHeard::new(Box::new(Loudness));
        push(&mut heard, true, 320);
        push(&mut heard, false, 320);
        let pause = heard.mark();
        push(&mut heard, true, 32);
        push(&mut heard, false, 320);
        assert!(!heard.spoke_since(pause));
        push(&mut heard, true, 96);
        assert!(heard.spoke_since(pause) && !heard.spoke_since(heard.mark()));
    }
}
