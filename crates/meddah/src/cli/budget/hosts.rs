//! What is left at the hosts of the ladder, as they say it now.

use futures::future::join_all;
use meddah_inference::{ErrorKind, ModelError};
use serde_json::{Value, json};

use super::super::print;
use super::super::setup::Setup;
use crate::hosts::account::Account;
use crate::keys::{KeyStore, SetBy};
use crate::ladders::{self, RungSettings};

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
    let bad =
        |message: String, help: String| ModelError::new(ErrorKind::Unauthorized, message).with_help(help);
    let keys = KeyStore::open(&setup.paths, &setup.settings);
    let token =
        keys.and_then(|keys| keys.key_for(&host.key, &host.base_url, SetBy::Player, Some(&host.base_url)));
    match token.map_err(|error| bad(error.to_string(), error.help()))? {
        Some(token) => Account::ask(&host.base_url, &token).await,
        None => Err(bad("you have not joined it".into(), "Ask its owner for an invite link.".into())),
    }
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
