//! In what form a game takes sound: what it said of itself in `capabilities`, checked.

use meddah_protocol::{Capabilities, ErrorCode, WireError};
use meddah_speech::AudioFormat;

/// How the sound reaches the game.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// It fetches the file.
    #[default]
    Url,
    /// It opens a file on this PC.
    Path,
    /// In the event, as Base64.
    Data,
    /// As a binary frame behind the event.
    Frames,
}

/// Which mouth shapes it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VisemeSet {
    /// The fifteen of Oculus.
    Oculus,
    /// Weights of blend shapes over time.
    Arkit,
    /// Ids 0 to 21.
    Azure,
    /// Letters A to H, X.
    Rhubarb,
    /// The sounds themselves, in signs of the IPA.
    Ipa,
}

/// The form of sound that a game asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioForm {
    /// The kind of file.
    pub format: AudioFormat,
    /// Samples a second; none: as the voice has them.
    pub sample_rate_hz: Option<u32>,
    /// How it gets there.
    pub delivery: Delivery,
    /// A line comes in parts, as soon as each is made.
    pub parts: bool,
    /// Mouth shapes and loudness go with it.
    pub visemes: Option<VisemeSet>,
    /// The sidecar plays it.
    pub played_here: bool,
}

impl AudioForm {
    /// What these capabilities ask for; none without sound.
    pub fn of(capabilities: &Capabilities) -> Result<Option<AudioForm>, WireError> {
        let wanted = &capabilities.audio;
        if wanted.is_empty() && !capabilities.self_playback {
            return Ok(None);
        }
        let known = || wanted.iter().find_map(|name| name.parse::<AudioFormat>().ok());
        let format = match wanted.is_empty() {
            true => AudioFormat::Wav,
            false => known().ok_or_else(|| {
                let names: Vec<&str> = AudioFormat::ALL.iter().map(|format| format.extension()).collect();
                invalid("audio", &wanted.join(", "), &names)
            })?,
        };
        let sample_rate_hz = match capabilities.sample_rate_hz {
            Some(rate) if !format.rates_hz().contains(&rate) => {
                let rates: Vec<String> = format.rates_hz().iter().map(u32::to_string).collect();
                let rates: Vec<&str> = rates.iter().map(String::as_str).collect();
                return Err(invalid("sample_rate_hz", &rate.to_string(), &rates));
            }
            rate => rate,
        };
        let delivery = pick(
            "audio_as",
            &capabilities.audio_as,
            &[
                ("url", Delivery::Url),
                ("path", Delivery::Path),
                ("data", Delivery::Data),
                ("frames", Delivery::Frames),
            ],
        )?;
        let set = pick(
            "viseme_set",
            &capabilities.viseme_set,
            &[
                ("oculus", VisemeSet::Oculus),
                ("arkit", VisemeSet::Arkit),
                ("azure", VisemeSet::Azure),
                ("rhubarb", VisemeSet::Rhubarb),
                ("ipa", VisemeSet::Ipa),
            ],
        )?;
        let visemes = (capabilities.visemes || !capabilities.viseme_set.is_empty()).then_some(set);
        // The files of the others are more than their parts.
        let whole = capabilities.self_playback;
        let parts =
            capabilities.audio_parts && !whole && matches!(format, AudioFormat::Wav | AudioFormat::Pcm);
        let played_here = capabilities.self_playback;
        Ok(Some(AudioForm { format, sample_rate_hz, delivery, parts, visemes, played_here }))
    }
}

/// The one of this name; the first where none is named.
fn pick<T: Copy>(field: &str, name: &str, known: &[(&str, T)]) -> Result<T, WireError> {
    let found = known.iter().find(|(known, _)| name.is_empty() || known.eq_ignore_ascii_case(name));
    let names = || known.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    found.map(|(_, value)| *value).ok_or_else(|| invalid(field, name, &names()))
}

fn invalid(field: &str, value: &str, known: &[&str]) -> WireError {
    let value: String = value.chars().take(40).collect();
    WireError::new(ErrorCode::InvalidRequest, format!("`capabilities.{field}` is {value:?}"))
        .with_help(format!("Known are: {}.", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_format_that_can_be_made_is_taken() {
        assert_eq!(AudioForm::of(&Capabilities::default()).unwrap(), None);
        let audio = vec!["flac".to_owned(), "pcm".to_owned(), "wav".to_owned()];
        let form = AudioForm::of(&Capabilities { audio, audio_parts: true, ..Default::default() }).unwrap();
        let form = form.unwrap();
        assert_eq!((form.format, form.parts, form.visemes), (AudioFormat::Pcm, true, None));
        let here = Capabilities { self_playback: true, ..Default::default() };
        assert!(AudioForm::of(&here).unwrap().unwrap().played_here);
    }

    #[test]
    fn what_is_not_known_is_refused_with_what_is() {
        let of = |capabilities: Capabilities| AudioForm::of(&capabilities).unwrap_err();
        let wav = || vec!["wav".to_owned()];
        let error = of(Capabilities { audio: vec!["flac".into()], ..Default::default() });
        assert!(error.message.contains("flac") && error.help.contains("wav, pcm"), "{error:?}");
        let error = of(Capabilities { audio: wav(), audio_as: "pigeon".into(), ..Default::default() });
        assert!(error.message.contains("pigeon") && error.help.contains("url, path"), "{error:?}");
        let error = of(Capabilities { audio: wav(), viseme_set: "xbox".into(), ..Default::default() });
        assert!(error.help.contains("arkit"), "{error:?}");
        let error = of(Capabilities { audio: wav(), sample_rate_hz: Some(11_000), ..Default::default() });
        assert!(error.help.contains("22050"), "{error:?}");
    }
}
