//! Everything that is kept of one player.

use serde::Serialize;

use super::{HostStore, LedgerLine, LedgerPage, PAGE_MAX, PlayerExport, StorageError};
use crate::player::PlayerId;

/// For the player to read.
#[derive(Clone, Debug, Serialize)]
pub struct Export {
    /// Who, with which devices, and what was used.
    pub account: PlayerExport,
    /// The lines of the ledger, in the order of writing.
    pub ledger: Vec<LedgerLine>,
}

/// Reads a player's account and its lines of the ledger, page by page, until there are `lines_max` or more.
///
/// # Errors
/// There is no such player, or the database is away.
pub async fn export(
    store: &dyn HostStore,
    player: &PlayerId,
    lines_max: usize,
) -> Result<Export, StorageError> {
    let account = store.export_player(player).await?;
    let (mut ledger, mut after) = (Vec::new(), 0);
    while ledger.len() < lines_max {
        let page = LedgerPage { player: Some(player.clone()), after, limit: PAGE_MAX };
        let page = store.ledger(&page).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        ledger.extend(page);
    }
    Ok(Export { account, ledger })
}
