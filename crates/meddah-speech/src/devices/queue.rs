//! What waits to be heard, between the thread that makes it and that of the device.

use std::collections::VecDeque;

use super::DeviceError;

/// Samples of one line, at the rate of the device.
#[derive(Default)]
pub struct Queue {
    waiting: VecDeque<f32>,
    /// Samples of this line that the device took.
    taken: u64,
    volume: f32,
    /// Root mean square of what the device took last.
    level: f32,
    /// The line is not to go on.
    stopped: bool,
    /// The device is gone.
    pub error: Option<DeviceError>,
}

impl Queue {
    /// Begins a line; what waits of the one before is left out.
    pub fn begin(&mut self, volume: f32) {
        self.waiting.clear();
        (self.taken, self.volume, self.stopped) = (0, volume, false);
    }

    /// Adds sound; nothing after a stop.
    pub fn add(&mut self, samples: &[f32]) {
        if !self.stopped {
            self.waiting.extend(samples.iter().map(|sample| (sample * self.volume).clamp(-1.0, 1.0)));
        }
    }

    /// Ends the line now.
    pub fn stop(&mut self) {
        self.waiting.clear();
        self.stopped = true;
    }

    /// Whether it was stopped.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Samples that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Samples that the device took.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// How loud it sounds now; nothing where nothing does.
    pub fn level(&self) -> Option<f32> {
        (self.level > 0.0).then_some(self.level)
    }

    /// Gives the device a buffer: the same in all channels, silence where nothing waits.
    pub fn fill<T: cpal::FromSample<f32>>(&mut self, buffer: &mut [T], channels: usize) {
        let mut power = 0.0;
        let places = buffer.len() / channels.max(1);
        for place in buffer.chunks_mut(channels.max(1)) {
            let sample = self.waiting.pop_front();
            self.taken += u64::from(sample.is_some());
            let sample = sample.unwrap_or(0.0);
            power += sample * sample;
            place.fill_with(|| T::from_sample_(sample));
        }
        self.level = (power / places.max(1) as f32).sqrt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_in_all_channels_and_silence_behind() {
        let mut queue = Queue::default();
        queue.begin(0.5);
        queue.add(&[1.0, -1.0]);
        let mut buffer = [9.0_f32; 6];
        queue.fill(&mut buffer, 2);
        assert_eq!(buffer, [0.5, 0.5, -0.5, -0.5, 0.0, 0.0]);
        assert_eq!((queue.taken(), queue.waiting()), (2, 0));
        assert!(queue.level().is_some_and(|level| (level - 0.408).abs() < 0.01));
        queue.fill(&mut buffer, 2);
        assert_eq!(queue.level(), None);
    }

    #[test]
    fn after_a_stop_the_next_buffer_is_silent_and_the_next_line_is_not() {
        let mut queue = Queue::default();
        queue.begin(1.0);
        queue.add(&[0.5; 1_000]);
        let mut buffer = [0_i16; 100];
        queue.fill(&mut buffer, 1);
        assert!(buffer.iter().all(|sample| *sample > 16_000));
        queue.stop();
        queue.add(&[0.5; 1_000]);
        queue.fill(&mut buffer, 1);
        assert_eq!((buffer, queue.taken()), ([0; 100], 100));
        queue.begin(1.0);
        queue.add(&[0.5; 10]);
        queue.fill(&mut buffer, 1);
        assert_eq!((queue.taken(), buffer[0] > 16_000), (10, true));
    }
}
