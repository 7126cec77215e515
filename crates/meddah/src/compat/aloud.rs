//! Speech for mods that ask for it by itself: a text as sound, and sound as text.

use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use meddah_engine::world::Character;
use meddah_protocol::{ErrorCode, WireError};
use meddah_speech::{
    AudioFormat, Encoder, LISTEN_RATE_HZ, ListenRequest, Partial, SPEED, SpeechPiece, SpeechRequest,
    SpeechStream, TEXT_BYTES_MAX, VoiceSettings, decode, decode_pcm,
};

use super::sent::{invalid, unsupported};
use crate::transport::App;
use crate::wire::speech_error;

/// Sound that is sent to be understood, as a file.
pub(super) const SOUND_BYTES_MAX: usize = 25 * 1024 * 1024;
/// Model names that stand for a character of ours begin with this, and so do voices.
const CHARACTER: &str = "character:";

/// Which voice is meant by a name that a mod sends: one of ours, a character's, or (because mods name the voices of
/// their usual service) one that always is the same for the same name.
pub(super) async fn voice(app: &App, name: &str) -> VoiceSettings {
    let voices = &app.sidecar.ports.voices;
    voices.list_voices().await;
    if voices.is_voice(name) {
        return VoiceSettings { voice: Some(name.to_owned()), ..VoiceSettings::default() };
    }
    let id = name.strip_prefix(CHARACTER).unwrap_or(name);
    let worlds = app.sidecar.worlds.list();
    let known = worlds.iter().find_map(|world| world.characters.get(id));
    let unknown = Character { id: id.to_owned(), ..Character::default() };
    voices.cast(known.unwrap_or(&unknown), "en")
}

/// A voice for somebody of whom no more is known than a word or two.
pub(super) async fn voice_like(app: &App, description: &str) -> VoiceSettings {
    let voices = &app.sidecar.ports.voices;
    voices.list_voices().await;
    let role = description.to_lowercase();
    voices.cast(&Character { role, ..Character::default() }, "en")
}

/// What to say: a text of one to a few thousand characters.
pub(super) fn request(
    text: Option<&str>,
    settings: VoiceSettings,
    speed: Option<f64>,
) -> Result<SpeechRequest, WireError> {
    let text = text.filter(|text| !text.trim().is_empty()).ok_or_else(|| {
        invalid("there is no text to say", format!("Send one of 1 to {TEXT_BYTES_MAX} bytes."))
    })?;
    let faster = speed.map_or(1.0, |speed| speed as f32);
    let speed = (settings.speed * faster).clamp(*SPEED.start(), *SPEED.end());
    Ok(SpeechRequest {
        text: text.to_owned(),
        settings: VoiceSettings { speed, ..settings },
        ..SpeechRequest::default()
    })
}

/// Begins to speak. A mod that asks so names no world: names are said as the first one that is loaded wants.
pub(super) async fn speak(app: &App, request: SpeechRequest) -> Result<SpeechStream, WireError> {
    let voices = &app.sidecar.ports.voices;
    let lexicon = app.sidecar.worlds.list().first().map(|world| voices.lexicon(world));
    let request = SpeechRequest { lexicon: lexicon.unwrap_or(request.lexicon), ..request };
    let engine = voices.engine().ok_or_else(|| {
        unsupported("nobody speaks here", "Name voices in `[speech] voices`, or turn the mod's voice off.")
    })?;
    engine.speak(request).await.map_err(speech_error)
}

/// The sound as one file.
pub(super) async fn file(
    speech: SpeechStream,
    format: AudioFormat,
    rate_hz: Option<u32>,
) -> Result<Vec<u8>, WireError> {
    let pcm = SpeechPiece::whole(speech).await.map_err(speech_error)?.pcm;
    let rate_hz = rate_hz.unwrap_or(pcm.sample_rate_hz);
    let encoded = tokio::task::spawn_blocking(move || meddah_speech::encode(&pcm, format, rate_hz)).await;
    encoded.map_err(internal)?.map_err(|error| invalid(error.to_string(), "Ask for wav, which always works."))
}

/// The sound as it is made. An error behind its beginning breaks the connection off, which is all that can be done.
pub(super) async fn body(
    mut speech: SpeechStream,
    format: AudioFormat,
    rate_hz: Option<u32>,
) -> Result<Body, WireError> {
    let first = speech.next().await.transpose().map_err(speech_error)?;
    let rate_hz = rate_hz.or(first.as_ref().map(|first| first.pcm.sample_rate_hz)).unwrap_or(RATE_HZ);
    let encoder =
        Encoder::new(format, rate_hz).map_err(|error| invalid(error.to_string(), "Ask for wav."))?;
    let pieces = stream::iter(first.map(Ok)).chain(speech);
    let bytes = stream::try_unfold((pieces, Some(encoder)), |(mut pieces, encoder)| async move {
        let Some(mut encoder) = encoder else { return Ok(None) };
        match pieces.try_next().await.map_err(std::io::Error::other)? {
            Some(piece) => {
                let bytes = encoder.push(&piece.pcm).map_err(std::io::Error::other)?;
                Ok(Some((Bytes::from(bytes), (pieces, Some(encoder)))))
            }
            None => {
                let bytes = encoder.finish().map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(Some((Bytes::from(bytes), (pieces, None))))
            }
        }
    });
    Ok(Body::from_stream(bytes))
}

/// Of a file without any sound.
const RATE_HZ: u32 = 24_000;

/// What was understood of a sound.
pub(super) struct Heard {
    pub text: String,
    pub length: Duration,
}

/// What is said in this file; without a head it is PCM of this rate.
pub(super) async fn understand(
    app: &App,
    sound: Vec<u8>,
    pcm_rate_hz: Option<u32>,
    language: Option<String>,
    hint: Option<String>,
) -> Result<Heard, WireError> {
    let ears = app.sidecar.ports.ears.clone().ok_or_else(crate::wire::no_ears)?;
    let decoded = tokio::task::spawn_blocking(move || {
        let pcm = match (decode(&sound), pcm_rate_hz) {
            (Err(_), Some(rate_hz)) => decode_pcm(&sound, rate_hz),
            (decoded, _) => decoded,
        };
        pcm.map(|pcm| pcm.resampled(LISTEN_RATE_HZ))
    });
    let pcm = decoded.await.map_err(internal)?.map_err(|error| {
        invalid(error.to_string(), "Send a whole WAV, OGG, Opus or MP3 file of at most ten minutes.")
    })?;
    let length = pcm.duration();
    let request = ListenRequest {
        sound: stream::iter([pcm]).boxed(),
        language,
        names: hint.into_iter().collect(),
        partial: Partial::No,
    };
    let mut transcripts = ears.listen(request).await.map_err(speech_error)?;
    let mut text = String::new();
    while let Some(transcript) = transcripts.next().await.transpose().map_err(speech_error)? {
        text = transcript.text;
    }
    Ok(Heard { text, length })
}

/// The format that a mod names, or the usual one.
pub(super) fn format(name: Option<&str>, usual: AudioFormat) -> Result<AudioFormat, WireError> {
    let Some(name) = name else { return Ok(usual) };
    name.parse().map_err(|_| {
        let names: Vec<&str> = AudioFormat::ALL.iter().map(|format| format.extension()).collect();
        unsupported(format!("there is no format {name:?} here"), format!("Ask for {}.", names.join(", ")))
    })
}

fn internal(error: tokio::task::JoinError) -> WireError {
    WireError::new(ErrorCode::Internal, error.to_string())
}
