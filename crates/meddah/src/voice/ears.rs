//! Sound as it is listened to.

use meddah_speech::{LISTEN_RATE_HZ, Pcm, Resampler};

/// A whole sound at the rate that is listened to.
pub fn to_listen_rate(pcm: Pcm) -> Pcm {
    let Some(mut resampler) = Resampler::between(pcm.sample_rate_hz, LISTEN_RATE_HZ) else { return pcm };
    let mut samples = resampler.push(&pcm.samples);
    samples.extend(resampler.finish());
    Pcm { sample_rate_hz: LISTEN_RATE_HZ, samples }
}
