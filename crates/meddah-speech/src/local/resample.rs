//! Plays sound faster or slower, and with it higher or lower, as it arrives.
//!
//! Band-limited interpolation with a short windowed sinc (J. O. Smith, "Digital Audio Resampling"): each sample that
//! is made is the sum of those around its place, weighted.

/// Samples on each side of a place.
const HALF_WIDTH: usize = 16;

/// Sound that arrives in pieces, at another speed.
pub struct Resampler {
    /// Samples of the input per sample of the output.
    step: f64,
    /// The last samples, which later ones of the output still need; silence before the beginning.
    kept: Vec<f32>,
    /// Place of the next output within `kept`.
    next: f64,
}

impl Resampler {
    /// 2.0 is twice as fast and an octave higher.
    pub fn new(step: f64) -> Resampler {
        Resampler { step, kept: vec![0.0; HALF_WIDTH], next: HALF_WIDTH as f64 }
    }

    /// What can be made with these.
    pub fn push(&mut self, samples: &[f32]) -> Vec<f32> {
        self.kept.extend_from_slice(samples);
        let mut made = Vec::with_capacity((samples.len() as f64 / self.step) as usize + 1);
        while self.next as usize + HALF_WIDTH < self.kept.len() {
            made.push(self.at(self.next));
            self.next += self.step;
        }
        let done = (self.next as usize).saturating_sub(HALF_WIDTH).min(self.kept.len());
        self.kept.drain(..done);
        self.next -= done as f64;
        made
    }

    /// The rest, when nothing more arrives.
    pub fn finish(&mut self) -> Vec<f32> {
        self.push(&[0.0; HALF_WIDTH])
    }

    fn at(&self, place: f64) -> f32 {
        // What lies above the new half of the rate would come back as noise.
        let cutoff = (1.0 / self.step).min(1.0);
        let middle = place as usize;
        let near = (middle + 1).saturating_sub(HALF_WIDTH)..=middle + HALF_WIDTH;
        let weighted = near.map(|index| {
            let distance = index as f64 - place;
            let window = 0.5 + 0.5 * (std::f64::consts::PI * distance / HALF_WIDTH as f64).cos();
            f64::from(self.kept[index]) * sinc(distance * cutoff) * cutoff * window
        });
        weighted.sum::<f64>() as f32
    }
}

fn sinc(distance: f64) -> f64 {
    let angle = std::f64::consts::PI * distance;
    if angle.abs() < 1e-9 { 1.0 } else { angle.sin() / angle }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(frequency: f64, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (std::f64::consts::TAU * frequency * n as f64).sin() as f32).collect()
    }

    fn crossings(sound: &[f32]) -> usize {
        sound.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count()
    }

    #[test]
    fn a_tone_gets_higher_and_shorter_and_stays_as_loud() {
        let mut resampler = Resampler::new(1.25);
        let mut made = Vec::new();
        for piece in tone(0.01, 10_000).chunks(333) {
            made.extend(resampler.push(piece));
        }
        made.extend(resampler.finish());
        assert!((made.len() as i64 - 8_000).abs() <= 2, "{}", made.len());
        assert!((crossings(&made) as i64 - 100).abs() <= 1);
        let loudest = made[100..7_900].iter().fold(0.0_f32, |loudest, sample| loudest.max(sample.abs()));
        assert!((loudest - 1.0).abs() < 0.01, "{loudest}");
    }

    #[test]
    fn pieces_make_the_same_as_the_whole() {
        let sound = tone(0.037, 4_000);
        let whole = Resampler::new(0.8).push(&sound);
        let mut resampler = Resampler::new(0.8);
        let pieces: Vec<f32> = sound.chunks(7).flat_map(|piece| resampler.push(piece)).collect();
        assert_eq!(whole.len(), pieces.len());
        assert!(whole.iter().zip(&pieces).all(|(left, right)| (left - right).abs() < 1e-4));
    }
}
