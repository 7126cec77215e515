//! What every adapter of [`HostStore`](super::HostStore) must do, as tests that take the adapter as an
//! argument.
//!
//! [`host_store_suite!`](crate::host_store_suite) makes a test of each. They panic on a failure, as tests do;
//! nothing of this is in a shipped build.

mod keys;
mod people;
#[cfg(unix)]
mod postgres_server;
mod posting;

use std::sync::Arc;

use super::{Batch, Ended, Entry, HostStore, Player, RequestId};
use crate::player::{Class, PlayerId};
use crate::quota::{Amounts, DAY_MS};

pub use keys::*;
pub use people::*;
#[cfg(unix)]
pub use postgres_server::{Identity, PASSWORD, PostgresServer};
pub use posting::*;

/// The adapter under test, with nothing in it.
pub type Store = Arc<dyn HostStore>;

/// Noon of a day in the middle of a month: 2024-10-04.
pub const NOON_MS: u64 = 20_000 * DAY_MS + DAY_MS / 2;

/// Makes a test of each case, in a module of this name. `$make` is evaluated within the test and gives the
/// empty store and whatever must live as long as it; it may return.
#[macro_export]
macro_rules! host_store_suite {
    ($module:ident, $make:expr) => {
        $crate::host_store_suite!(@cases $module, $make,
            players_are_kept_and_changed
            a_token_is_a_device
            an_invite_lets_in_as_often_as_it_says
            an_account_elsewhere_is_one_player
            a_deleted_player_leaves_only_amounts
            an_export_has_everything
            an_entry_is_written_once
            leases_count_as_used_for_others
            what_was_settled_leaves_the_lease
            a_late_batch_is_refused
            a_program_that_left_is_expelled
            a_switch_is_seen_by_everybody
            the_ledger_comes_in_pages
            what_is_old_is_forgotten
            a_key_is_claimed_once
            a_key_is_free_again_when_nothing_was_charged
        );
    };
    (@cases $module:ident, $make:expr, $($case:ident)*) => {
        mod $module {
            #[allow(unused_imports, reason = "depends on what `make` names")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (store, _alive) = $make;
                    let store: $crate::storage::suite::Store = std::sync::Arc::new(store);
                    $crate::storage::suite::$case(store).await;
                }
            )*
        }
    };
}

/// Adds a player.
pub async fn newcomer(store: &Store, name: &str) -> PlayerId {
    let player = Player::new(name, "guest", NOON_MS);
    store.add_player(&player).await.expect("added");
    player.id
}

/// A line of the ledger, at noon.
pub fn entry(player: &PlayerId, tokens: u64, micro: u64) -> Entry {
    Entry {
        request: RequestId::new(),
        player: Some(player.clone()),
        class: Class::Live,
        model: "model".into(),
        amounts: Amounts { turns: 1, tokens, speech_ms: 0, micro },
        at_ms: NOON_MS,
        settled_ms: NOON_MS + 1_000,
        ended: Ended::Answered,
    }
}

/// A batch of this number, with nothing in it.
pub fn batch(number: u64) -> Batch {
    Batch { number, now_ms: NOON_MS, ..Batch::default() }
}

/// So many tokens.
pub fn tokens(tokens: u64) -> Amounts {
    Amounts { tokens, ..Amounts::default() }
}
