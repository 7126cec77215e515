//! Encryption: certificates of the operator's own, read again when they change, or fetched by ACME.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use futures::StreamExt as _;
use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_acme::caches::DirCache;
use rustls_acme::{AcmeConfig, is_tls_alpn_challenge};
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::settings::{SettingsError, TlsSettings};

/// How long a handshake may take.
const HANDSHAKE_WAIT: Duration = Duration::from_secs(10);
/// How often the files of a certificate are looked at.
const CERTIFICATE_LOOK: Duration = Duration::from_secs(60);

/// Both versions of HTTP, the newer one first.
fn protocols() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What connections are encrypted with. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    usual: Arc<RwLock<Arc<ServerConfig>>>,
    /// Answers the challenge by which ACME sees that a name leads here.
    challenge: Option<Arc<ServerConfig>>,
}

/// What keeps certificates fresh: a task for the owner to run.
pub type Upkeep = futures::future::BoxFuture<'static, ()>;

impl Tls {
    /// As the settings say; `None` without encryption. The second part has to be run as long as connections are taken.
    ///
    /// # Errors
    /// Files that are no certificate or key.
    pub fn open(
        settings: &TlsSettings,
        data: &Path,
        stop: CancellationToken,
    ) -> Result<Option<(Tls, Upkeep)>, SettingsError> {
        if !settings.acme_domains.is_empty() {
            return Ok(Some(Tls::acme(settings, data, stop)));
        }
        if settings.certificate.as_os_str().is_empty() {
            return Ok(None);
        }
        let files = (settings.certificate.clone(), settings.key.clone());
        let tls = Tls { usual: Arc::new(RwLock::new(own_config(&files.0, &files.1)?)), challenge: None };
        let upkeep = Box::pin(tls.clone().read_again(files, stop));
        Ok(Some((tls, upkeep)))
    }

    fn acme(settings: &TlsSettings, data: &Path, stop: CancellationToken) -> (Tls, Upkeep) {
        let contact = Some(&settings.acme_contact).filter(|contact| !contact.is_empty());
        let mut state = AcmeConfig::new_with_provider(&settings.acme_domains, provider())
            .contact(contact.map(|contact| format!("mailto:{contact}")))
            .cache(DirCache::new(data.join("certificates")))
            .directory(&settings.acme_directory)
            .state();
        let mut usual = ServerConfig::clone(&state.default_rustls_config_with_provider(provider()));
        usual.alpn_protocols = protocols();
        let tls = Tls {
            usual: Arc::new(RwLock::new(Arc::new(usual))),
            challenge: Some(state.challenge_rustls_config_with_provider(provider())),
        };
        let upkeep = async move {
            loop {
                let next = tokio::select! {
                    () = stop.cancelled() => return,
                    next = state.next() => next,
                };
                match next {
                    Some(Ok(event)) => info!(?event, "certificate"),
                    Some(Err(error)) => warn!(%error, "no certificate yet; it is tried again"),
                    None => return,
                }
            }
        };
        (tls, Box::pin(upkeep))
    }

    async fn read_again(self, (certificate, key): (PathBuf, PathBuf), stop: CancellationToken) {
        let changed = || {
            let time = |file: &Path| std::fs::metadata(file).and_then(|data| data.modified()).ok();
            (time(&certificate), time(&key))
        };
        let mut seen: (Option<SystemTime>, Option<SystemTime>) = changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(CERTIFICATE_LOOK) => {}
            }
            if changed() == seen {
                continue;
            }
            seen = changed();
            match own_config(&certificate, &key) {
                Ok(config) => {
                    *self.usual.write().unwrap_or_else(PoisonError::into_inner) = config;
                    info!("the certificate was read again");
                }
                // A half-written file: the old certificate holds until it is whole.
                Err(error) => warn!(%error, "the changed certificate cannot be used"),
            }
        }
    }

    /// The encrypted side of a connection; `None` for a challenge of ACME, which is over then.
    ///
    /// # Errors
    /// A client that does not speak TLS, or takes too long.
    pub async fn accept(&self, tcp: TcpStream) -> std::io::Result<Option<TlsStream<TcpStream>>> {
        let handshake = async {
            let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp).await?;
            if let Some(challenge) = &self.challenge
                && is_tls_alpn_challenge(&start.client_hello())
            {
                let mut answered = start.into_stream(challenge.clone()).await?;
                tokio::io::AsyncWriteExt::shutdown(&mut answered).await?;
                return Ok(None);
            }
            let usual = self.usual.read().unwrap_or_else(PoisonError::into_inner).clone();
            start.into_stream(usual).await.map(Some)
        };
        tokio::time::timeout(HANDSHAKE_WAIT, handshake)
            .await
            .unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into()))
    }
}

fn own_config(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, SettingsError> {
    let unusable = |file: &Path, why: &dyn std::fmt::Display| {
        SettingsError::new(
            format!("{} cannot be used: {why}", file.display()),
            "`tls.certificate` is a PEM file with the whole chain, `tls.key` the PEM file of its key.",
        )
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect)
        .map_err(|error| unusable(certificate, &error))?;
    let key_der = PrivateKeyDer::from_pem_file(key).map_err(|error| unusable(key, &error))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| unusable(certificate, &error))?
        .with_no_client_auth()
        .with_single_cert(chain, key_der)
        .map_err(|error| unusable(certificate, &error))?;
    config.alpn_protocols = protocols();
    Ok(Arc::new(config))
}
