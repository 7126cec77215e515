//! Plays lines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{FromSample, SampleFormat, SizedSample};
use futures::StreamExt as _;

use super::queue::Queue;
use super::{DeviceError, Use, config, device};
use crate::{Mark, MarkKind, Resampler, SpeechError, SpeechPiece, SpeechStream, samples_as_time};

/// So much waits for the device at most; more is taken from the voice when less does.
const AHEAD_MAX: Duration = Duration::from_secs(2);
/// How often it is looked at.
const GLANCE: Duration = Duration::from_millis(10);
/// A device that takes nothing for so long is gone.
const TAKES_NOTHING_MAX: Duration = Duration::from_secs(3);

/// A device that plays one line at a time. It is closed when this is dropped.
pub struct Loudspeaker {
    queue: Arc<Mutex<Queue>>,
    /// Whose line it is.
    turn: tokio::sync::Mutex<()>,
    sample_rate_hz: u32,
    /// Its thread belongs to cpal, and ends with it.
    _stream: cpal::Stream,
}

/// How much of a line was heard.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// Until when of its sound.
    pub time: Duration,
    /// Until which byte of its text: the end of the last word that was said whole. Voices that mark no words tell 0.
    pub text_until: usize,
    /// How much of its sound there was by then; all, if the voice had finished.
    pub made: Duration,
    /// All of it.
    pub whole: bool,
}

impl Heard {
    /// The share of a text of so many bytes, 0.0 to 1.0: by words where the voice marks them, otherwise by time.
    pub fn fraction(&self, text_bytes: usize) -> f64 {
        let share = match self.text_until {
            _ if self.whole => 1.0,
            0 => self.time.as_secs_f64() / self.made.as_secs_f64().max(0.001),
            until => until as f64 / text_bytes.max(1) as f64,
        };
        share.min(1.0)
    }
}

/// A line that was not played to its end.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// Because of the device.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Because of the voice.
    #[error(transparent)]
    Speech(#[from] SpeechError),
}

impl Loudspeaker {
    /// Opens the device of this name, or the usual one.
    pub fn open(name: Option<&str>) -> Result<Loudspeaker, DeviceError> {
        let device = device(name, Use::Play)?;
        let told = |error: cpal::Error| DeviceError::opening(&error, Use::Play);
        let usual = device.default_output_config().map_err(told)?;
        let config = config(&usual);
        let queue = Arc::new(Mutex::new(Queue::default()));
        let stream = match usual.sample_format() {
            SampleFormat::F32 => stream::<f32>(&device, config, &queue),
            SampleFormat::I16 => stream::<i16>(&device, config, &queue),
            SampleFormat::I32 => stream::<i32>(&device, config, &queue),
            SampleFormat::U8 => stream::<u8>(&device, config, &queue),
            other => return Err(DeviceError::unsupported(other, Use::Play)),
        };
        let stream = stream.map_err(told)?;
        stream.play().map_err(told)?;
        Ok(Loudspeaker {
            queue,
            turn: tokio::sync::Mutex::default(),
            sample_rate_hz: config.sample_rate,
            _stream: stream,
        })
    }

    /// Plays a line at this volume, 1.0 as it is, and returns when it was heard or stopped. A line that plays already
    /// is stopped.
    pub async fn play(&self, mut line: SpeechStream, volume: f32) -> Result<Heard, PlayError> {
        self.stop();
        let _turn = self.turn.lock().await;
        self.queue().begin(volume);
        let (mut marks, mut resampler, mut first): (Vec<Mark>, Option<Resampler>, _) =
            (Vec::new(), None, true);
        let mut made = Duration::ZERO;
        while let Some(piece) = self.next_unless_stopped(&mut line).await? {
            made += piece.pcm.duration();
            if std::mem::take(&mut first) {
                resampler = Resampler::between(piece.pcm.sample_rate_hz, self.sample_rate_hz);
            }
            marks.extend(piece.marks);
            let samples = match &mut resampler {
                Some(resampler) => resampler.push(&piece.pcm.samples),
                None => piece.pcm.samples,
            };
            self.queue().add(&samples);
            self.until_waiting_is_at_most(AHEAD_MAX).await?;
        }
        if let Some(mut resampler) = resampler {
            self.queue().add(&resampler.finish());
        }
        self.until_waiting_is_at_most(Duration::ZERO).await?;
        let whole = !self.queue().is_stopped();
        Ok(Heard { made, whole, ..self.heard(&marks) })
    }

    /// Ends the line that plays. What is in the device's buffer still sounds, some 20 to 40 ms.
    pub fn stop(&self) {
        self.queue().stop();
    }

    /// How loud it sounds now, root mean square, 0.0 to 1.0; nothing in silence. [`BargeIn`] wants to know it.
    ///
    /// [`BargeIn`]: crate::voice_activity_detection::BargeIn
    pub fn level(&self) -> Option<f32> {
        self.queue().level()
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing after the last one, and after a stop.
    async fn next_unless_stopped(&self, line: &mut SpeechStream) -> Result<Option<SpeechPiece>, PlayError> {
        loop {
            if self.queue().is_stopped() {
                return Ok(None);
            }
            if let Ok(piece) = tokio::time::timeout(GLANCE, line.next()).await {
                return Ok(piece.transpose()?);
            }
        }
    }

    async fn until_waiting_is_at_most(&self, most: Duration) -> Result<(), DeviceError> {
        let (mut taken, mut since) = (0, tokio::time::Instant::now());
        loop {
            {
                let mut queue = self.queue();
                if let Some(error) = queue.error.take() {
                    return Err(error);
                }
                if samples_as_time(queue.waiting(), self.sample_rate_hz) <= most {
                    return Ok(());
                }
                if queue.taken() != taken {
                    (taken, since) = (queue.taken(), tokio::time::Instant::now());
                }
            }
            if since.elapsed() > TAKES_NOTHING_MAX {
                return Err(DeviceError::silent());
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    fn heard(&self, marks: &[Mark]) -> Heard {
        let taken = usize::try_from(self.queue().taken()).unwrap_or(usize::MAX);
        let time = samples_as_time(taken, self.sample_rate_hz);
        let words = marks.iter().filter_map(|mark| match &mark.kind {
            MarkKind::Word(bytes) if mark.at + mark.duration <= time => Some(bytes.end),
            _ => None,
        });
        Heard { time, text_until: words.max().unwrap_or_default(), ..Heard::default() }
    }
}

fn stream<T: SizedSample + FromSample<f32>>(
    device: &cpal::Device,
    config: cpal::StreamConfig,
    queue: &Arc<Mutex<Queue>>,
) -> Result<cpal::Stream, cpal::Error> {
    let (filled, failed) = (Arc::clone(queue), Arc::clone(queue));
    let channels = usize::from(config.channels);
    device.build_output_stream(
        config,
        // The lock is held for microseconds by either side.
        move |buffer: &mut [T], _| {
            filled.lock().unwrap_or_else(PoisonError::into_inner).fill(buffer, channels);
        },
        move |error| {
            if DeviceError::is_fatal(&error) {
                let mut queue = failed.lock().unwrap_or_else(PoisonError::into_inner);
                queue.error = Some(DeviceError::of(&error, Use::Play));
            }
        },
        Some(TAKES_NOTHING_MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_much_was_heard_is_told_by_words_and_without_them_by_time() {
        let seconds = Duration::from_secs;
        let words = Heard { time: seconds(1), text_until: 6, made: seconds(4), whole: false };
        assert_eq!(words.fraction(24), 0.25);
        assert_eq!(Heard { text_until: 0, ..words.clone() }.fraction(24), 0.25);
        assert_eq!(Heard { whole: true, ..words }.fraction(24), 1.0);
        assert_eq!(Heard::default().fraction(0), 0.0);
    }
}
