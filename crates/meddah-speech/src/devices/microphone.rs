//! Records what is spoken.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cpal::traits::{DeviceTrait, StreamTrait};
use cpal::{Sample, SampleFormat, SizedSample};
use tokio::sync::mpsc;

use super::{DeviceError, Use, config, device};
use crate::{LISTEN_RATE_HZ, Pcm, Resampler};

/// Buffers that wait for whoever listens: about two seconds. Whoever is later loses sound, not memory.
const BUFFERS_MAX: usize = 100;
/// Opening takes no longer.
const OPENING_MAX: Duration = Duration::from_secs(3);

/// A device that records. It is closed when this is dropped.
pub struct Microphone {
    buffers: mpsc::Receiver<Vec<f32>>,
    error: Arc<Mutex<Option<DeviceError>>>,
    resampler: Option<Resampler>,
    /// Its thread belongs to cpal, and ends with it.
    _stream: cpal::Stream,
}

impl Microphone {
    /// Opens the device of this name, or the usual one, and records.
    pub fn open(name: Option<&str>) -> Result<Microphone, DeviceError> {
        let device = device(name, Use::Record)?;
        let told = |error: cpal::Error| DeviceError::opening(&error, Use::Record);
        let usual = device.default_input_config().map_err(told)?;
        let config = config(&usual);
        let (send, buffers) = mpsc::channel(BUFFERS_MAX);
        let error = Arc::default();
        let stream = match usual.sample_format() {
            SampleFormat::F32 => stream::<f32>(&device, config, send, &error),
            SampleFormat::I16 => stream::<i16>(&device, config, send, &error),
            SampleFormat::I32 => stream::<i32>(&device, config, send, &error),
            SampleFormat::U8 => stream::<u8>(&device, config, send, &error),
            other => return Err(DeviceError::unsupported(other, Use::Record)),
        };
        let stream = stream.map_err(told)?;
        stream.play().map_err(told)?;
        let resampler = Resampler::between(config.sample_rate, LISTEN_RATE_HZ);
        Ok(Microphone { buffers, error, resampler, _stream: stream })
    }

    /// The next sound, some 20 ms at [`LISTEN_RATE_HZ`]; an error where the device is gone.
    pub async fn next(&mut self) -> Result<Pcm, DeviceError> {
        let buffer = self.buffers.recv().await;
        let error = self.error.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (Some(samples), None) = (buffer, &error) else {
            return Err(error.unwrap_or_else(|| DeviceError::none(Use::Record)));
        };
        let samples = match &mut self.resampler {
            Some(resampler) => resampler.push(&samples),
            None => samples,
        };
        Ok(Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples })
    }
}

fn stream<T: SizedSample>(
    device: &cpal::Device,
    config: cpal::StreamConfig,
    buffers: mpsc::Sender<Vec<f32>>,
    told: &Arc<Mutex<Option<DeviceError>>>,
) -> Result<cpal::Stream, cpal::Error>
where
    f32: cpal::FromSample<T>,
{
    let told = Arc::clone(told);
    let woken = buffers.clone();
    let channels = usize::from(config.channels).max(1);
    device.build_input_stream(
        config,
        move |buffer: &[T], _| {
            let mean = |place: &[T]| {
                place.iter().map(|sample| f32::from_sample(*sample)).sum::<f32>() / channels as f32
            };
            // Full: whoever listens is too slow.
            let _ = buffers.try_send(buffer.chunks_exact(channels).map(mean).collect());
        },
        move |error| {
            if DeviceError::is_fatal(&error) {
                *told.lock().unwrap_or_else(PoisonError::into_inner) =
                    Some(DeviceError::of(&error, Use::Record));
                // Nothing more will come to wake whoever waits.
                let _ = woken.try_send(Vec::new());
            }
        },
        Some(OPENING_MAX),
    )
}
