//! What of a session's lines sounds at the moment, and how loud: the player's microphone may hear it, too.
//!
//! Of lines that this PC plays it is known. Of those that a game plays it is guessed: one after another, each from when
//! it was told of, until the game reports what was heard.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use meddah_speech::{Pcm, samples_as_time};
use tokio::time::Instant;

/// Lines, or parts of them, that are kept in mind; a turn has fewer.
const LINES_MAX: usize = 512;
/// Levels a second.
const LEVELS_HZ: u32 = 50;
/// A game plays a line so much later than it is told of it.
const LATE: Duration = Duration::from_millis(300);

/// The lines that sound, or will.
#[derive(Default)]
pub(crate) struct Sounding(Mutex<VecDeque<Line>>);

struct Line {
    turn: String,
    line: u32,
    from: Instant,
    until: Instant,
    /// Root mean squares, [`LEVELS_HZ`] of them a second.
    levels: Vec<f32>,
}

impl Sounding {
    /// This sounds from now on, or after what sounds already.
    pub fn begins(&self, turn: &str, line: u32, pcm: &Pcm) {
        let (now, mut lines) = (Instant::now(), self.lock());
        while lines.front().is_some_and(|line| line.until + LATE < now || lines.len() >= LINES_MAX) {
            lines.pop_front();
        }
        let from = lines.back().map_or(now, |last| last.until.max(now));
        let length = samples_as_time(pcm.samples.len(), pcm.sample_rate_hz);
        let levels = levels(pcm);
        lines.push_back(Line { turn: turn.to_owned(), line, from, until: from + length, levels });
    }

    /// So much of a line was heard, 0 to 1: it is over, and the rest of its turn, too, if that was not all of it.
    pub fn heard(&self, turn: &str, line: u32, fraction: f32) {
        let (now, mut lines) = (Instant::now(), self.lock());
        lines.retain(|of| of.turn != turn || fraction >= 1.0 && of.line > line);
        // What waits behind it begins.
        let mut from = now;
        for line in lines.iter_mut().filter(|line| line.from > now) {
            (line.from, line.until) = (from, from + (line.until - line.from));
            from = line.until;
        }
    }

    /// Nothing more of this turn sounds.
    pub fn stops(&self, turn: &str) {
        self.lock().retain(|line| line.turn != turn);
    }

    /// Nothing sounds.
    pub fn stop(&self) {
        self.lock().clear();
    }

    /// How loud the loudest was in the last moments, for so long and as long as a game may be late: a root mean square,
    /// 0 to 1. Nothing if nothing sounded.
    pub fn level(&self, lately: Duration) -> Option<f32> {
        let now = Instant::now();
        let lines = self.lock();
        let loudest = |line: &Line| {
            let place = |at: Instant| {
                let steps = at.saturating_duration_since(line.from).as_secs_f64() * f64::from(LEVELS_HZ);
                (steps as usize).min(line.levels.len())
            };
            let began = now.checked_sub(lately + LATE).unwrap_or(line.from);
            let ended = (place(now) + usize::from(now >= line.from)).min(line.levels.len());
            line.levels.get(place(began)..ended)?.iter().copied().reduce(f32::max)
        };
        lines.iter().filter_map(loudest).reduce(f32::max)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Line>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn levels(pcm: &Pcm) -> Vec<f32> {
    let step = (pcm.sample_rate_hz / LEVELS_HZ).max(1) as usize;
    let power = |samples: &[f32]| samples.iter().map(|sample| sample * sample).sum::<f32>();
    pcm.samples.chunks(step).map(|samples| (power(samples) / samples.len() as f32).sqrt()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So long, loud at first and then half as loud.
    fn sound(ms: usize) -> Pcm {
        let samples = (0..ms * 16).map(|n| if n < ms * 8 { 0.4 } else { 0.2 }).collect();
        Pcm { sample_rate_hz: 16_000, samples }
    }

    async fn pass(ms: u64) {
        tokio::time::advance(Duration::from_millis(ms)).await;
    }

    const PIECE: Duration = Duration::from_millis(20);

    fn tenths(sounding: &Sounding) -> Option<u32> {
        sounding.level(PIECE).map(|level| (level * 10.0).round() as u32)
    }

    #[tokio::test(start_paused = true)]
    async fn lines_sound_one_after_another_and_a_little_longer() {
        let sounding = Sounding::default();
        assert_eq!(tenths(&sounding), None);
        sounding.begins("t1", 0, &sound(1_000));
        sounding.begins("t1", 1, &sound(1_000));
        pass(100).await;
        assert_eq!(tenths(&sounding), Some(4));
        pass(890).await;
        assert_eq!(tenths(&sounding), Some(2));
        pass(100).await;
        assert_eq!(tenths(&sounding), Some(4), "the second");
        pass(1_100).await;
        assert_eq!(tenths(&sounding), Some(2), "a game plays it later");
        pass(200).await;
        assert_eq!(tenths(&sounding), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_heard_is_over_and_the_next_line_begins() {
        let sounding = Sounding::default();
        sounding.begins("t1", 0, &sound(1_000));
        sounding.begins("t1", 1, &sound(1_000));
        sounding.begins("t2", 0, &sound(1_000));
        pass(500).await;
        sounding.heard("t1", 0, 1.0);
        pass(900).await;
        assert_eq!(tenths(&sounding), Some(2));
        sounding.heard("t1", 1, 0.9);
        pass(100).await;
        assert_eq!(tenths(&sounding), Some(4), "of the other turn");
        sounding.stops("t2");
        assert_eq!(tenths(&sounding), None);
        sounding.begins("t3", 0, &sound(1_000));
        pass(100).await;
        sounding.stop();
        assert_eq!(tenths(&sounding), None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_played_long_ago_takes_no_room() {
        let sounding = Sounding::default();
        for number in 0..10 {
            sounding.begins("t1", number, &sound(100));
            pass(1_000).await;
        }
        assert_eq!(sounding.lock().len(), 1);
    }
}
