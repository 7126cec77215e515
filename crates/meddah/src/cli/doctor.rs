//! `meddah doctor`: what is there, what is missing, and what to do about it.

use meddah_llama::KvType;

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, print};
use crate::config::DEFAULTS;
use crate::doctor::{self, Inputs, Machine, Model, Status};
use crate::ladders;
use crate::models::Inspected;

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
        return Ok(DONE);
    }
    let setup = Setup::open(&arguments.common)?;
    let settings = &setup.settings;
    let checks = doctor::run(&Inputs {
        version: env!("CARGO_PKG_VERSION"),
        protocol: meddah_protocol::PROTOCOL_VERSION,
        data_dir: &setup.paths.data,
        port: arguments.port.unwrap_or(settings.port),
        model: model(&setup),
        inspect,
        kv_tokens: u64::from(settings.local.context_tokens) * 2,
        machine: Machine::detect(&setup.paths.data),
    });
    if arguments.json {
        print::line(&doctor::to_json(&checks).to_string());
    } else {
        let mut out = anstream::stdout();
        doctor::render(&checks, true, &mut out).ok(); // the reader left
    }
    Ok(if doctor::verdict(&checks) == Status::Problem { BAD_INPUT } else { DONE })
}

fn model(setup: &Setup) -> Model {
    let name = &setup.settings.model;
    if ladders::is_scripted(name) {
        return Model::Elsewhere(name.clone());
    }
    match ladders::find_model(name, &setup.paths) {
        Ok(Some(file)) => Model::File(file),
        Ok(None) => Model::Missing,
        Err(error) => Model::Unusable { message: error.message, help: error.help },
    }
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
