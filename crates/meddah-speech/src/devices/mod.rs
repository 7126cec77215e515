//! Sound without a game: the loudspeakers and the microphone of this PC.
//!
//! [`Loudspeaker`] plays lines and tells how much of each was heard; [`Microphone`] gives what is spoken, as
//! recognisers want it. Where there is no device an error says so, and text goes on.

mod error;
mod loudspeaker;
mod microphone;
mod queue;

use cpal::traits::{DeviceTrait, HostTrait};

pub use error::{DeviceError, DeviceErrorKind};
pub use loudspeaker::{Heard, Loudspeaker, PlayError};
pub use microphone::Microphone;

/// So long a buffer of a device should be, ms: what is in it still sounds after a stop.
const BUFFER_MS: u32 = 20;

/// A device that can be asked for by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceInfo {
    /// As the system shows it.
    pub name: String,
    /// Sound can be played.
    pub plays: bool,
    /// Sound can be recorded.
    pub records: bool,
}

/// All devices; none where there are none.
pub fn devices() -> Result<Vec<DeviceInfo>, DeviceError> {
    let found = cpal::default_host().devices().map_err(|error| DeviceError::of(&error, Use::Play))?;
    let described = found.filter_map(|device| {
        let name = device.description().ok()?.name().to_owned();
        Some(DeviceInfo { name, plays: device.supports_output(), records: device.supports_input() })
    });
    Ok(described.filter(|device| device.plays || device.records).collect())
}

/// What a device is wanted for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Play,
    Record,
}

/// The device of this name, in any case; without one the usual.
fn device(name: Option<&str>, wanted: Use) -> Result<cpal::Device, DeviceError> {
    let host = cpal::default_host();
    let Some(name) = name else {
        let usual = match wanted {
            Use::Play => host.default_output_device(),
            Use::Record => host.default_input_device(),
        };
        return usual.ok_or_else(|| DeviceError::none(wanted));
    };
    let all = host.devices().map_err(|error| DeviceError::of(&error, wanted))?;
    let mut fitting = all.filter(|device| match wanted {
        Use::Play => device.supports_output(),
        Use::Record => device.supports_input(),
    });
    let is_it = |device: &cpal::Device| {
        let shown = device.description().is_ok_and(|shown| shown.name().eq_ignore_ascii_case(name));
        shown || device.id().is_ok_and(|id| id.to_string().eq_ignore_ascii_case(name))
    };
    fitting.find(is_it).ok_or_else(|| DeviceError::unknown(name, wanted))
}

/// The configuration that a device prefers, with a short buffer where it lets us choose.
fn config(usual: &cpal::SupportedStreamConfig) -> cpal::StreamConfig {
    let mut config = usual.config();
    let wanted = config.sample_rate * BUFFER_MS / 1000;
    if let cpal::SupportedBufferSize::Range { min, max } = *usual.buffer_size() {
        config.buffer_size = cpal::BufferSize::Fixed(wanted.clamp(min, max));
    }
    config
}
