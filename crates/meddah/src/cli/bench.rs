//! `meddah bench`: what the model does on this PC, and what Meddah itself adds to a turn.

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, NO_ANSWER, print};
use crate::bench::{self, Report};
use crate::ladders;

#[derive(clap::Args)]
pub struct BenchArguments {
    #[command(flatten)]
    common: Common,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Only our own share of a turn; needs no model
    #[arg(long)]
    own: bool,
    /// Seconds instead of minutes
    #[arg(long)]
    quick: bool,
    /// Turns for our own share
    #[arg(long, default_value_t = 1000)]
    turns: usize,
}

pub async fn run(arguments: BenchArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&arguments.common)?;
    let own = bench::own_share(&setup.settings, arguments.turns).await?;
    let model = if arguments.own {
        None
    } else {
        let file = ladders::find_model(&setup.settings.model, &setup.paths)
            .map_err(|error| Failure::new(BAD_INPUT, format!("{}\n{}", error.message, error.help)))?;
        let file = file.ok_or_else(|| {
            Failure::new(
                NO_ANSWER,
                "no model is installed\nGive one with `--model FILE.gguf`, or use `--own`.",
            )
        })?;
        let config = ladders::local_config(file, &setup.settings, &setup.paths)
            .map_err(|error| Failure::new(BAD_INPUT, error.message))?;
        let report = bench::model(config, arguments.quick).await;
        Some(report.map_err(|error| Failure::new(NO_ANSWER, format!("{}\n{}", error.message, error.help)))?)
    };
    let report = Report { own, model };
    if arguments.json {
        let text = serde_json::to_string(&report).map_err(anyhow::Error::from)?;
        print::line(&text);
    } else {
        print::line(&report.to_string());
    }
    Ok(DONE)
}
