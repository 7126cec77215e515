//! What can go wrong with devices.

use super::Use;

/// What the caller branches on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceErrorKind {
    /// This PC has no such device at all, or its sound system does not run. Text goes on.
    None,
    /// None of them has this name.
    Unknown,
    /// The system does not let this program use it.
    Denied,
    /// Another program has it.
    Busy,
    /// It was pulled out, or the system changed it. Opening it again may help.
    Gone,
    /// It wants sound in a form that we cannot give.
    Unsupported,
}

/// Sound that could not be played or recorded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeviceError {
    /// What to branch on.
    pub kind: DeviceErrorKind,
    /// What happened.
    pub message: String,
    /// What a player can do about it.
    pub help: &'static str,
}

impl DeviceError {
    fn new(kind: DeviceErrorKind, message: String) -> DeviceError {
        let help = match kind {
            DeviceErrorKind::None => "Plug one in, or go on by text.",
            DeviceErrorKind::Unknown => "Choose one of those that are listed, or none for the usual one.",
            DeviceErrorKind::Denied => "Allow this program to use it in the privacy settings of the system.",
            DeviceErrorKind::Busy => "Close the program that uses it.",
            DeviceErrorKind::Gone => "Plug it in again, or choose another one.",
            DeviceErrorKind::Unsupported => "Choose another device, or 48 kHz and 16 bits in its settings.",
        };
        DeviceError { kind, message, help }
    }

    pub(super) fn none(wanted: Use) -> DeviceError {
        DeviceError::new(DeviceErrorKind::None, format!("this PC has no {}", noun(wanted)))
    }

    pub(super) fn unknown(name: &str, wanted: Use) -> DeviceError {
        DeviceError::new(DeviceErrorKind::Unknown, format!("there is no {} named `{name}`", noun(wanted)))
    }

    pub(super) fn unsupported(format: cpal::SampleFormat, wanted: Use) -> DeviceError {
        DeviceError::new(DeviceErrorKind::Unsupported, format!("the {} wants {format} samples", noun(wanted)))
    }

    /// A device that cannot be opened: a system without any may name a usual one all the same.
    pub(super) fn opening(error: &cpal::Error, wanted: Use) -> DeviceError {
        match error.kind() {
            cpal::ErrorKind::DeviceNotAvailable => DeviceError::none(wanted),
            _ => DeviceError::of(error, wanted),
        }
    }

    pub(super) fn of(error: &cpal::Error, wanted: Use) -> DeviceError {
        let kind = match error.kind() {
            cpal::ErrorKind::HostUnavailable => DeviceErrorKind::None,
            cpal::ErrorKind::PermissionDenied => DeviceErrorKind::Denied,
            cpal::ErrorKind::DeviceBusy | cpal::ErrorKind::ResourceExhausted => DeviceErrorKind::Busy,
            cpal::ErrorKind::UnsupportedConfig | cpal::ErrorKind::InvalidInput => {
                DeviceErrorKind::Unsupported
            }
            _ => DeviceErrorKind::Gone,
        };
        DeviceError::new(kind, format!("the {} cannot be used: {error}", noun(wanted)))
    }

    pub(super) fn silent() -> DeviceError {
        DeviceError::new(DeviceErrorKind::Gone, "the loudspeaker takes no sound".into())
    }

    /// Whether a stream with this error is at its end; others are a click at most.
    pub(super) fn is_fatal(error: &cpal::Error) -> bool {
        matches!(
            error.kind(),
            cpal::ErrorKind::DeviceNotAvailable
                | cpal::ErrorKind::HostUnavailable
                | cpal::ErrorKind::PermissionDenied
                | cpal::ErrorKind::StreamInvalidated
        )
    }
}

fn noun(wanted: Use) -> &'static str {
    match wanted {
        Use::Play => "loudspeaker",
        Use::Record => "microphone",
    }
}
