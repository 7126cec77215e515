//! The filters that turn a spectrum into the loudness of bands as wide as ears tell them apart.
//!
//! Whisper was trained with triangles on Slaney's mel scale, each of the same area: M. Slaney, "Auditory Toolbox",
//! Technical Report 1998-010, Interval Research: linear up to 1000 Hz, logarithmic above.

/// Samples per second that Whisper listens to.
const RATE_HZ: f64 = 16_000.0;
/// Samples of a window.
const WINDOW: usize = 400;
/// Frequencies of its spectrum.
pub const FREQUENCIES: usize = WINDOW / 2 + 1;

/// Where the scale turns from linear to logarithmic.
const TURN_HZ: f64 = 1000.0;
const HZ_PER_MEL: f64 = 200.0 / 3.0;
const TURN_MEL: f64 = TURN_HZ / HZ_PER_MEL;
/// 27 mels make a frequency 6.4 times as high.
const FACTOR: f64 = 6.4;
const FACTOR_MELS: f64 = 27.0;

/// So many filters of [`FREQUENCIES`] weights each, one after another.
pub fn filters(bands: usize) -> Vec<f32> {
    let top = mel(RATE_HZ / 2.0);
    let corners: Vec<f64> = (0..bands + 2).map(|at| hertz(top * at as f64 / (bands + 1) as f64)).collect();
    let mut weights = Vec::with_capacity(bands * FREQUENCIES);
    for corner in corners.windows(3) {
        let [left, middle, right] = [corner[0], corner[1], corner[2]];
        let area = 2.0 / (right - left);
        weights.extend((0..FREQUENCIES).map(|place| {
            let frequency = place as f64 * RATE_HZ / WINDOW as f64;
            let rising = (frequency - left) / (middle - left);
            let falling = (right - frequency) / (right - middle);
            (rising.min(falling).max(0.0) * area) as f32
        }));
    }
    weights
}

fn mel(hertz: f64) -> f64 {
    if hertz < TURN_HZ {
        return hertz / HZ_PER_MEL;
    }
    TURN_MEL + (hertz / TURN_HZ).ln() / FACTOR.ln() * FACTOR_MELS
}

fn hertz(mel: f64) -> f64 {
    if mel < TURN_MEL {
        return mel * HZ_PER_MEL;
    }
    TURN_HZ * ((mel - TURN_MEL) / FACTOR_MELS * FACTOR.ln()).exp()
}
