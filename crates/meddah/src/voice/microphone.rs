//! The microphone of this PC, for games that cannot record. See `loudspeaker.rs` for when it is there.

use std::time::Duration;

use futures::{StreamExt as _, stream};
use meddah_protocol::WireError;
use meddah_speech::SoundStream;
use meddah_speech::devices::Microphone;

use super::loudspeaker::device_error;

/// So long is recorded on after the key was let go: people let go with the last syllable.
const TAIL: Duration = Duration::from_millis(200);

/// What is spoken from now on, until then and a little longer.
pub fn record(
    name: Option<&str>,
    until: impl Future<Output = ()> + Send + 'static,
) -> Result<SoundStream, WireError> {
    let microphone = Microphone::open(name).map_err(device_error)?;
    let over = async move {
        until.await;
        tokio::time::sleep(TAIL).await;
    };
    let sound = stream::unfold(microphone, |mut microphone| async {
        Some((microphone.next().await.ok()?, microphone))
    });
    Ok(sound.take_until(Box::pin(over)).boxed())
}
