//! What a host says of this player: the tier, and what is left of its quotas.

use std::collections::BTreeMap;
use std::time::Duration;

use meddah_inference::http::{Call, endpoint};
use meddah_inference::providers::share_in_words;
use meddah_inference::{ErrorKind, Key, ModelError};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::ask;

/// Who asks for this looks at a screen.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// The version of a host's routes.
const VERSION: &str = "v1";

/// `turns`, `tokens` and so on, of what has a limit. A newer host may count more than this program knows.
pub type Counts = BTreeMap<String, u64>;

/// A player, as a host knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// What the player gets.
    pub tier: String,
    /// By `day` and `month`.
    pub left: BTreeMap<String, Counts>,
    /// Likewise: of how much.
    pub limits: BTreeMap<String, Counts>,
}

impl Account {
    /// Asks the host at this address.
    ///
    /// # Errors
    /// It cannot be reached, or knows no such token.
    pub async fn ask(address: &str, token: &Key) -> Result<Account, ModelError> {
        let call =
            Call::get(endpoint(address, VERSION, "me")?).with_key("authorization", "Bearer ", token)?;
        let help = "Ask its owner for a new invite link.";
        let late = |_| ModelError::new(ErrorKind::Timeout, "the host does not answer");
        let never = CancellationToken::new();
        let asking = ask(call, "the host", help, &never);
        tokio::time::timeout(WAIT_MAX, asking).await.map_err(late)?
    }

    /// A line for each span of time that has limits.
    pub fn lines(&self) -> Vec<String> {
        let spans = self.limits.iter().filter(|(_, limits)| !limits.is_empty());
        spans.map(|(span, limits)| format!("this {span}: {}", self.of(span, limits))).collect()
    }

    fn of(&self, span: &str, limits: &Counts) -> String {
        let left = |unit: &String| self.left.get(span).and_then(|left| left.get(unit)).copied();
        let one =
            |(unit, of): (&String, &u64)| Some(format!("{} left", share_in_words(unit, left(unit)?, *of)));
        limits.iter().filter_map(one).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_of_what_has_a_limit() {
        let account: Account = serde_json::from_str(
            r#"{"player": "p", "name": "", "tier": "free",
                "left": {"day": {"turns": 178, "micro": 120000, "smiles": 1}, "month": {}},
                "limits": {"day": {"turns": 200, "micro": 2000000, "smiles": 3}, "month": {}}}"#,
        )
        .unwrap();
        let line = "this day: 0.12 of 2.00 dollars left, 1 of 3 smiles left, 178 of 200 turns left";
        assert_eq!(account.lines(), [line]);
    }
}
