//! The voice of characters: text becomes sound, on this PC or through a service.
//!
//! [`TextToSpeech`] is the port; [`LocalSpeech`] speaks with voice files of Piper's format, or with a robotic voice
//! that needs none, [`online`] through services. [`SpeechToText`] is the port to whoever listens. Speech comes in pieces, with marks that say when each sound and each word is spoken. How names of
//! a world are said is its author's [`Lexicon`]; a name that no list knows is said by rules and never left out.

pub mod cache;
#[cfg(feature = "devices")]
pub mod devices;
pub mod formats;
pub mod ladder;
mod local;
pub mod online;
mod pcm;
pub mod phonemes;
mod piper;
pub mod prices;
mod resample;
mod scripted;
mod speech_to_text;
#[cfg(any(test, feature = "suite"))]
pub mod suite;
mod synthesiser;
mod text_to_speech;
pub mod visemes;
pub mod voice_activity_detection;

pub use formats::{AudioFormat, Encoder, FormatError, decode, decode_pcm, encode};
pub use local::{LocalSpeech, ROBOT, try_voice};
pub use pcm::{Pcm, WavError, WavWriter, samples_as_time};
pub use phonemes::{Lexicon, LexiconError};
pub use resample::Resampler;
pub use scripted::ScriptedSpeech;
pub use speech_to_text::{
    LISTEN_RATE_HZ, ListenRequest, NAMES_MAX, Partial, ScriptedListener, SoundStream, SpeechToText,
    Transcript, TranscriptStream, UTTERANCE_MAX,
};
pub use text_to_speech::{
    Mark, MarkKind, PITCH, SPEED, SpeechError, SpeechErrorKind, SpeechPiece, SpeechRequest, SpeechStream,
    TEXT_BYTES_MAX, TextToSpeech, VOLUME, Voice, VoiceSettings,
};
