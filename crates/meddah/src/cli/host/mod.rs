//! `meddah host`: this machine's model for many players, and what its operator asks.

mod invite;
mod ledger;
mod plan;
mod players;
mod run;
mod status;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use meddah_host::server::open_store;
use meddah_host::storage::{HostStore, StorageError};

use super::setup::{Common, Setup, block_on};
use super::{BAD_INPUT, DONE, Failure, print};

#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct HostArguments {
    #[command(flatten)]
    common: Common,
    /// Where players connect, for example 0.0.0.0:7843; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Where you connect, on this machine alone; port 0 takes a free one
    #[arg(long, value_name = "ADDRESS")]
    admin_listen: Option<SocketAddr>,
    #[command(subcommand)]
    command: Option<HostCommand>,
}

#[derive(clap::Subcommand)]
enum HostCommand {
    /// Make a link that lets players in
    Invite(invite::InviteArguments),
    /// See players; block, raise, export and delete them
    Players(players::PlayersArguments),
    /// See what was used, line by line
    Ledger(ledger::LedgerArguments),
    /// See how the running host is
    Status(status::StatusArguments),
    /// Take nothing new: everything, or one engine
    Drain {
        /// The engine; without it the whole host
        engine: Option<String>,
        /// Take requests again
        #[arg(long)]
        undo: bool,
    },
    /// The kill switch: nothing is answered any more, here and on every host of the same database
    Close,
    /// Answer again
    Open,
    /// Copy players and the ledger to a new file, while the host runs
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Find out how many machines so many players need, and what they cost
    Plan(plan::PlanArguments),
}

pub fn run(arguments: HostArguments) -> Result<u8, Failure> {
    let HostArguments { common, listen, admin_listen, command } = arguments;
    if let Some(HostCommand::Plan(arguments)) = command {
        return plan::run(&arguments);
    }
    let mut setup = Setup::open(&common)?;
    setup.settings.host.listen = listen.unwrap_or(setup.settings.host.listen);
    setup.settings.host.admin_listen = admin_listen.unwrap_or(setup.settings.host.admin_listen);
    match command {
        None => run::run(&setup),
        Some(HostCommand::Invite(arguments)) => block_on(invite::run(&setup, arguments)),
        Some(HostCommand::Players(arguments)) => block_on(players::run(&setup, arguments)),
        Some(HostCommand::Ledger(arguments)) => block_on(ledger::run(&setup, arguments)),
        Some(HostCommand::Status(arguments)) => block_on(status::run(&setup, arguments)),
        Some(HostCommand::Drain { engine, undo }) => block_on(status::drain(&setup, engine, undo)),
        Some(HostCommand::Close) => block_on(status::set_state(&setup, "closed")),
        Some(HostCommand::Open) => block_on(status::set_state(&setup, "open")),
        Some(HostCommand::Backup { file }) => block_on(backup(&setup, file)),
        Some(HostCommand::Plan(arguments)) => plan::run(&arguments),
    }
}

async fn backup(setup: &Setup, file: PathBuf) -> Result<u8, Failure> {
    store(setup).await?.backup(&file).await.map_err(failure)?;
    print::line(&format!("Players and the ledger are in {}.", file.display()));
    print::aside("The file `host-pepper` of the data folder belongs to it: without it no token works.");
    Ok(DONE)
}

async fn store(setup: &Setup) -> Result<Arc<dyn HostStore>, Failure> {
    open_store(&setup.settings.host, &setup.paths.data).await.map_err(failure)
}

#[allow(clippy::needless_pass_by_value)] // for `map_err`
fn failure(error: StorageError) -> Failure {
    Failure::new(BAD_INPUT, format!("{}\n{}", error.message, error.help))
}
