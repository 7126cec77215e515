//! What a Piper voice says of itself: the file `NAME.onnx.json` beside the model.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::SpeechError;

/// A larger file describes no voice.
const CONFIG_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// Signs that a voice may know; real ones know about 150.
const SIGNS_MAX: usize = 4096;

/// The parts of the file that are used here.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    audio: Audio,
    #[serde(default)]
    espeak: Espeak,
    #[serde(default)]
    language: Option<Language>,
    /// How lively it speaks.
    #[serde(default)]
    pub inference: Inference,
    #[serde(default = "one")]
    num_speakers: u32,
    #[serde(default)]
    phoneme_type: PhonemeType,
    phoneme_id_map: HashMap<String, Vec<i32>>,
}

/// What the signs of a voice are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PhonemeType {
    /// The IPA as espeak-ng writes it.
    #[default]
    #[serde(alias = "PhonemeType.ESPEAK")]
    Espeak,
    /// Something else, which is not supported.
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Deserialize)]
struct Audio {
    sample_rate: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Espeak {
    #[serde(default)]
    voice: String,
}

#[derive(Clone, Debug, Deserialize)]
struct Language {
    code: String,
}

/// Numbers that the model takes beside the sounds.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(default)]
pub struct Inference {
    /// How much the sound varies.
    pub noise_scale: f32,
    /// 1.0 is the usual speed, more is slower.
    pub length_scale: f32,
    /// How much the lengths of sounds vary.
    pub noise_w: f32,
}

impl Default for Inference {
    fn default() -> Self {
        Inference { noise_scale: 0.667, length_scale: 1.0, noise_w: 0.8 }
    }
}

fn one() -> u32 {
    1
}

/// Signs that every voice has: beginning, end, and the blank between sounds.
const FRAME_SIGNS: [&str; 3] = ["^", "$", "_"];

impl Config {
    /// Where the description of this model is.
    pub fn path(model: &Path) -> PathBuf {
        let mut name = model.as_os_str().to_owned();
        name.push(".json");
        PathBuf::from(name)
    }

    /// Reads the description of this model.
    pub fn read(model: &Path) -> Result<Config, SpeechError> {
        let path = Config::path(model);
        let unreadable = |error| SpeechError::unreadable(&path, &error);
        if std::fs::metadata(&path).map_err(unreadable)?.len() > CONFIG_BYTES_MAX {
            return Err(SpeechError::bad_voice(&path, "it is too large"));
        }
        let text = std::fs::read_to_string(&path).map_err(unreadable)?;
        Config::parse(&text).map_err(|why| SpeechError::bad_voice(&path, why))
    }

    fn parse(text: &str) -> Result<Config, String> {
        let config: Config = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let missing = FRAME_SIGNS.into_iter().find(|sign| config.ids(sign).is_none());
        if let Some(sign) = missing {
            return Err(format!("`phoneme_id_map` has no {sign:?}"));
        }
        let whole = |number: f32| number.is_finite() && (0.0..=10.0).contains(&number);
        let Inference { noise_scale, length_scale, noise_w } = config.inference;
        if ![noise_scale, length_scale, noise_w].into_iter().all(whole) || length_scale < 0.1 {
            return Err("`inference` has a number that makes no sense".into());
        }
        if !(8000..=48_000).contains(&config.audio.sample_rate) {
            return Err("`sample_rate` makes no sense".into());
        }
        if config.phoneme_id_map.len() > SIGNS_MAX || config.phoneme_type != PhonemeType::Espeak {
            return Err("its signs are not those of espeak-ng".into());
        }
        Ok(config)
    }

    /// Samples per second.
    pub fn sample_rate_hz(&self) -> u32 {
        self.audio.sample_rate
    }

    /// How many people speak; at least one.
    pub fn speakers(&self) -> u32 {
        self.num_speakers.max(1)
    }

    /// For example `en_US`.
    pub fn language(&self) -> &str {
        self.language.as_ref().map_or(self.espeak.voice.as_str(), |language| &language.code)
    }

    /// The numbers of a sign.
    pub fn ids(&self, sign: &str) -> Option<&[i32]> {
        self.phoneme_id_map.get(sign).map(Vec::as_slice).filter(|ids| !ids.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{"audio": {"sample_rate": 22050}, "espeak": {"voice": "en-us"}, "phoneme_type": "espeak",
        "phoneme_id_map": {"_": [0], "^": [1], "$": [2], "a": [14]}, "unknown": 1}"#;

    #[test]
    fn a_short_description_is_enough() {
        let config = Config::parse(SMALL).unwrap();
        assert_eq!((config.sample_rate_hz(), config.speakers(), config.language()), (22_050, 1, "en-us"));
        assert_eq!(config.ids("a"), Some([14].as_slice()));
    }

    #[test]
    fn what_is_no_voice_is_refused_with_the_reason() {
        for (from, to, why) in [
            (r#""^": [1], "#, "", "no \"^\""),
            ("22050", "1", "makes no sense"),
            (r#""phoneme_type": "espeak""#, r#""phoneme_type": "pinyin""#, "not those of espeak-ng"),
            (r#""unknown": 1"#, r#""inference": {"length_scale": -1}"#, "makes no sense"),
            ("{", "", "expected"),
        ] {
            let error = Config::parse(&SMALL.replacen(from, to, 1)).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn the_description_lies_beside_the_model() {
        assert_eq!(Config::path(Path::new("v/joe.onnx")), Path::new("v/joe.onnx.json"));
        assert!(
            Config::read(Path::new("/no/such/voice.onnx")).unwrap_err().message.contains("voice.onnx.json")
        );
    }
}
