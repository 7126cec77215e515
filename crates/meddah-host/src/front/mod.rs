//! What players and the operator reach: routes, who may use them, and what they answer.

mod account;
mod admin;
pub mod auth;
mod body;
pub mod characters;
pub mod chat;
pub mod error;
mod guesses;
pub mod join;
pub mod metrics;
mod moderation;
mod people;
pub mod prices;
pub mod serve;
mod sign_in;
mod stalled;
pub mod tls;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderMap, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::{delete, get, post};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Gate;
use crate::engines::Pool;
use crate::quota::Book;
use crate::settings::{HostSettings, SettingsError};
use crate::storage::{HostStore, Pepper};
use auth::Auth;
use characters::Characters;
use chat::Carriers;
use error::Refused;
use metrics::Metrics;
use moderation::Moderator;
use prices::Prices;
use serve::Peer;
use sign_in::SignIn;

/// When devices were used last is written this often.
const USED_EVERY: Duration = Duration::from_secs(30);
/// Answers that nobody takes are looked for this often.
const LOOK_OVER_EVERY: Duration = Duration::from_millis(500);
/// Devices whose use waits to be written; more are dropped, which costs nothing but a time.
const USED_MAX: usize = 100_000;

/// Everything that requests share.
pub struct Host {
    /// What the operator set.
    pub settings: HostSettings,
    /// Players, quotas, the ledger.
    pub store: Arc<dyn HostStore>,
    /// Leave to spend.
    pub book: Arc<Book>,
    /// Fair waiting.
    pub gate: Arc<Gate>,
    /// Engines.
    pub pool: Arc<Pool>,
    /// Figures.
    pub metrics: Metrics,
    auth: Auth,
    prices: Prices,
    moderator: Moderator,
    sign_in: SignIn,
    used: Mutex<HashMap<String, u64>>,
    public_url: String,
    characters: OnceLock<Arc<dyn Characters>>,
    carriers: Carriers,
    /// WebSockets, which outlive the request that opened them.
    sockets: TaskTracker,
    stop: CancellationToken,
}

/// How large a model is, as far as its engines tell.
#[derive(Clone, Copy, Debug, Default)]
struct ModelSize {
    context_tokens: Option<u32>,
    parameters: Option<u64>,
}

fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

/// What a host is made of.
pub struct Parts {
    /// What the operator set.
    pub settings: HostSettings,
    /// Where players reach it, for invite links.
    pub public_url: String,
    /// Players, quotas, the ledger.
    pub store: Arc<dyn HostStore>,
    /// Leave to spend.
    pub book: Arc<Book>,
    /// Engines.
    pub pool: Arc<Pool>,
    /// In front of every hash.
    pub pepper: Pepper,
}

impl Host {
    /// A host that serves nothing yet.
    ///
    /// # Errors
    /// Settings that make no sense.
    pub fn new(parts: Parts) -> Result<Arc<Host>, SettingsError> {
        let Parts { settings, public_url, store, book, pool, pepper } = parts;
        settings.check()?;
        Ok(Arc::new(Host {
            auth: Auth::new(&settings, pepper, store.clone())
                .map_err(|error| SettingsError::new(error.to_string(), "Check the system."))?,
            prices: Prices::of_engines(&settings.engines)?,
            moderator: Moderator::new(&settings.moderation)?,
            sign_in: SignIn::new(&settings.sign_in)?,
            gate: Gate::new(settings.admission.clone()),
            metrics: Metrics::default(),
            used: Mutex::default(),
            characters: OnceLock::new(),
            carriers: Carriers::default(),
            sockets: TaskTracker::new(),
            stop: CancellationToken::new(),
            public_url,
            settings,
            store,
            book,
            pool,
        }))
    }

    /// Keeps slots, devices and the kill switch up to date until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let mut slots = self.pool.slots();
        let mut state = self.book.state();
        let mut every = tokio::time::interval(USED_EVERY);
        let mut look_over = tokio::time::interval(LOOK_OVER_EVERY);
        self.gate.set_slots(*slots.borrow_and_update());
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Ok(()) = slots.changed() => self.gate.set_slots(*slots.borrow_and_update()),
                Ok(()) = state.changed() => tracing::info!(state = ?*state.borrow_and_update(), "the server"),
                _ = look_over.tick() => {
                    let state = *self.book.state().borrow();
                    self.carriers.look_over(self.settings.limits.stall_max(), state);
                }
                _ = every.tick() => {
                    self.auth.tidy();
                    self.write_used().await;
                }
            }
        }
        self.write_used().await;
    }

    /// Serves whole characters from now on.
    pub fn serve_characters(&self, characters: Arc<dyn Characters>) {
        self.characters.set(characters).ok(); // the first ones stay
    }

    pub(crate) fn characters(&self) -> Option<&Arc<dyn Characters>> {
        self.characters.get()
    }

    /// What a character of this host asks with, on the operator's port, for the player that the header
    /// [`FOR_PLAYER`](characters::FOR_PLAYER) names. New at every start.
    #[must_use]
    pub fn own_token(&self) -> String {
        self.auth.own_token()
    }

    /// Closes WebSockets once their answers are finished.
    pub(crate) async fn close_sockets(&self, patience: Duration) {
        self.stop.cancel();
        self.sockets.close();
        tokio::time::timeout(patience, self.sockets.wait()).await.ok(); // the runtime ends those that are left
    }

    /// Where players reach it.
    #[must_use]
    pub fn public_url(&self) -> &str {
        &self.public_url
    }

    /// Models that engines tell of, each once, and the least that they say of its size.
    fn models(&self) -> BTreeMap<String, ModelSize> {
        let mut models: BTreeMap<String, ModelSize> = BTreeMap::new();
        for engine in self.pool.states() {
            for name in engine.models {
                let size = models.entry(name).or_default();
                size.context_tokens = least(size.context_tokens, engine.context_tokens);
                size.parameters = least(size.parameters, engine.parameters);
            }
        }
        models
    }

    fn used_now(&self, token: &str) {
        if token.is_empty() {
            return; // a character of this host
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = used.get_mut(token) {
            *at = now_ms();
        } else if used.len() < USED_MAX {
            used.insert(token.to_owned(), now_ms());
        }
    }

    async fn write_used(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let used: Vec<(String, u64)> = used.into_iter().collect();
        if !used.is_empty()
            && let Err(error) = self.store.tokens_used(&used).await
        {
            tracing::debug!(%error, "when devices were used last is not written");
        }
    }
}

/// Milliseconds since 1970.
fn now_ms() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

/// What players reach. `characters` answers what is not here, for players that are known.
pub fn router(host: Arc<Host>) -> Router {
    Router::new()
        .route("/v1/health", get(account::health))
        .route("/v1/models", get(account::models))
        .route("/v1/chat/completions", post(chat::completions))
        .route("/v1/chat/ws", get(chat::socket))
        .route("/v1/join", post(join::join))
        .route("/join/{code}", get(join::page))
        .route("/v1/sign-in", get(sign_in::providers).post(sign_in::begin))
        .route("/v1/sign-in/poll", post(sign_in::poll))
        .route("/v1/me", get(account::me).delete(account::delete_me))
        .route("/v1/me/export", get(account::export))
        .route("/v1/me/devices", get(account::devices).post(account::add_device))
        .route("/v1/me/devices/{id}", delete(account::revoke_device))
        .route("/openapi.json", get(account::openapi))
        .fallback(characters::answer)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(host.clone(), real_address))
        .with_state(host)
}

/// What the operator reaches, on the loopback address.
pub fn admin_router(host: Arc<Host>) -> Router {
    admin::router(host)
}

/// Behind a proxy of the operator's, the player's address is in a header.
async fn real_address(
    axum::extract::State(host): axum::extract::State<Arc<Host>>,
    mut request: Request,
    next: Next,
) -> Response {
    let header = &host.settings.client_address_header;
    if !header.is_empty()
        && let Some(address) = last_address(request.headers(), header)
    {
        request.extensions_mut().insert(Peer(address));
    }
    next.run(request).await
}

/// The last address: what stands before it, the player may have written.
fn last_address(headers: &HeaderMap, name: &str) -> Option<IpAddr> {
    headers.get_all(name).iter().next_back()?.to_str().ok()?.rsplit(',').next()?.trim().parse().ok()
}

async fn wrong_method(uri: Uri) -> Response {
    use axum::response::IntoResponse as _;
    let path: String = uri.path().chars().take(80).collect();
    let refused = Refused::invalid(format!("{path} does not take this method"), "See /openapi.json.");
    (axum::http::StatusCode::METHOD_NOT_ALLOWED, axum::Json(refused.body())).into_response()
}
