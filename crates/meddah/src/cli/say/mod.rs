//! `meddah say`: a text as a sound file, to hear how a voice speaks and how names are said.

mod lines;
mod picture;

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use meddah_speech::visemes::visemes;
use meddah_speech::{
    Lexicon, LocalSpeech, MarkKind, Pcm, SpeechError, SpeechErrorKind, SpeechPiece, SpeechRequest,
    TextToSpeech, VoiceSettings, WavWriter,
};

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, INTERRUPTED, NO_ANSWER, WRONG_USAGE, print, voices};
use crate::voice;

pub use lines::LineFiles;

/// Nothing else is going on.
const THREADS: usize = 2;

#[derive(clap::Args)]
pub struct SayArguments {
    /// What is said
    #[arg(required = true)]
    text: Vec<String>,
    /// A name of `meddah voices`, or an .onnx file of a Piper voice; without it the first that is installed
    #[arg(long)]
    voice: Option<String>,
    /// Let this service speak, as in the setting `speech.voices`: elevenlabs, openai:MODEL or a name of
    /// [speech_services.NAME]. It may cost money
    #[arg(long, value_name = "NAME")]
    service: Option<String>,
    /// Which speaker, where the voice has several
    #[arg(long)]
    speaker: Option<u32>,
    /// 1.0 is the usual speed
    #[arg(long, default_value_t = 1.0)]
    speed: f32,
    /// Semitones up or down
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    pitch: f32,
    /// 1.0 is the usual volume
    #[arg(long, default_value_t = 1.0)]
    volume: f32,
    /// How a name is said: NAME=DOH-vah-keen, or NAME=/dˈoʊvəkiːn/ in the IPA; may be given several times
    #[arg(long, value_name = "NAME=SOUND")]
    pronounce: Vec<String>,
    /// The WAV file to write
    #[arg(long, default_value = "said.wav")]
    out: PathBuf,
    /// Draw loudness and mouth shapes over time into this PNG file
    #[arg(long, value_name = "PNG")]
    picture: Option<PathBuf>,
    /// Print one JSON object with the mouth shapes and the words
    #[arg(long)]
    json: bool,
}

pub async fn run(arguments: SayArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&Common::default())?;
    let (speech, voice) = speech(&setup, &arguments)?;
    let request = SpeechRequest {
        text: arguments.text.join(" "),
        settings: VoiceSettings {
            voice,
            speaker: arguments.speaker,
            speed: arguments.speed,
            pitch: arguments.pitch,
            volume: arguments.volume,
            ..VoiceSettings::default()
        },
        lexicon: Arc::new(lexicon(&arguments.pronounce)?),
        authored: false,
    };
    let spoken = tokio::select! {
        spoken = speak(speech.as_ref(), request.clone()) => spoken?,
        _ = tokio::signal::ctrl_c() => return Err(Failure::new(INTERRUPTED, "stopped; nothing was written")),
    };
    if spoken.pcm.samples.is_empty() {
        return Err(Failure::new(
            WRONG_USAGE,
            "there is no word to say\nGive a text with at least one word.",
        ));
    }
    write(&arguments.out, &spoken.pcm)?;
    if let Some(file) = &arguments.picture {
        let writer = BufWriter::new(create(file)?);
        picture::draw(&spoken.pcm, &spoken.marks, writer).map_err(|error| cannot_write(file, &error))?;
    }
    if arguments.json {
        print::line(&shown(&request.text, &spoken, &arguments.out).to_string());
    } else {
        let seconds = spoken.pcm.duration().as_secs_f64();
        print::line(&format!("{}  {seconds:.1} s", arguments.out.display()));
    }
    Ok(DONE)
}

/// Who speaks, and what the voice is called there.
fn speech(
    setup: &Setup,
    arguments: &SayArguments,
) -> Result<(Arc<dyn TextToSpeech>, Option<String>), Failure> {
    if let Some(service) = &arguments.service {
        let speech = voice::voice(service, &setup.settings, &setup.paths).map_err(failure)?;
        return Ok((speech, arguments.voice.clone()));
    }
    let (folder, voice) = voices::place(&setup.paths, arguments.voice.as_deref());
    Ok((Arc::new(LocalSpeech::new(folder, THREADS).map_err(failure)?), voice))
}

async fn speak(speech: &dyn TextToSpeech, request: SpeechRequest) -> Result<SpeechPiece, Failure> {
    let stream = speech.speak(request).await.map_err(failure)?;
    SpeechPiece::whole(stream).await.map_err(failure)
}

fn lexicon(entries: &[String]) -> Result<Lexicon, Failure> {
    let mut pairs = Vec::with_capacity(entries.len());
    for entry in entries {
        let Some(pair) = entry.split_once('=') else {
            let message = format!("--pronounce {entry:?} has no `=`\nGive the name, `=` and how it is said.");
            return Err(Failure::new(WRONG_USAGE, message));
        };
        pairs.push(pair);
    }
    Lexicon::new(pairs).map_err(|error| Failure::new(WRONG_USAGE, format!("{error}\n{}", error.help)))
}

fn write(path: &Path, pcm: &Pcm) -> Result<(), Failure> {
    let writer = BufWriter::new(create(path)?);
    let whole = WavWriter::new(writer, pcm.sample_rate_hz).and_then(|mut wav| {
        wav.write(pcm)?;
        wav.finish()
    });
    whole.map_err(|error| cannot_write(path, &error))
}

fn create(path: &Path) -> Result<File, Failure> {
    File::create(path).map_err(|error| cannot_write(path, &error))
}

fn cannot_write(path: &Path, why: &dyn std::error::Error) -> Failure {
    Failure::new(BAD_INPUT, format!("cannot write {}: {why}\nChoose another file.", path.display()))
}

/// As the `audio` event shows it, and when each word is spoken.
fn shown(text: &str, spoken: &SpeechPiece, file: &Path) -> serde_json::Value {
    let shapes = visemes(&spoken.marks).into_iter().map(|mark| {
        let at_ms = mark.at.as_millis() as u64;
        serde_json::json!({"at_ms": at_ms, "viseme": mark.viseme.name(), "weight": rounded(mark.weight)})
    });
    let words = spoken.marks.iter().filter_map(|mark| match &mark.kind {
        MarkKind::Word(bytes) => {
            let at_ms = mark.at.as_millis() as u64;
            Some(serde_json::json!({"at_ms": at_ms, "word": text.get(bytes.clone())}))
        }
        MarkKind::Phoneme(_) => None,
    });
    serde_json::json!({
        "path": file.display().to_string(),
        "format": "wav",
        "sample_rate_hz": spoken.pcm.sample_rate_hz,
        "duration_ms": spoken.pcm.duration().as_millis() as u64,
        "visemes": shapes.collect::<Vec<_>>(),
        "words": words.collect::<Vec<_>>(),
    })
}

fn rounded(weight: f32) -> f64 {
    (f64::from(weight) * 100.0).round() / 100.0
}

pub(super) fn failure(error: SpeechError) -> Failure {
    let code = match error.kind {
        SpeechErrorKind::UnknownVoice | SpeechErrorKind::BadRequest | SpeechErrorKind::Language => {
            WRONG_USAGE
        }
        SpeechErrorKind::BadVoice | SpeechErrorKind::BadModel => BAD_INPUT,
        SpeechErrorKind::NotFound => WRONG_USAGE,
        _ => NO_ANSWER,
    };
    Failure::new(code, format!("{}\n{}", error.message, error.help))
}
