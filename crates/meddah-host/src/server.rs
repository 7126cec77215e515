//! A whole host: what it is made of, its two ports, and how it ends.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use meddah_inference::Key;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::engines::{Dialect, Engine, EngineSettings, HttpEngine, HttpEngineSettings, Pool, PoolSettings};
use crate::front::serve::Port;
use crate::front::tls::{Tls, Upkeep};
use crate::front::{self, Host, Parts};
use crate::quota::{Book, BookSettings};
use crate::settings::{EngineEntry, HostSettings, SettingsError};
use crate::storage::{HostStore, Pepper, PostgresHost, PostgresSettings, SqliteHost, StorageError};

/// How long answers may go on when the host stops.
pub const DRAIN_WAIT: Duration = Duration::from_secs(20);
/// The file of players and the ledger, within the data folder.
pub const DATABASE_FILE: &str = "host.sqlite3";

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The operator's settings.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database.
    #[error("{0}\n{help}", help = .0.help)]
    Storage(#[from] StorageError),
    /// A port.
    #[error(
        "cannot listen on {address} ({error})\nIs it in use already? Set `{setting}` in the section [host], or end the other program."
    )]
    Port {
        /// Which.
        address: SocketAddr,
        /// The setting that names it.
        setting: &'static str,
        /// Why.
        error: std::io::Error,
    },
}

/// Engines, and what the operator knows of each.
pub type Engines = Vec<(Arc<dyn Engine>, EngineSettings)>;

/// What a host is opened from.
pub struct Opening {
    /// What the operator set.
    pub settings: HostSettings,
    /// The data folder.
    pub data: PathBuf,
    /// In front of every hash.
    pub pepper: Pepper,
    /// Engines; those of the settings, by [`engines`], or others.
    pub engines: Engines,
}

/// The engines of the settings.
///
/// # Errors
/// One that cannot be: no address, a kind that is not known, a key that is not set.
pub fn engines(
    entries: &[EngineEntry],
    key: impl Fn(&str) -> Result<Option<Key>, String>,
) -> Result<Engines, SettingsError> {
    let mut engines = Engines::new();
    for entry in entries {
        let wrong = |message: String| {
            let name = &entry.name;
            SettingsError::new(format!("the engine {name:?}: {message}"), "Correct it in [[host.engines]].")
        };
        if entry.name.is_empty() || engines.iter().any(|(engine, _)| engine.name() == entry.name) {
            return Err(wrong("each engine has a `name` of its own".into()));
        }
        let dialect = match entry.kind.as_str() {
            "llama-server" => Some(Dialect::LlamaServer),
            "vllm" => Some(Dialect::Vllm),
            "sglang" => Some(Dialect::Sglang),
            "tgi" => Some(Dialect::Tgi),
            "ollama" => Some(Dialect::Ollama),
            "openai" => Some(Dialect::Other),
            "" => None,
            other => {
                let known = "llama-server, vllm, sglang, tgi, ollama and openai";
                return Err(wrong(format!("the kind {other:?} is not known; kinds are {known}")));
            }
        };
        let mut http = HttpEngineSettings::new(&entry.name, &entry.url);
        http.dialect = dialect;
        http.model = Some(entry.model.clone()).filter(|model| !model.is_empty());
        if !entry.key.is_empty() {
            let key = key(&entry.key).map_err(&wrong)?;
            http.key = Some(key.ok_or_else(|| {
                wrong(format!("the key {0:?} is not set; set it with `meddah key set {0}`", entry.key))
            })?);
        }
        let engine = HttpEngine::new(http).map_err(|error| wrong(error.to_string()))?;
        let slots = EngineSettings {
            slots: Some(entry.slots).filter(|slots| *slots > 0),
            ..EngineSettings::default()
        };
        engines.push((Arc::new(engine), slots));
    }
    Ok(engines)
}

/// The database of the settings.
///
/// # Errors
/// It cannot be opened.
pub async fn open_store(settings: &HostSettings, data: &Path) -> Result<Arc<dyn HostStore>, StorageError> {
    let url = &settings.database_url.0;
    if url.is_empty() {
        return Ok(Arc::new(SqliteHost::open(&data.join(DATABASE_FILE))?));
    }
    Ok(Arc::new(PostgresHost::open(&PostgresSettings::new(url.clone().into())).await?))
}

/// A host with its ports open.
pub struct Server {
    host: Arc<Host>,
    public: Port,
    admin: Port,
    upkeep: Option<Upkeep>,
    stop: CancellationToken,
}

/// The line that tells where it is.
#[derive(Clone, Debug, Serialize)]
pub struct Ready {
    ready: bool,
    /// Where players reach it.
    pub url: String,
    /// The operator's port.
    pub admin: SocketAddr,
    pid: u32,
    version: &'static str,
}

impl Server {
    /// Opens the database and the ports. `stop` ends it, in order.
    ///
    /// # Errors
    /// What stands in the way.
    pub async fn open(opening: Opening, stop: CancellationToken) -> Result<Server, ServerError> {
        let Opening { settings, data, pepper, engines } = opening;
        settings.check()?;
        let (tls, upkeep) = match Tls::open(&settings.tls, &data, stop.clone())? {
            Some((tls, upkeep)) => (Some(tls), Some(upkeep)),
            None => (None, None),
        };
        let listener = bind(settings.listen, "listen").await?;
        let admin = bind(settings.admin_listen, "admin_listen").await?;
        let public_url =
            public_url(&settings, listener.local_addr().unwrap_or(settings.listen), tls.is_some());
        let store = open_store(&settings, &data).await?;
        let ceiling = BookSettings {
            day: settings.ceiling.day,
            month: settings.ceiling.month,
            ..BookSettings::default()
        };
        let book = Book::open(store.clone(), ceiling).await?;
        let pool = Pool::new(engines, PoolSettings::default());
        let host = Host::new(Parts { settings, public_url, store, book, pool, pepper })?;
        Ok(Server {
            public: Port { listener, router: front::router(host.clone()), tls },
            admin: Port { listener: admin, router: front::admin_router(host.clone()), tls: None },
            host,
            upkeep,
            stop,
        })
    }

    /// What requests share.
    #[must_use]
    pub fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Where it is.
    #[must_use]
    pub fn ready(&self) -> Ready {
        Ready {
            ready: true,
            url: self.host.public_url().to_owned(),
            admin: self.admin.listener.local_addr().unwrap_or(self.host.settings.admin_listen),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Serves until the end was announced; returns when every answer is settled and every connection closed.
    pub async fn run(self) {
        let Server { host, public, admin, upkeep, stop } = self;
        // Engines and figures outlive the last answer.
        let after = CancellationToken::new();
        let mut limits = host.settings.limits.clone();
        if !host.settings.client_address_header.is_empty() {
            limits.connections_per_address = limits.connections; // all of them are the proxy's
        }
        let serving = async {
            let draining = async {
                stop.cancelled().await;
                host.gate.drain();
                host.close_sockets(DRAIN_WAIT).await;
            };
            tokio::join!(public.run(&limits, stop.clone()), admin.run(&limits, stop.clone()), draining);
            if let Some(characters) = host.characters() {
                characters.shutdown().await;
            }
            if !host.book.close(DRAIN_WAIT).await {
                tracing::warn!("some answers were not settled in time; the next start counts them");
            }
            after.cancel();
        };
        let upkeep = async {
            if let Some(upkeep) = upkeep {
                upkeep.await;
            }
        };
        tokio::join!(serving, upkeep, host.run(after.clone()), host.pool.run(after.clone()));
    }
}

async fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, ServerError> {
    TcpListener::bind(address).await.map_err(|error| ServerError::Port { address, setting, error })
}

fn public_url(settings: &HostSettings, address: SocketAddr, encrypted: bool) -> String {
    if !settings.public_url.is_empty() {
        return settings.public_url.trim_end_matches('/').to_owned();
    }
    if let Some(domain) = settings.tls.acme_domains.first() {
        return format!("https://{domain}");
    }
    let scheme = if encrypted { "https" } else { "http" };
    // Everywhere is nowhere in a link: this computer is where it can be tried.
    let ip = if address.ip().is_unspecified() { [127, 0, 0, 1].into() } else { address.ip() };
    format!("{scheme}://{}", SocketAddr::new(ip, address.port()))
}
