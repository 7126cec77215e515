//! What a host says of this player: the tier, and what is left of its quotas.

use std::collections::BTreeMap;
use std::time::Duration;

use meddah_inference::budget::format_micro;
use meddah_inference::http::{Call, ERROR_BODY_BYTES_MAX, Http, endpoint};
use meddah_inference::providers::{Refusal, classify};
use meddah_inference::{ErrorKind, Key, ModelError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

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
        let cancel = CancellationToken::new();
        let call =
            Call::get(endpoint(address, VERSION, "me")?).with_key("authorization", "Bearer ", token)?;
        let asking = async {
            let mut reply = Http::new()?.send(call, &cancel).await?;
            let body = reply.body_up_to(ERROR_BODY_BYTES_MAX, &cancel).await?;
            Ok::<_, ModelError>((reply, body))
        };
        let late = |_| ModelError::new(ErrorKind::Timeout, "the host does not answer");
        let (reply, body) = tokio::time::timeout(WAIT_MAX, asking).await.map_err(late)??;
        if !reply.is_success() {
            let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let (status, headers, secrets) = (reply.status(), Some(reply.headers()), reply.secrets());
            let refusal = Refusal { status, body: &body, headers, who: "the host", secrets };
            return Err(classify(&refusal).with_help("Ask its owner for a new invite link."));
        }
        serde_json::from_slice(&body)
            .map_err(|_| ModelError::new(ErrorKind::Protocol, "it does not answer as a host does"))
    }

    /// A line for each span of time that has limits.
    pub fn lines(&self) -> Vec<String> {
        let spans = self.limits.iter().filter(|(_, limits)| !limits.is_empty());
        spans.map(|(span, limits)| format!("this {span}: {}", self.of(span, limits))).collect()
    }

    fn of(&self, span: &str, limits: &Counts) -> String {
        let left = |unit: &String| self.left.get(span).and_then(|left| left.get(unit)).copied();
        let one = |(unit, of): (&String, &u64)| Some(in_words(unit, left(unit)?, *of));
        limits.iter().filter_map(one).collect::<Vec<_>>().join(", ")
    }
}

fn in_words(unit: &str, left: u64, of: u64) -> String {
    match unit {
        "micro" => format!("{} of {} dollars left", format_micro(left), format_micro(of)),
        "speech_ms" => format!("{} of {} seconds of speech left", left / 1000, of / 1000),
        unit => format!("{left} of {of} {unit} left"),
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
