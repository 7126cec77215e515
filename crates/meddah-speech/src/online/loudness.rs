//! Where in a line there is sound: as much as can be known of it when nobody tells times.

use std::ops::Range;

/// Loudness is taken of so long, seconds.
const STEP: f64 = 0.01;
/// Quieter than this beside the loudest is silence (26 dB).
const SILENT_SHARE: f32 = 0.05;
/// Quieter than this is always silence (60 dB below full scale).
const SILENT: f32 = 0.001;
/// Stops within words (before p, t, k) are shorter than this, seconds.
const PAUSE_MIN: f64 = 0.09;

/// Loudness of what has come.
#[derive(Debug, Default)]
pub(super) struct Loudness {
    step_samples: usize,
    power: f32,
    samples: usize,
    levels: Vec<f32>,
}

impl Loudness {
    pub fn new(rate_hz: u32) -> Loudness {
        let step_samples = ((f64::from(rate_hz) * STEP) as usize).max(1);
        Loudness { step_samples, ..Loudness::default() }
    }

    pub fn push(&mut self, samples: &[f32]) {
        for sample in samples {
            self.power += sample * sample;
            self.samples += 1;
            if self.samples == self.step_samples {
                self.levels.push((self.power / self.samples as f32).sqrt());
                (self.power, self.samples) = (0.0, 0);
            }
        }
    }

    /// Whether anything is heard then.
    pub fn is_loud_between(&self, between: Range<f64>) -> bool {
        let (begin, end) = (self.place(between.start), self.place(between.end));
        let threshold = self.threshold(end);
        self.levels[begin..end].iter().any(|level| *level > threshold)
    }

    fn place(&self, time: f64) -> usize {
        ((time / STEP) as usize).min(self.levels.len())
    }

    /// Of what has come until then, so that later sound changes nothing.
    fn threshold(&self, end: usize) -> f32 {
        let loudest = self.levels[..end].iter().copied().fold(0.0, f32::max);
        (loudest * SILENT_SHARE).max(SILENT)
    }

    /// Stretches of sound between these times, in order; the whole if there is none.
    pub fn sounding(&self, between: Range<f64>) -> Vec<Range<f64>> {
        let (begin, end) = (self.place(between.start), self.place(between.end));
        let threshold = self.threshold(end);
        let mut found: Vec<Range<f64>> = Vec::new();
        for step in (begin..end).filter(|step| self.levels[*step] > threshold) {
            let (from, until) = (step as f64 * STEP, (step + 1) as f64 * STEP);
            match found.last_mut() {
                Some(last) if from - last.end < PAUSE_MIN => last.end = until,
                _ => found.push(from..until),
            }
        }
        for stretch in &mut found {
            *stretch = stretch.start.clamp(between.start, between.end)
                ..stretch.end.clamp(between.start, between.end);
        }
        // What is left over is too short for a pause of its own.
        if let Some(first) = found.first_mut().filter(|first| first.start - between.start < STEP * 2.0) {
            first.start = between.start;
        }
        if let Some(last) = found.last_mut().filter(|last| between.end - last.end < STEP * 2.0) {
            last.end = between.end;
        }
        found.retain(|stretch| stretch.end > stretch.start);
        if found.is_empty() { vec![between] } else { found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_found_and_short_stops_are_none() {
        let mut loudness = Loudness::new(1000);
        for (level, samples) in [(0.0, 100), (0.5, 200), (0.0, 50), (0.5, 100), (0.0, 200), (0.3, 155)] {
            loudness.push(&vec![level; samples]);
        }
        let shown = |between: Range<f64>| {
            let found = loudness.sounding(between);
            found.iter().map(|stretch| format!("{:.2}-{:.2}", stretch.start, stretch.end)).collect::<Vec<_>>()
        };
        assert_eq!(shown(0.0..0.805), ["0.10-0.45", "0.65-0.81"]);
        assert_eq!(shown(0.5..0.6), ["0.50-0.60"], "nothing but silence is one stretch");
        assert_eq!(shown(0.2..0.3), ["0.20-0.30"]);
    }
}
