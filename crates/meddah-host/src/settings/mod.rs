//! What an operator sets. `host.toml` beside this file has every setting with its default and its meaning.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::admission::AdmissionSettings;
use crate::quota::{Allowance, Tier};

/// The defaults, as the table `[host]` of the program's settings.
pub const DEFAULTS: &str = include_str!("host.toml");

/// The table `[host]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HostSettings {
    pub listen: SocketAddr,
    pub public_url: String,
    pub admin_listen: SocketAddr,
    pub database_url: DatabaseUrl,
    pub worlds: Vec<PathBuf>,
    pub default_tier: String,
    pub open: bool,
    pub client_address_header: String,
    pub tls: TlsSettings,
    #[serde(default)]
    pub engines: Vec<EngineEntry>,
    pub tiers: BTreeMap<String, TierEntry>,
    pub ceiling: Ceiling,
    #[serde(default)]
    pub admission: AdmissionSettings,
    pub limits: Limits,
    pub moderation: ModerationSettings,
    #[serde(default)]
    pub sign_in: BTreeMap<String, SignInEntry>,
}

/// Where the database is, with its password: shown to nobody.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct DatabaseUrl(pub String);

impl std::fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "sqlite" } else { "postgres" })
    }
}

/// How connections are encrypted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub acme_domains: Vec<String>,
    pub acme_contact: String,
    pub acme_directory: String,
}

/// One engine of the pool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EngineEntry {
    pub name: String,
    pub url: String,
    pub kind: String,
    pub model: String,
    pub key: String,
    pub slots: u32,
    pub input_price: String,
    pub output_price: String,
}

/// A tier without its name, which is its key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TierEntry {
    pub weight: u32,
    pub concurrent: u32,
    pub day: Allowance,
    pub month: Allowance,
}

impl Default for TierEntry {
    fn default() -> Self {
        TierEntry { weight: 1, concurrent: 2, day: Allowance::default(), month: Allowance::default() }
    }
}

/// What all players together may use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ceiling {
    pub day: Allowance,
    pub month: Allowance,
}

/// What one request, one address and one connection may take.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub body_bytes: usize,
    pub output_tokens: u32,
    pub joins_per_hour: u32,
    pub wrong_tokens_per_minute: u32,
    pub account_per_minute: u32,
    pub connections: usize,
    pub connections_per_address: usize,
    pub head_ms: u64,
    pub body_ms: u64,
    pub stall_ms: u64,
}

impl Limits {
    /// A request head must be complete after so long; a connection without a request is closed then, too.
    #[must_use]
    pub fn head_wait(&self) -> Duration {
        wait(self.head_ms)
    }

    /// A body has to be there after so long.
    #[must_use]
    pub fn body_wait(&self) -> Duration {
        wait(self.body_ms)
    }

    /// A client that takes nothing of its answer for so long is gone.
    #[must_use]
    pub fn stall_max(&self) -> Duration {
        wait(self.stall_ms)
    }
}

/// Nobody manages anything in no time.
fn wait(ms: u64) -> Duration {
    Duration::from_millis(ms.max(1))
}

/// Who is asked whether a text may be answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModerationSettings {
    pub url: String,
    pub wait_ms: u64,
    pub when_down: WhenDown,
}

/// What happens when the moderator cannot be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenDown {
    /// Nothing is answered.
    Refuse,
    /// Everything is.
    Allow,
}

/// One provider of sign-in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignInEntry {
    pub kind: String,
    pub client_id: String,
    pub issuer: String,
    pub tier: String,
}

/// Settings that contradict each other.
#[derive(Clone, Debug, thiserror::Error)]
#[error("[host]: {message}. {help}")]
pub struct SettingsError {
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl SettingsError {
    pub(crate) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        SettingsError { message: message.into(), help: help.into() }
    }
}

impl HostSettings {
    /// The settings of `host.toml`.
    #[must_use]
    pub fn defaults() -> HostSettings {
        #[derive(Deserialize)]
        struct File {
            host: HostSettings,
        }
        let file: Result<File, _> = toml::from_str(DEFAULTS);
        file.expect("host.toml is checked by a test").host
    }

    /// What no type can say.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), SettingsError> {
        let wrong = |message: String, help: &str| Err(SettingsError::new(message, help));
        if !self.tiers.contains_key(&self.default_tier) {
            return wrong(
                format!("`default_tier` is {:?}, and there is no such tier", self.default_tier),
                "Write the name of a table [host.tiers.NAME].",
            );
        }
        if let Some((name, _)) = self.tiers.iter().find(|(_, tier)| tier.weight == 0 || tier.concurrent == 0)
        {
            return wrong(
                format!("the tier {name:?} has a `weight` or `concurrent` of 0"),
                "Both are at least 1; block a player with `meddah host players block`.",
            );
        }
        let own = !self.tls.certificate.as_os_str().is_empty();
        if own == self.tls.key.as_os_str().is_empty() {
            return wrong("only one of `tls.certificate` and `tls.key` is set".into(), "Set both, or none.");
        }
        if own && !self.tls.acme_domains.is_empty() {
            return wrong(
                "both a certificate and `tls.acme_domains` are set".into(),
                "Keep one of the two ways.",
            );
        }
        if !self.admin_listen.ip().is_loopback() {
            return wrong(
                format!("`admin_listen` is {}, which others can reach", self.admin_listen),
                "It has no password: keep it at 127.0.0.1, and reach it through SSH.",
            );
        }
        Ok(())
    }

    /// A tier by its name; players whose tier is gone have the default one.
    #[must_use]
    pub fn tier(&self, name: &str) -> Tier {
        let (name, entry) = match self.tiers.get_key_value(name) {
            Some((name, entry)) => (name.as_str(), entry.clone()),
            None => {
                (self.default_tier.as_str(), self.tiers.get(&self.default_tier).cloned().unwrap_or_default())
            }
        };
        Tier {
            name: name.to_owned(),
            weight: entry.weight,
            concurrent: entry.concurrent,
            day: entry.day,
            month: entry.month,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_load_and_hold() {
        let settings = HostSettings::defaults();
        settings.check().unwrap();
        assert_eq!(settings.tier("donor").weight, 2);
        assert_eq!(settings.tier("gone").name, "free");
    }

    #[test]
    fn contradictions_are_named() {
        let wrong = |change: fn(&mut HostSettings)| {
            let mut settings = HostSettings::defaults();
            change(&mut settings);
            settings.check().unwrap_err().message
        };
        assert!(wrong(|settings| settings.default_tier = "none".into()).contains("default_tier"));
        assert!(wrong(|settings| settings.tls.key = "a.pem".into()).contains("tls.certificate"));
        assert!(
            wrong(|settings| settings.admin_listen = ([0, 0, 0, 0], 1).into())
                .contains("which others can reach")
        );
        assert!(
            wrong(|settings| { settings.tiers.entry("free".into()).or_default().weight = 0 })
                .contains("weight")
        );
    }
}
