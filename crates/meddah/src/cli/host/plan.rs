//! `meddah host plan`: how many machines, by simulation with the real scheduler.

use std::path::PathBuf;

use meddah_host::plan::{PlanInput, machines, plot};
use meddah_inference::budget::parse_micro;

use crate::cli::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};

/// A file of habits is small.
const FILE_BYTES_MAX: u64 = 64 * 1024;

#[derive(clap::Args)]
pub struct PlanArguments {
    /// Habits, machine and target in a TOML file; flags win over it
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Players to plan for, all who have the game
    #[arg(long, value_name = "N", value_delimiter = ',')]
    players: Vec<u64>,
    /// Requests that a machine's engine works on at once
    #[arg(long)]
    slots: Option<u32>,
    /// Milliseconds for one token of an answer while nothing else runs
    #[arg(long)]
    token_ms: Option<f64>,
    /// Tokens of a prompt that are read in a second while nothing else runs
    #[arg(long)]
    prompt_tokens_per_second: Option<f64>,
    /// Rent of one machine for an hour, in dollars
    #[arg(long, value_name = "DOLLARS")]
    price_per_hour: Option<String>,
    /// Model calls of one player in an hour of play
    #[arg(long)]
    requests_per_hour: Option<f64>,
    /// Hours that a player plays on an average day
    #[arg(long)]
    hours_a_day: Option<f64>,
    /// Of all players, the share that plays in the busiest hour
    #[arg(long)]
    share_at_peak: Option<f64>,
    /// 95 of 100 players have their first token within so many milliseconds
    #[arg(long)]
    first_token_ms: Option<u64>,
    /// The same seed gives the same plan
    #[arg(long)]
    seed: Option<u64>,
    /// Draw the wait against the players of a machine, as an SVG picture
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

pub fn run(arguments: &PlanArguments) -> Result<u8, Failure> {
    let input = input(arguments)?;
    let plan = machines(&input).map_err(|error| Failure::new(WRONG_USAGE, error.to_string()))?;
    print::line(plan.to_string().trim_end());
    if let Some(file) = &arguments.plot {
        plot(&plan, file).map_err(|error| Failure::new(BAD_INPUT, error.to_string()))?;
        print::aside(&format!("The picture is {}.", file.display()));
    }
    Ok(DONE)
}

fn input(arguments: &PlanArguments) -> Result<PlanInput, Failure> {
    let mut input = match &arguments.input {
        None => PlanInput::default(),
        Some(file) => {
            let unusable = |why: String| Failure::new(BAD_INPUT, format!("{}: {why}", file.display()));
            let bytes = std::fs::metadata(file).map_err(|error| unusable(error.to_string()))?.len();
            if bytes > FILE_BYTES_MAX {
                return Err(unusable("it is too large".into()));
            }
            let text = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
            toml::from_str(&text).map_err(|error| unusable(error.to_string()))?
        }
    };
    if !arguments.players.is_empty() {
        input.players.clone_from(&arguments.players);
    }
    if let Some(price) = &arguments.price_per_hour {
        input.price_per_hour_micro = parse_micro(price).map_err(|error| {
            Failure::new(WRONG_USAGE, format!("--price-per-hour: {error}\nWrite it as in 0.50."))
        })?;
    }
    let (machine, habits) = (&mut input.machine, &mut input.habits);
    machine.slots = arguments.slots.unwrap_or(machine.slots);
    machine.token_ms = arguments.token_ms.unwrap_or(machine.token_ms);
    machine.prompt_tokens_per_second =
        arguments.prompt_tokens_per_second.unwrap_or(machine.prompt_tokens_per_second);
    habits.requests_per_hour = arguments.requests_per_hour.unwrap_or(habits.requests_per_hour);
    habits.hours_a_day = arguments.hours_a_day.unwrap_or(habits.hours_a_day);
    habits.share_at_peak = arguments.share_at_peak.unwrap_or(habits.share_at_peak);
    input.target.first_token_ms = arguments.first_token_ms.unwrap_or(input.target.first_token_ms);
    input.seed = arguments.seed.unwrap_or(input.seed);
    Ok(input)
}
