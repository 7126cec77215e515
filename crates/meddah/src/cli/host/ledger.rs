//! `meddah host ledger`: what was used, line by line.

use meddah_host::player::PlayerId;
use meddah_host::storage::{LedgerLine, LedgerPage, PAGE_MAX};
use meddah_inference::budget::format_micro;

use crate::cli::setup::Setup;
use crate::cli::{DONE, Failure, print};
use crate::day::{self, DAY_MS};

#[derive(clap::Args)]
pub struct LedgerArguments {
    /// Only of this player
    #[arg(long)]
    player: Option<String>,
    /// Only lines behind this number
    #[arg(long, default_value_t = 0)]
    after: u64,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

pub async fn run(setup: &Setup, arguments: LedgerArguments) -> Result<u8, Failure> {
    let store = super::store(setup).await?;
    let player = arguments.player.map(PlayerId::from);
    let mut after = arguments.after;
    loop {
        let page = LedgerPage { player: player.clone(), after, limit: PAGE_MAX };
        let lines = store.ledger(&page).await.map_err(super::failure)?;
        let Some(last) = lines.last() else { return Ok(DONE) };
        after = last.seq;
        for line in &lines {
            print::line(&if arguments.json {
                serde_json::to_string(line).unwrap_or_default()
            } else {
                text(line)
            });
        }
    }
}

fn text(LedgerLine { seq, entry }: &LedgerLine) -> String {
    let (second, minute) = (entry.at_ms / 1000 % 60, entry.at_ms / 60_000 % 60);
    let (day, hour) = (day::iso(entry.at_ms / DAY_MS), entry.at_ms / 3_600_000 % 24);
    let player = entry.player.as_ref().map_or("deleted".to_owned(), ToString::to_string);
    let amounts = &entry.amounts;
    format!(
        "{seq}  {day} {hour:02}:{minute:02}:{second:02}  {player}  {}  {} tokens  {}  {}",
        entry.class.name(),
        amounts.tokens,
        format_micro(amounts.micro),
        entry.ended.name()
    )
}
