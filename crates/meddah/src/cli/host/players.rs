//! `meddah host players`: who plays here, and what the operator may do about it.

use meddah_host::player::PlayerId;
use meddah_host::storage::{self, HostStore, PAGE_MAX, Player, PlayerChange};

use crate::cli::setup::Setup;
use crate::cli::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};
use crate::day::{self, DAY_MS};
use crate::host::{Timelines, folder};

#[derive(clap::Args)]
pub struct PlayersArguments {
    #[command(subcommand)]
    command: Option<PlayersCommand>,
    /// Print one JSON object a line
    #[arg(long)]
    json: bool,
}

#[derive(clap::Subcommand)]
enum PlayersCommand {
    /// What a player may do and has done
    Show { player: String },
    /// Let a player do nothing any more
    Block { player: String },
    /// Let a player play again
    Unblock { player: String },
    /// Put a player into another tier
    Tier { player: String, tier: String },
    /// Take a device's token back; `show` lists them
    Revoke { token: String },
    /// Print everything that is kept of a player, as JSON
    Export { player: String },
    /// Delete a player with all data. The ledger keeps amounts, and no name
    Delete { player: String },
}

pub async fn run(setup: &Setup, arguments: PlayersArguments) -> Result<u8, Failure> {
    let store = super::store(setup).await?;
    let store = &*store;
    let failure = super::failure;
    match arguments.command {
        None => list(store, arguments.json).await?,
        Some(PlayersCommand::Show { player }) => show(store, &PlayerId::from(player)).await?,
        Some(PlayersCommand::Block { player }) => {
            change(store, player, PlayerChange { blocked: Some(true), ..PlayerChange::default() }).await?;
        }
        Some(PlayersCommand::Unblock { player }) => {
            change(store, player, PlayerChange { blocked: Some(false), ..PlayerChange::default() }).await?;
        }
        Some(PlayersCommand::Tier { player, tier }) => {
            if !setup.settings.host.tiers.contains_key(&tier) {
                return Err(Failure::new(
                    WRONG_USAGE,
                    format!("there is no tier {tier:?}\nSee [host.tiers]."),
                ));
            }
            change(store, player, PlayerChange { tier: Some(tier), ..PlayerChange::default() }).await?;
        }
        Some(PlayersCommand::Revoke { token }) => {
            store.revoke_token(&token, day::now_ms()).await.map_err(failure)?;
            print::line("The device cannot ask any more.");
        }
        Some(PlayersCommand::Export { player }) => export(store, &PlayerId::from(player)).await?,
        Some(PlayersCommand::Delete { player }) => {
            let player = PlayerId::from(player);
            store.delete_player(&player).await.map_err(failure)?;
            delete_memories(setup, &player).await?;
            print::line("The player is deleted.");
        }
    }
    Ok(DONE)
}

/// What characters of this host know of a player.
async fn delete_memories(setup: &Setup, player: &PlayerId) -> Result<(), Failure> {
    let folder = folder(&setup.paths, player);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Failure::new(
                BAD_INPUT,
                format!("{} is left: {error}\nDelete it by hand.", folder.display()),
            ));
        }
        _ => {}
    }
    if setup.settings.host.worlds.is_empty() {
        return Ok(());
    }
    let forgotten = match Timelines::open(&setup.settings.host, &setup.paths).await {
        Ok(timelines) => timelines.forget(player).await,
        Err(error) => Err(error),
    };
    forgotten.map_err(|error| Failure::new(BAD_INPUT, format!("{}\n{}", error.message, error.help)))
}

async fn list(store: &dyn HostStore, as_json: bool) -> Result<(), Failure> {
    let (mut after, mut number): (Option<PlayerId>, u64) = (None, 0);
    loop {
        let page = store.players(after.as_ref(), PAGE_MAX).await.map_err(super::failure)?;
        let Some(last) = page.last() else { break };
        after = Some(last.id.clone());
        number += page.len() as u64;
        for player in &page {
            print::line(&if as_json {
                serde_json::to_string(player).unwrap_or_default()
            } else {
                line(player)
            });
        }
    }
    if number == 0 && !as_json {
        print::aside("Nobody plays here yet. Let somebody in with `meddah host invite`.");
    }
    Ok(())
}

fn line(player: &Player) -> String {
    let since = day::iso(player.created_ms / DAY_MS);
    let blocked = if player.blocked { "  blocked" } else { "" };
    format!("{}  {}  since {since}  {}{blocked}", player.id, player.tier, player.name)
}

async fn known(store: &dyn HostStore, id: &PlayerId) -> Result<Player, Failure> {
    store.player(id).await.map_err(super::failure)?.ok_or_else(|| {
        Failure::new(WRONG_USAGE, format!("there is no player {id}\n`meddah host players` lists them."))
    })
}

async fn show(store: &dyn HostStore, id: &PlayerId) -> Result<(), Failure> {
    print::line(&line(&known(store, id).await?));
    for token in store.tokens_of(id).await.map_err(super::failure)? {
        let state = if token.revoked_ms.is_some() { "revoked" } else { "in use" };
        print::line(&format!("  device {}  {state}  {}", token.id, token.label));
    }
    for window in store.export_player(id).await.map_err(super::failure)?.windows {
        let used = window.used;
        print::line(&format!("  {}: {} turns, {} tokens", window.window, used.turns, used.tokens));
    }
    Ok(())
}

async fn change(store: &dyn HostStore, player: String, change: PlayerChange) -> Result<(), Failure> {
    let changed = store.change_player(&PlayerId::from(player), &change).await.map_err(super::failure)?;
    print::line(&line(&changed));
    Ok(())
}

async fn export(store: &dyn HostStore, id: &PlayerId) -> Result<(), Failure> {
    known(store, id).await?;
    let export = storage::export(store, id, usize::MAX).await.map_err(super::failure)?;
    print::line(&serde_json::to_string(&export).map_err(anyhow::Error::from)?);
    Ok(())
}
