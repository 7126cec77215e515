//! Whether there is a voice in a sound at all. Told to understand a storm, Whisper invents words.

use meddah_speech::Pcm;
use meddah_speech::voice_activity_detection::{Earshot, FRAME_SAMPLES, VoiceActivity as _};

/// Voices are mostly above 0.9; the beginning of white noise comes up to 0.61.
const VOICE: f32 = 0.7;
/// So many such frames are a voice, about 50 ms: a short word has more.
const FRAMES: usize = 3;

/// Looks at a sound while it comes in.
pub struct VoiceSeen {
    judge: Earshot,
    waiting: Vec<f32>,
    frames: usize,
}

impl VoiceSeen {
    /// Of which no sound has come yet.
    pub fn new() -> VoiceSeen {
        VoiceSeen { judge: Earshot::new(), waiting: Vec::with_capacity(FRAME_SAMPLES), frames: 0 }
    }

    /// Takes more of the sound.
    pub fn push(&mut self, pcm: &Pcm) {
        if self.seen() {
            return;
        }
        self.waiting.extend_from_slice(&pcm.samples);
        let (frames, rest) = self.waiting.as_chunks::<FRAME_SAMPLES>();
        let voiced = frames.iter().filter(|frame| self.judge.probability(frame) >= VOICE).count();
        self.frames += voiced;
        self.waiting = rest.to_vec();
    }

    /// There was a voice.
    pub fn seen(&self) -> bool {
        self.frames >= FRAMES
    }
}
