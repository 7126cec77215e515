//! A voice of a service behind the port. What services have in common is here; what they say is their dialect's.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::{StreamExt as _, stream};
use meddah_inference::http::{Call, Reply, Socket};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::line::{Changes, Line};
use super::reader::{Reader, Then};
use super::server::Server;
use super::{OnlineSpeechConfig, fault, words};
use crate::phonemes::has_word;
use crate::{
    SpeechError, SpeechErrorKind, SpeechPiece, SpeechRequest, SpeechStream, TextToSpeech, Voice,
    VoiceSettings,
};

/// Voices of an account seldom change.
const VOICES_LIFE: Duration = Duration::from_secs(10 * 60);
/// A list of voices that takes longer is left out.
const VOICES_WAIT_MAX: Duration = Duration::from_secs(5);
/// Voices that are listed, at most; services have thousands.
const VOICES_MAX: usize = 500;
/// A voice's name, bytes.
const VOICE_BYTES_MAX: usize = 200;

/// How a service is spoken to.
#[async_trait]
pub(super) trait Dialect: Send + Sync {
    /// Asks; the answer is sound, in the form that [`reader`](Dialect::reader) reads.
    async fn ask(&self, server: &Server, asked: &Asked<'_>) -> Result<Source, SpeechError>;

    /// For one answer.
    fn reader(&self) -> Box<dyn Reader>;

    /// Whether its answers tell times.
    fn is_timed(&self) -> bool {
        true
    }

    /// Samples per second that are asked for.
    fn rate_hz(&self) -> u32;

    /// The speeds that it can speak in; none if it has one.
    fn speeds(&self) -> Option<RangeInclusive<f32>>;

    /// The voice that is taken where nobody chose one.
    fn usual_voice(&self) -> Option<&'static str>;

    /// Asks for its voices; none if it cannot be asked.
    fn list_voices(&self, _: &Server) -> Option<Result<Call, SpeechError>> {
        None
    }

    /// Voices that it has whoever asks.
    fn listed_voices(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether this is how the service calls a voice; otherwise it is a name out of its list.
    fn is_id(&self, _: &str) -> bool {
        true
    }
}

/// What is asked for, in the service's terms.
pub(super) struct Asked<'a> {
    pub text: &'a str,
    /// As the service calls it.
    pub voice: &'a str,
    /// Within [`Dialect::speeds`].
    pub speed: f32,
}

/// Where an answer comes from.
pub(super) enum Source {
    Body(Box<Reply>),
    Socket(Box<Socket>),
}

impl Source {
    pub fn body(reply: Reply) -> Source {
        Source::Body(Box::new(reply))
    }

    async fn next(&mut self, server: &Server) -> Result<Option<Vec<u8>>, SpeechError> {
        match self {
            Source::Body(reply) => server.next(reply).await,
            Source::Socket(socket) => server.next_frame(socket).await,
        }
    }
}

/// A voice of a service's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub id: String,
    pub name: String,
    pub language: String,
}

/// Speaks with the voices of one service.
pub struct OnlineVoice {
    /// The name of the service in settings.
    key: String,
    server: Arc<Server>,
    dialect: Box<dyn Dialect>,
    usual: Option<String>,
    /// Names of the player's own, and what the service calls those voices.
    voices: BTreeMap<String, String>,
    listed: Mutex<Option<(Instant, Vec<Listed>)>>,
}

impl OnlineVoice {
    pub(super) fn new(config: OnlineSpeechConfig, server: Server, dialect: Box<dyn Dialect>) -> OnlineVoice {
        OnlineVoice {
            server: Arc::new(server),
            key: config.service.trim_end_matches("-socket").to_owned(),
            usual: config.voice.or_else(|| dialect.usual_voice().map(str::to_owned)),
            dialect,
            voices: config.voices,
            listed: Mutex::default(),
        }
    }

    /// What it is called in messages.
    pub fn service(&self) -> &str {
        &self.server.name
    }

    /// The model that speaks, as the service calls it; empty where it has one only.
    pub fn model(&self) -> &str {
        &self.server.model
    }

    /// The service's list, asked for at most every ten minutes. Empty where there is none or it does not come.
    async fn listed(&self) -> Vec<Listed> {
        let mut listed = self.listed.lock().await;
        if let Some((_, voices)) = listed.as_ref().filter(|(since, _)| since.elapsed() < VOICES_LIFE) {
            return voices.clone();
        }
        let Some(Ok(call)) = self.dialect.list_voices(&self.server) else { return Vec::new() };
        let answer = tokio::time::timeout(VOICES_WAIT_MAX, self.server.ask(call)).await;
        let Ok(Ok(answer)) = answer else { return Vec::new() };
        let voices = read_voices(&answer);
        *listed = Some((Instant::now(), voices.clone()));
        voices
    }

    /// What the service calls the voice that is asked for.
    async fn id_of(&self, settings: &VoiceSettings) -> Result<String, SpeechError> {
        let elsewhere = settings.elsewhere.get(&self.key);
        let name = elsewhere.or(settings.voice.as_ref()).or(self.usual.as_ref());
        let service = &self.server.name;
        let Some(name) = name else {
            return Err(unknown(
                format!("no voice of {service} is chosen"),
                "Name one with `voice` in the settings of this service.",
            ));
        };
        if name.is_empty() || name.len() > VOICE_BYTES_MAX || name.chars().any(char::is_control) {
            return Err(unknown("the voice's name makes no sense", "Use a name out of the list of voices."));
        }
        let name = self.voices.get(name).unwrap_or(name);
        if self.dialect.is_id(name) {
            return Ok(name.clone());
        }
        let is_it = |listed: &&Listed| {
            // "Rachel - calm" is found as "Rachel".
            let short = listed.name.split(" - ").next().unwrap_or_default();
            listed.name.eq_ignore_ascii_case(name) || short.eq_ignore_ascii_case(name)
        };
        let found = self.listed().await.iter().find(is_it).map(|listed| listed.id.clone());
        found.ok_or_else(|| {
            unknown(
                format!("{service} has no voice {name:?}"),
                "Use the voice's id, or a name out of the account's list of voices.",
            )
        })
    }
}

fn unknown(message: impl Into<String>, help: &str) -> SpeechError {
    SpeechError::new(SpeechErrorKind::UnknownVoice, message, help)
}

#[async_trait]
impl TextToSpeech for OnlineVoice {
    async fn voices(&self) -> Vec<Voice> {
        let voice = |name: &str, language: &str| Voice {
            name: name.to_owned(),
            language: language.to_owned(),
            speakers: 1,
            sample_rate_hz: self.dialect.rate_hz(),
            robotic: false,
        };
        let mut voices: Vec<Voice> = self.usual.iter().map(|usual| voice(usual, "")).collect();
        voices.extend(self.voices.keys().map(|name| voice(name, "")));
        voices.extend(self.dialect.listed_voices().iter().map(|name| voice(name, "")));
        let listed = self.listed().await;
        voices.extend(listed.iter().map(|listed| voice(&listed.name, &listed.language)));
        let mut seen = std::collections::HashSet::new();
        voices.retain(|voice| seen.insert(voice.name.clone()));
        voices
    }

    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        request.check()?;
        if !has_word(&request.text) {
            return Ok(stream::empty().boxed());
        }
        let settings = &request.settings;
        let voice = self.id_of(settings).await?;
        let (speed, pitch_ratio) = pace(settings, self.dialect.speeds());
        let asked = Asked { text: &request.text, voice: &voice, speed };
        let words = words::read(&request, self.server.language.as_deref());
        let (source, words) = tokio::join!(self.dialect.ask(&self.server, &asked), words);
        let is_timed = self.dialect.is_timed();
        let changes = Changes { volume: settings.volume, pitch_ratio, is_timed };
        let speaking = Speaking {
            source: source?,
            reader: self.dialect.reader(),
            line: Line::new(&self.server.name, &request.text, words, changes),
            server: self.server.clone(),
            over: false,
        };
        let pieces = stream::unfold(speaking, |mut speaking| async {
            speaking.next().await.map(|piece| (piece, speaking))
        });
        Ok(pieces.boxed())
    }
}

/// The speed to ask for, and by how much the sound is then played faster and higher. A service without a speed of its
/// own has its one pace and pitch.
fn pace(settings: &VoiceSettings, speeds: Option<RangeInclusive<f32>>) -> (f32, f32) {
    let Some(speeds) = speeds else { return (1.0, 1.0) };
    let pitch_ratio = if settings.pitch == 0.0 { 1.0 } else { settings.pitch_ratio() };
    ((settings.speed / pitch_ratio).clamp(*speeds.start(), *speeds.end()), pitch_ratio)
}

/// An answer under way. Dropping it closes the connection.
struct Speaking {
    source: Source,
    reader: Box<dyn Reader>,
    line: Line,
    server: Arc<Server>,
    over: bool,
}

impl Speaking {
    async fn next(&mut self) -> Option<Result<SpeechPiece, SpeechError>> {
        if self.over {
            return None;
        }
        let piece = self.piece().await;
        self.over |= piece.is_err();
        Some(piece)
    }

    async fn piece(&mut self) -> Result<SpeechPiece, SpeechError> {
        loop {
            if let Some(piece) = self.line.take() {
                return Ok(piece);
            }
            let then = match self.source.next(&self.server).await? {
                Some(bytes) => self.reader.push(&self.server, &bytes, &mut self.line)?,
                None => {
                    self.reader.finish(&self.server, &mut self.line)?;
                    Then::Over
                }
            };
            if then == Then::Over {
                self.over = true;
                return self.line.finish();
            }
        }
    }
}

/// The voices of a list in any of the forms that services have.
fn read_voices(answer: &Value) -> Vec<Listed> {
    let list = ["voices", "data", "speakers"].iter().find_map(|name| answer[*name].as_array());
    let list = list.or_else(|| answer.as_array());
    let voices = list.into_iter().flatten().filter_map(|voice| {
        let text = |names: &[&str]| {
            let found = names.iter().find_map(|name| voice[*name].as_str());
            found.or_else(|| voice.as_str()).filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let id = text(&["voice_id", "voiceId", "id", "name"])?;
        let name = text(&["displayName", "name"]).unwrap_or_else(|| id.clone());
        let first_of_several = voice["languages"].as_array().and_then(|all| all.first()?.as_str());
        let one = ["language", "langCode"].iter().find_map(|name| voice[*name].as_str());
        let language = one.or(first_of_several).or_else(|| voice["labels"]["language"].as_str());
        Some(Listed { id, name, language: language.unwrap_or_default().to_owned() })
    });
    voices.take(VOICES_MAX).collect()
}

/// What stands in a path instead of a word of it.
pub(super) fn is_safe_in_a_path(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|sign| sign.is_ascii_alphanumeric() || matches!(sign, '-' | '_'))
}

/// Of answers that should be sound, one that is packed, a page, or a refusal that calls itself a success.
pub(super) async fn check_is_sound(server: &Server, reply: Reply) -> Result<Source, SpeechError> {
    let kind = reply.media_type();
    if kind == "application/json" {
        return Err(fault::refused(reply, &server.name).await);
    }
    let packed =
        ["audio/mpeg", "audio/mp3", "audio/ogg", "audio/opus", "audio/flac", "audio/aac", "text/html"];
    if packed.contains(&kind.as_str()) {
        return Err(fault::nonsense(&server.name, format!("{kind} instead of WAV or PCM")));
    }
    Ok(Source::body(reply))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn lists_of_voices_are_read_in_every_form() {
        let names = |answer: Value| {
            let voices = read_voices(&answer).into_iter();
            voices.map(|voice| format!("{}={}/{}", voice.name, voice.id, voice.language)).collect::<Vec<_>>()
        };
        assert_eq!(names(json!({"voices": ["af_heart"]})), ["af_heart=af_heart/"]);
        let eleven = json!({"voices": [{"voice_id": "x1", "name": "Rachel", "labels": {"language": "en"}}]});
        assert_eq!(names(eleven), ["Rachel=x1/en"]);
        let inworld =
            json!({"voices": [{"voiceId": "Ashley", "displayName": "Ashley", "langCode": "EN_US"}]});
        assert_eq!(names(inworld), ["Ashley=Ashley/EN_US"]);
        let cartesia = json!({"data": [{"id": "u-1", "name": "Sage", "language": "en"}], "has_more": true});
        assert_eq!(names(cartesia), ["Sage=u-1/en"]);
        assert_eq!(names(json!([{"name": "male", "voice_id": "male", "preview_url": "x"}])), ["male=male/"]);
        assert_eq!(names(json!({"error": 1})), [""; 0]);
    }

    #[test]
    fn a_higher_pitch_is_asked_for_slower_and_played_faster() {
        let settings = |speed, pitch| VoiceSettings { speed, pitch, ..VoiceSettings::default() };
        assert_eq!(pace(&settings(1.5, 0.0), Some(0.5..=2.0)), (1.5, 1.0));
        let (speed, ratio) = pace(&settings(1.0, 4.0), Some(0.5..=2.0));
        assert!((speed * ratio - 1.0).abs() < 1e-5 && ratio > 1.25);
        assert_eq!(pace(&settings(2.0, 0.0), Some(0.7..=1.2)), (1.2, 1.0));
        assert_eq!(pace(&settings(2.0, 4.0), None), (1.0, 1.0));
    }
}
