//! The judge that is in the program: earshot, a small network with its weights inside.

use super::{FRAME_SAMPLES, VoiceActivity};

/// Takes 16 microseconds for a frame of 16 milliseconds.
pub struct Earshot(Box<earshot::Detector>);

impl Earshot {
    /// Begins with silence.
    pub fn new() -> Earshot {
        Earshot(earshot::Detector::default_boxed())
    }
}

impl Default for Earshot {
    fn default() -> Earshot {
        Earshot::new()
    }
}

impl VoiceActivity for Earshot {
    fn probability(&mut self, frame: &[f32; FRAME_SAMPLES]) -> f32 {
        self.0.predict_f32(frame)
    }

    fn reset(&mut self) {
        self.0.reset();
    }
}
