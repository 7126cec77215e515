//! Who asks: players are known by the token of their device, and who guesses is slowed down.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use governor::clock::{Clock as _, DefaultClock};
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};
use meddah_protocol::ErrorCode;

use super::characters::FOR_PLAYER;
use super::error::Refused;
use super::guesses::Guesses;
use super::people::People;
use super::serve::network;
use crate::player::PlayerId;
use crate::quota::Tier;
use crate::settings::HostSettings;
use crate::storage::{HostStore, Pepper, Player, PlayerToken, SecretError, SecretHash};

/// How long players are known without asking the database whether any of them changed: a token that was revoked works
/// no longer than this.
pub const KNOWN_FOR: Duration = Duration::from_millis(250);
/// After so long a player is read anew, changed or not.
const READ_AGAIN: Duration = Duration::from_secs(10 * 60);
/// When an address that has joined too often tries again.
const TRY_AGAIN: Duration = Duration::from_secs(60);
/// Look-ups at once, about: tokens share places by their names.
const LOOK_UPS_MAX: usize = 64;
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
    /// The [`People::changes`] behind which it was read.
    changes: u64,
}

/// How long a token that was right once may ask the database whatever others of its address try.
const PROVEN_FOR: Duration = Duration::from_secs(60 * 60);

type Per<K> = RateLimiter<K, DashMapStateStore<K>, DefaultClock>;

/// Knows players by their tokens, and slows down who guesses.
pub struct Auth {
    pub(super) pepper: Pepper,
    store: Arc<dyn HostStore>,
    known: moka::sync::Cache<String, Arc<Known>>,
    people: People,
    /// One look-up of a token at a time: a player who begins with many requests at once guesses once, not many times.
    looking_up: [tokio::sync::Mutex<()>; LOOK_UPS_MAX],
    /// Of the host itself, for its characters.
    own: PlayerToken,
    own_hash: SecretHash,
    /// Tokens that were right not long ago.
    proven: moka::sync::Cache<String, SecretHash>,
    wrong: Guesses,
    joins: Per<IpAddr>,
    account: Per<PlayerId>,
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
            people: People::new(store.clone()),
            looking_up: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            store,
            known: moka::sync::Cache::builder().max_capacity(KNOWN_MAX).time_to_live(READ_AGAIN).build(),
            proven: moka::sync::Cache::builder().max_capacity(KNOWN_MAX).time_to_live(PROVEN_FOR).build(),
            wrong: Guesses::per_minute(times(settings.limits.wrong_tokens_per_minute)),
            account: RateLimiter::keyed(Quota::per_minute(times(settings.limits.account_per_minute))),
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
            None => Err(Refused::new(
                ErrorCode::Unauthorized,
                "there is no such token",
                "Join with an invite of the server's owner: `meddah join LINK`.",
            )),
        }
    }

    async fn find(
        &self,
        headers: &HeaderMap,
        address: IpAddr,
        settings: &HostSettings,
    ) -> Result<Option<Arc<Known>>, Refused> {
        let Some(shown) = shown(headers) else { return self.guessed(address) };
        let hash = shown.hash(&self.pepper);
        if address.is_loopback() && hash.is(&self.own_hash) {
            return self.of_character(headers, hash, settings).await;
        }
        if let Some(known) = self.still_known(shown.id()).await? {
            return self.if_it_is(known, hash, address);
        }
        let _looking_up = self.looking_up[place_of(shown.id())].lock().await;
        if let Some(known) = self.still_known(shown.id()).await? {
            // Another request of this player was faster.
            return self.if_it_is(known, hash, address);
        }
        let is_proven = self.proven.get(shown.id()).is_some_and(|proven| proven.is(&hash));
        if !is_proven {
            // Counted before the database is asked, and taken back if it was no guess: a flood does not get there.
            self.guessed(address)?;
        }
        let known = self.look_up(shown.id(), settings).await?.filter(|known| known.hash.is(&hash));
        match (&known, is_proven) {
            (Some(known), false) => {
                self.wrong.take_back(network(address));
                self.proven.insert(known.token.clone(), hash);
            }
            (None, true) => self.proven.invalidate(shown.id()), // revoked: from now on it is a guess
            _ => {}
        }
        Ok(known)
    }

    /// What is known under this name, if nobody was changed since.
    async fn still_known(&self, name: &str) -> Result<Option<Arc<Known>>, Refused> {
        let Some(known) = self.known.get(name) else { return Ok(None) };
        Ok((self.people.changes().await? == known.changes).then_some(known))
    }

    fn if_it_is(
        &self,
        known: Arc<Known>,
        hash: SecretHash,
        address: IpAddr,
    ) -> Result<Option<Arc<Known>>, Refused> {
        if known.hash.is(&hash) { Ok(Some(known)) } else { self.guessed(address) }
    }

    /// One more guess of this address.
    fn guessed(&self, address: IpAddr) -> Result<Option<Arc<Known>>, Refused> {
        self.wrong.count(network(address), Instant::now()).map_err(too_often)?;
        Ok(None)
    }

    async fn look_up(&self, id: &str, settings: &HostSettings) -> Result<Option<Arc<Known>>, Refused> {
        let changes = self.people.changes().await?; // before the token: what changes in between is asked for again
        let found = self.store.token(id).await?;
        let Some((token, player)) = found.filter(|(token, _)| token.revoked_ms.is_none()) else {
            return Ok(None);
        };
        let tier = settings.tier(&player.tier);
        let known = Known { player, token: token.id, tier, hash: token.hash, changes };
        Ok(Some(self.remember(id.to_owned(), known)))
    }

    /// The player for whom a character thinks.
    async fn of_character(
        &self,
        headers: &HeaderMap,
        hash: SecretHash,
        settings: &HostSettings,
    ) -> Result<Option<Arc<Known>>, Refused> {
        let Some(id) = headers.get(FOR_PLAYER).and_then(|id| id.to_str().ok()) else { return Ok(None) };
        let name = format!("{FOR_PLAYER}:{id}");
        if let Some(known) = self.still_known(&name).await? {
            return Ok(Some(known));
        }
        let changes = self.people.changes().await?;
        let Some(player) = self.store.player(&id.into()).await? else { return Ok(None) };
        let tier = settings.tier(&player.tier);
        Ok(Some(self.remember(name, Known { player, token: String::new(), tier, hash, changes })))
    }

    fn remember(&self, name: String, known: Known) -> Arc<Known> {
        let known = Arc::new(known);
        self.known.insert(name, known.clone());
        known
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
        self.guessed(address).map(|_| ())
    }

    /// One more question of a player about itself.
    ///
    /// # Errors
    /// There were too many.
    pub fn asks_about_itself(&self, player: &PlayerId) -> Result<(), Refused> {
        self.account.check_key(player).map_err(|wait| {
            let help = "Wait a moment; what is left stands in every answer as well.";
            let wait = wait.wait_time_from(self.account.clock().now());
            rate_limited("this player has asked about itself too often", help, wait)
        })
    }

    /// One more join or sign-in of this address.
    ///
    /// # Errors
    /// There were too many.
    pub fn joins(&self, address: IpAddr) -> Result<(), Refused> {
        self.joins.check_key(&network(address)).map_err(|_| too_often(TRY_AGAIN))
    }

    /// Drops what is known of addresses that have been quiet; called now and then.
    pub fn tidy(&self) {
        self.wrong.tidy(Instant::now());
        self.joins.retain_recent();
        self.account.retain_recent();
    }
}

fn place_of(token: &str) -> usize {
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    (hasher.finish() % LOOK_UPS_MAX as u64) as usize
}

fn too_often(wait: Duration) -> Refused {
    let help = "Wait a while, then try again with the right link or token.";
    rate_limited("this address has tried too often", help, wait)
}

fn rate_limited(message: &str, help: &str, wait: Duration) -> Refused {
    let mut error = Refused::new(ErrorCode::RateLimited, message, help);
    error.0.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1));
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
