//! `meddah join`: an invite of a host becomes the first rung of the ladder.

use tokio_util::sync::CancellationToken;

use super::setup::{Common, Setup};
use super::{BAD_INPUT, DONE, Failure, NO_ANSWER, WRONG_USAGE, print};
use crate::hosts::{Invite, key_name};
use crate::keys::KeyStore;
use crate::ladders;
use crate::settings_file;

#[derive(clap::Args)]
pub struct JoinArguments {
    /// The link that the host sent you, as in https://talk.example.org/join/CODE
    link: String,
    /// What the host may call you
    #[arg(long, default_value = "")]
    name: String,
}

pub async fn run(arguments: JoinArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&Common::default())?;
    let failure = |code: u8, message: &str, help: &str| Failure::new(code, format!("{message}\n{help}"));
    let invite =
        Invite::read(&arguments.link).map_err(|error| failure(WRONG_USAGE, &error.message, &error.help))?;
    let keys = KeyStore::open(&setup.paths, &setup.settings)
        .map_err(|error| failure(BAD_INPUT, &error.to_string(), &error.help()))?;
    let key_name =
        key_name(&invite.address).map_err(|error| failure(WRONG_USAGE, &error.to_string(), &error.help()))?;
    let joined = invite
        .redeem(&arguments.name, &CancellationToken::new())
        .await
        .map_err(|error| failure(NO_ANSWER, &error.message, &error.help))?;
    keys.set(&key_name, &joined.token)
        .map_err(|error| failure(BAD_INPUT, &error.to_string(), &error.help()))?;
    let rung = format!("host:{}", invite.address);
    let usual = ladders::usual(&setup.settings);
    settings_file::put_first_in_ladder(&setup.paths.data, &rung, &usual).map_err(|error| {
        failure(BAD_INPUT, &error.to_string(), &format!("Put {rung:?} into `ladder` in this file yourself."))
    })?;
    print::line(&format!("Joined {} as {} ({}).", invite.address, joined.player, joined.tier));
    print::aside(&format!("{rung} is the first rung of your ladder now; your own models stay behind it."));
    Ok(DONE)
}
