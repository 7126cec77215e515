//! `meddah check`: tries a world's characters out against a model.

use std::path::PathBuf;

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, NO_ANSWER, WRONG_USAGE, print};
use crate::check::file::{self, Check};
use crate::check::{self, Plan, SMOKE_LINES_MAX};
use crate::turn::Explainer;

/// Something is wrong with a character.
const NOT_WELL: u8 = 1;
/// What stands for the ladder of the settings.
const LADDER: &str = "ladder";

#[derive(clap::Args)]
pub struct CheckArguments {
    #[command(flatten)]
    common: Common,
    /// Only this character
    #[arg(long, value_name = "ID")]
    character: Option<String>,
    /// Lines of the ordinary talk that is held with everybody, up to 20; 0 for none
    #[arg(long, value_name = "N", default_value_t = SMOKE_LINES_MAX)]
    turns: usize,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
    /// Files of talks; without one, all of the pack's folder `checks`
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

pub async fn run(mut arguments: CheckArguments) -> Result<u8, Failure> {
    if arguments.common.model.as_deref() == Some(LADDER) {
        arguments.common.model = None;
    }
    let mut setup = Setup::open(&arguments.common)?;
    setup.settings.local.background = false;
    let worlds = setup.worlds()?;
    let [world] = worlds.as_slice() else {
        return Err(Failure::new(WRONG_USAGE, "several worlds\nName one with `--world DIR`."));
    };
    let checks = read_checks(&arguments, &setup)?;
    let known = |id: &String| world.characters.contains_key(id);
    let named = checks.iter().map(|check| &check.character).chain(&arguments.character);
    if let Some(unknown) = named.into_iter().find(|id| !known(id)) {
        let ids: Vec<&str> = world.characters.keys().map(String::as_str).collect();
        let message =
            format!("no such character: {unknown}\nCharacters of {}: {}.", world.name, ids.join(", "));
        return Err(Failure::new(BAD_INPUT, message));
    }
    let (explainer, explanations) = Explainer::new();
    setup.settings.turn.explain = Some(explainer);
    let sidecar = setup.sidecar_for_trial(worlds.clone())?;
    let ladders = sidecar.ports.ladders.clone();
    let plan =
        Plan { checks, smoke_lines: arguments.turns.min(SMOKE_LINES_MAX), character: arguments.character };
    let told = |talk: &check::TalkReport| {
        let result = if talk.is_well() { "ok" } else { "FAIL" };
        print::note(&format!("{result}: {}, {}", talk.character, talk.name));
    };
    let report = check::run(&sidecar, world, &plan, explanations, told).await;
    sidecar.shutdown().await;
    ladders.shutdown().await;
    let report = report?;
    if arguments.json {
        print::line(&serde_json::to_string(&report).map_err(anyhow::Error::from)?);
    } else {
        print::line(report.table().trim_end());
    }
    Ok(match report.is_well() {
        true => DONE,
        false if report.no_model_answered() => NO_ANSWER,
        false => NOT_WELL,
    })
}

fn read_checks(arguments: &CheckArguments, setup: &Setup) -> Result<Vec<Check>, Failure> {
    let mut files = arguments.files.clone();
    if files.is_empty() {
        files = setup.settings.worlds.iter().flat_map(|pack| file::files_of(pack)).collect();
    }
    let mut checks = Vec::new();
    for path in &files {
        checks.extend(file::read(path).map_err(|error| Failure::new(BAD_INPUT, error.to_string()))?);
    }
    Ok(checks)
}
