//! `meddah doctor`: what is there, what is missing, and what to do about it.

use meddah_llama::KvType;

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, print};
use crate::config::DEFAULTS;
use crate::doctor::{self, DevicesFound, Inputs, Machine, Model, Speech, Status};
use crate::embedder::LateEmbedder;
use crate::ladders::{self, Ladders};
use crate::models::{Inspected, Kind, ModelStore};
use meddah_inference::ladder::Rung;
use meddah_speech::LocalSpeech;
use std::sync::Arc;

#[derive(clap::Args)]
pub struct DoctorArguments {
    #[command(flatten)]
    common: Common,
    /// The port to look at
    #[arg(long)]
    port: Option<u16>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Print every setting with its default instead
    #[arg(long)]
    settings: bool,
}

pub async fn run(arguments: DoctorArguments) -> Result<u8, Failure> {
    if arguments.settings {
        print::line(DEFAULTS.trim_end());
        print::line("");
        print::line(meddah_host::settings::DEFAULTS.trim_end());
        return Ok(DONE);
    }
    let setup = Setup::open(&arguments.common)?;
    let settings = &setup.settings;
    let mut checks = doctor::run(&Inputs {
        version: env!("CARGO_PKG_VERSION"),
        protocol: meddah_protocol::PROTOCOL_VERSION,
        data_dir: &setup.paths.data,
        port: arguments.port.unwrap_or(settings.port),
        model: model(&setup),
        inspect,
        embedder: LateEmbedder::from_setting(&settings.embedder, &setup.paths).standing(),
        try_embedder,
        kv_tokens: u64::from(settings.local.context_tokens) * 2,
        machine: Machine::detect(&setup.paths.data),
    });
    checks.extend(doctor::check_speech(&speech(&setup)));
    if arguments.json {
        print::line(&doctor::to_json(&checks).to_string());
    } else {
        let mut out = anstream::stdout();
        doctor::render(&checks, true, &mut out).ok(); // the reader left
    }
    Ok(if doctor::verdict(&checks) == Status::Problem { BAD_INPUT } else { DONE })
}

/// Who speaks and listens; nobody is asked.
fn speech(setup: &Setup) -> Speech {
    let voices = LocalSpeech::voices_in(&setup.paths.models());
    let listens = |name: &String| match name.as_str() {
        "local" => {
            let store = ModelStore::open(&setup.paths.data).ok()?;
            let file = store.default_model(Kind::Listener)?;
            Some(file.file_stem()?.to_string_lossy().into_owned())
        }
        service => Some(service.to_owned()),
    };
    Speech {
        speakers: setup.settings.speech.voices.clone(),
        voices: voices.into_iter().filter(|voice| !voice.robotic).map(|voice| voice.name).collect(),
        listener: setup.settings.speech.listeners.iter().find_map(listens),
        devices: devices(),
    }
}

#[cfg(any(windows, target_os = "macos", feature = "devices"))]
fn devices() -> Option<DevicesFound> {
    let found = match meddah_speech::devices::devices() {
        Ok(found) => found,
        Err(error) => return Some(Err((error.message, error.help.to_owned()))),
    };
    let (mut play, mut record) = (Vec::new(), Vec::new());
    for device in found {
        if device.plays {
            play.push(device.name.clone());
        }
        if device.records {
            record.push(device.name);
        }
    }
    Some(Ok((play, record)))
}

#[cfg(not(any(windows, target_os = "macos", feature = "devices")))]
fn devices() -> Option<DevicesFound> {
    None
}

fn model(setup: &Setup) -> Model {
    let ladders = match Ladders::open(&setup.settings, &setup.paths) {
        Ok(ladders) => ladders,
        Err(error) => return Model::Unusable { message: error.message, help: error.help },
    };
    let ladder = ladders.usual();
    match ladder.rungs() {
        [rung] if rung.label().1 == "local" => local_model(setup),
        rungs => elsewhere(rungs),
    }
}

fn local_model(setup: &Setup) -> Model {
    let name = setup.settings.ladder.first().unwrap_or(&setup.settings.model);
    let name = name.strip_prefix("local:").unwrap_or(if name == "local" { "" } else { name });
    match ladders::find_model(name, &setup.paths) {
        Ok(Some(file)) => Model::File(file),
        Ok(None) => Model::Missing,
        Err(error) => Model::Unusable { message: error.message, help: error.help },
    }
}

/// A ladder, or one model that does not run here: nobody is asked, but keys and addresses are looked at.
fn elsewhere(rungs: &[Arc<Rung>]) -> Model {
    let (mut usable, mut wrong, mut first_help) = (Vec::new(), Vec::new(), String::new());
    for rung in rungs {
        match rung.thinker() {
            Ok(_) => usable.push(rung.name.clone()),
            Err(error) => {
                wrong.push(format!("{}: {}", rung.name, error.message));
                if first_help.is_empty() {
                    first_help = error.help;
                }
            }
        }
    }
    if usable.is_empty() {
        return Model::Unusable { message: wrong.join("; "), help: first_help };
    }
    let wrong = if wrong.is_empty() { String::new() } else { format!(" (not usable: {})", wrong.join("; ")) };
    Model::Elsewhere(format!("ladder: {}{wrong}", usable.join(", then ")))
}

/// Whether an embedder's file is one.
fn try_embedder(file: &std::path::Path) -> Result<(), String> {
    meddah_embedding::Encoder::open(file).map(drop).map_err(|error| error.to_string())
}

/// A model file's header, in the words of the model store.
pub fn inspect(file: &std::path::Path) -> Result<Inspected, String> {
    let info = meddah_llama::gguf::inspect(file).map_err(|error| error.to_string())?;
    Ok(Inspected {
        kv_bytes_per_token: info.kv_bytes_per_token(KvType::default()),
        architecture: info.architecture,
        file_type: info.file_type,
        parameters: info.parameters,
        context_tokens: info.context_tokens,
        licence: info.license,
        has_chat_template: info.has_chat_template,
        weight_bytes: info.tensor_bytes,
    })
}
