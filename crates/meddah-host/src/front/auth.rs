//! Who asks: players are known by the token of their device, and who guesses is slowed down.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use governor::clock::DefaultClock;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use meddah_protocol::ErrorCode;

use super::characters::FOR_PLAYER;
use super::error::Refused;
use super::serve::network;
use crate::quota::Tier;
use crate::settings::HostSettings;
use crate::storage::{HostStore, Pepper, Player, PlayerToken, SecretError, SecretHash};

/// How long a player is known without asking the database again: a token that was revoked works no longer than this.
pub const KNOWN_FOR: Duration = Duration::from_millis(250);
/// Players known at a time.
const KNOWN_MAX: u64 = 50_000;

/// Somebody who may ask.
pub struct Known {
    /// Who.
    pub player: Player,
    /// With what.
    pub token: String,
    /// What they may do.
    pub tier: Tier,
    hash: SecretHash,
}

type PerAddress = RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock>;

/// Knows players by their tokens, and slows down who guesses.
pub struct Auth {
    pub(super) pepper: Pepper,
    store: Arc<dyn HostStore>,
    known: moka::sync::Cache<String, Arc<Known>>,
    /// Of the host itself, for its characters.
    own: PlayerToken,
    own_hash: SecretHash,
    wrong: PerAddress,
    joins: PerAddress,
}

impl Auth {
    /// Nobody is known yet.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn new(
        settings: &HostSettings,
        pepper: Pepper,
        store: Arc<dyn HostStore>,
    ) -> Result<Auth, SecretError> {
        let times = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let own = PlayerToken::generate()?;
        Ok(Auth {
            own_hash: own.hash(&pepper),
            own,
            pepper,
            store,
            known: moka::sync::Cache::builder().max_capacity(KNOWN_MAX).time_to_live(KNOWN_FOR).build(),
            wrong: RateLimiter::keyed(Quota::per_minute(times(settings.limits.wrong_tokens_per_minute))),
            joins: RateLimiter::keyed(Quota::per_hour(times(settings.limits.joins_per_hour))),
        })
    }

    pub(super) fn own_token(&self) -> String {
        self.own.expose().to_string()
    }

    /// The player of a request.
    ///
    /// # Errors
    /// The same for a missing, wrong, guessed and revoked token; another for a player who was blocked.
    pub async fn know(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        settings: &HostSettings,
    ) -> Result<Arc<Known>, Refused> {
        match self.find(headers, address, settings).await? {
            Some(known) if known.player.blocked => Err(Refused::new(
                ErrorCode::Forbidden,
                "the server's owner has blocked this player",
                "Ask the owner why.",
            )),
            Some(known) => Ok(known),
            None => {
                self.wrong.check_key(&network(address)).map_err(|_| too_often())?;
                Err(Refused::new(
                    ErrorCode::Unauthorized,
                    "there is no such token",
                    "Join with an invite of the server's owner: `meddah join LINK`.",
                ))
            }
        }
    }

    async fn find(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        settings: &HostSettings,
    ) -> Result<Option<Arc<Known>>, Refused> {
        let Some(shown) = shown(headers) else { return Ok(None) };
        let hash = shown.hash(&self.pepper);
        if address.is_loopback() && hash.is(&self.own_hash) {
            return self.of_character(headers, hash, settings).await;
        }
        let known = match self.known.get(shown.id()) {
            Some(known) => known,
            None => {
                let Some((token, player)) = self.store.token(shown.id()).await? else { return Ok(None) };
                if token.revoked_ms.is_some() {
                    return Ok(None);
                }
                let tier = settings.tier(&player.tier);
                let known = Arc::new(Known { player, token: token.id, tier, hash: token.hash });
                self.known.insert(shown.id().to_owned(), known.clone());
                known
            }
        };
        Ok(known.hash.is(&hash).then_some(known))
    }

    /// The player for whom a character thinks.
    async fn of_character(
        &self,
        headers: &HeaderMap,
        hash: SecretHash,
        settings: &HostSettings,
    ) -> Result<Option<Arc<Known>>, Refused> {
        let Some(id) = headers.get(FOR_PLAYER).and_then(|id| id.to_str().ok()) else { return Ok(None) };
        if let Some(known) = self.known.get(&format!("{FOR_PLAYER}:{id}")) {
            return Ok(Some(known));
        }
        let Some(player) = self.store.player(&id.into()).await? else { return Ok(None) };
        let tier = settings.tier(&player.tier);
        let known = Arc::new(Known { player, token: String::new(), tier, hash });
        self.known.insert(format!("{FOR_PLAYER}:{id}"), known.clone());
        Ok(Some(known))
    }

    /// Forgets what is known of a token now.
    pub fn forget(&self, token: &str) {
        self.known.invalidate(token);
    }

    /// One more question of this address about a sign-in that it began.
    ///
    /// # Errors
    /// There were too many.
    pub fn polls(&self, address: IpAddr) -> Result<(), Refused> {
        self.wrong.check_key(&network(address)).map_err(|_| too_often())
    }

    /// One more join or sign-in of this address.
    ///
    /// # Errors
    /// There were too many.
    pub fn joins(&self, address: IpAddr) -> Result<(), Refused> {
        self.joins.check_key(&network(address)).map_err(|_| too_often())
    }

    /// Drops what is known of addresses that have been quiet; called now and then.
    pub fn tidy(&self) {
        self.wrong.retain_recent();
        self.joins.retain_recent();
    }
}

fn too_often() -> Refused {
    let mut error = Refused::new(
        ErrorCode::RateLimited,
        "this address has tried too often",
        "Wait a while, then try again with the right link or token.",
    );
    error.0.retry_after_ms = Some(60_000);
    error
}

fn shown(headers: &HeaderMap) -> Option<PlayerToken> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| PlayerToken::parse(token.trim()).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_bearer_tokens_of_ours_are_read() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            shown(&headers).map(|token| token.id().to_owned())
        };
        assert_eq!(read("Bearer mdh_a_b"), Some("a".into()));
        assert_eq!(read("bearer  mdh_a_b "), Some("a".into()));
        for wrong in ["Basic mdh_a_b", "Bearer sk-abc", "mdh_a_b", "Bearer mdh_ab"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}
