//! What is left at the hosts of the ladder, as they say it now.

use futures::future::join_all;
use meddah_inference::ModelError;
use serde_json::{Value, json};

use super::super::print;
use super::super::setup::Setup;
use crate::hosts::account::Account;
use crate::hosts::not_joined;
use crate::keys::{KeyStore, SetBy};
use crate::ladders::{self, RungSettings, key_error};

/// A host, and what it says of this player.
pub(super) struct AtHost {
    rung: String,
    account: Result<Account, ModelError>,
}

/// Asks all hosts at once.
pub(super) async fn ask_all(setup: &Setup) -> Vec<AtHost> {
    let asking = ladders::hosts(&setup.settings).into_iter().map(|(rung, host)| async move {
        let account = ask(setup, &host).await;
        AtHost { rung, account }
    });
    join_all(asking).await
}

async fn ask(setup: &Setup, host: &RungSettings) -> Result<Account, ModelError> {
    let keys = KeyStore::open(&setup.paths, &setup.settings).map_err(key_error)?;
    let (address, set_by) = (&host.base_url, SetBy::Player);
    let token = keys.key_for(&host.key, address, set_by, Some(address)).map_err(key_error)?;
    Account::ask(address, &token.ok_or_else(|| not_joined(address))?).await
}

impl AtHost {
    pub fn to_json(&self) -> Value {
        match &self.account {
            Ok(account) => json!({"rung": self.rung, "account": account}),
            Err(error) => json!({"rung": self.rung, "error": error.message, "help": error.help}),
        }
    }

    pub fn print(&self) {
        match &self.account {
            Ok(account) => {
                print::line(&format!("{} ({})", self.rung, account.tier));
                account.lines().iter().for_each(|line| print::line(&format!("  {line}")));
            }
            Err(error) => print::warning(&format!("{}: {}. {}", self.rung, error.message, error.help)),
        }
    }
}
