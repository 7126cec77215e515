//! The loudspeaker of this PC, where the program was built with devices: always on Windows and macOS, with the feature
//! `devices` elsewhere, because it needs a system library there.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use meddah_protocol::{ErrorCode, WireError};
use meddah_speech::SpeechPiece;
use meddah_speech::devices::{DeviceError, Loudspeaker};

use super::player::{LinePlayer, LineToPlay};

struct Device(Loudspeaker);

/// The device of this name, or the usual one.
pub fn open(name: Option<&str>) -> Result<Arc<dyn LinePlayer>, WireError> {
    Ok(Arc::new(Device(Loudspeaker::open(name).map_err(device_error)?)))
}

/// A device that is not there, or does not play.
pub fn device_error(error: DeviceError) -> WireError {
    WireError::new(ErrorCode::Unsupported, error.message).with_help(error.help)
}

#[async_trait]
impl LinePlayer for Device {
    async fn play(&self, line: &LineToPlay) -> Result<f32, WireError> {
        let piece = SpeechPiece { pcm: line.pcm.clone(), marks: line.marks.clone() };
        let sound = stream::iter([Ok(piece)]).boxed();
        let heard = self.0.play(sound, 1.0).await.map_err(|error| {
            WireError::new(ErrorCode::Unsupported, error.to_string())
                .with_help("Choose another device with `[speech] loudspeaker`; `meddah doctor` lists them.")
        })?;
        Ok(heard.fraction(line.text.len()) as f32)
    }

    fn stop(&self) {
        self.0.stop();
    }
}
