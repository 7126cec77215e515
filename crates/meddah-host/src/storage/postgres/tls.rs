//! How connections to the server are encrypted: what `sslmode` and `sslrootcert` in its address say, as in libpq.
//!
//! Without `sslmode` nothing is encrypted. `require` keeps out whoever listens, and believes any certificate;
//! `verify-full` wants one for the server's name from an authority that the system trusts, or from the file that
//! `sslrootcert` names.

use std::path::Path;
use std::sync::Arc;

use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error as TlsError, RootCertStore, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::bad_address;
use super::rows::Done;

/// What is spoken within TLS, which servers since version 17 want to be told.
const PROTOCOL: &[u8] = b"postgresql";
/// The value of `sslrootcert` for what the system trusts.
const SYSTEM: &str = "system";

/// What the address says of encryption, as it stands there.
#[derive(Debug, Default, PartialEq)]
struct Wanted {
    mode: Option<String>,
    roots: Option<String>,
}

/// Reads an address, and what encrypts its connections.
///
/// # Errors
/// An address of another form, a mode that is not known, or a file of certificates that is none.
pub(super) fn read(address: &str) -> Done<(Config, MakeRustlsConnect)> {
    let (address, wanted) = if address.contains("://") { split_url(address) } else { split_words(address) };
    // The parser's message is about the address' form and holds nothing of it.
    let mut config: Config = address.parse().map_err(|_| bad_address("it has another form"))?;
    let roots = wanted.roots.filter(|roots| roots != SYSTEM);
    let (mode, is_verified) = match wanted.mode.as_deref() {
        None | Some("disable") => (SslMode::Disable, false),
        Some("prefer") => (SslMode::Prefer, false),
        // Who names a file of authorities wants it to be looked at.
        Some("require") => (SslMode::Require, roots.is_some()),
        Some("verify-full") => (SslMode::Require, true),
        Some(_) => return Err(bad_address("its `sslmode` is not known")),
    };
    config.ssl_mode(mode);
    Ok((config, MakeRustlsConnect::new(client(is_verified, roots.as_deref().map(Path::new))?)))
}

fn client(is_verified: bool, roots: Option<&Path>) -> Done<ClientConfig> {
    let unusable = |error: TlsError| bad_address(&format!("no secure connections: {error}"));
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder.with_safe_default_protocol_versions().map_err(unusable)?;
    let builder = match (is_verified, roots) {
        (false, _) => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        }
        (true, None) => builder.with_platform_verifier().map_err(unusable)?,
        (true, Some(file)) => builder.with_root_certificates(authorities(file)?),
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    Ok(config)
}

fn authorities(file: &Path) -> Done<RootCertStore> {
    let wrong = |why: String| bad_address(&format!("`sslrootcert` is no file of PEM certificates ({why})"));
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(error.to_string()))? {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("it has none".into())) } else { Ok(roots) }
}

/// `postgres://…?sslmode=…`: the rest stays as it is.
fn split_url(address: &str) -> (String, Wanted) {
    let mut wanted = Wanted::default();
    let Some((place, query)) = address.split_once('?') else { return (address.to_owned(), wanted) };
    let mut rest = Vec::new();
    for pair in query.split('&') {
        let decoded = Url::parse(&format!("x:?{pair}")).ok();
        let decoded = decoded.as_ref().and_then(|url| url.query_pairs().next());
        if !decoded.is_some_and(|(key, value)| wanted.takes(&key, &value)) {
            rest.push(pair);
        }
    }
    let address = if rest.is_empty() { place.to_owned() } else { format!("{place}?{}", rest.join("&")) };
    (address, wanted)
}

/// `host=… sslmode=…`: the rest stays as it is.
fn split_words(address: &str) -> (String, Wanted) {
    let (mut wanted, mut rest) = (Wanted::default(), Vec::new());
    for word in words(address) {
        let pair = word.split_once('=');
        if !pair.is_some_and(|(key, value)| wanted.takes(key, value.trim_matches('\''))) {
            rest.push(word);
        }
    }
    (rest.join(" "), wanted)
}

/// What white space parts, but not within quotes, where a password may have it.
fn words(text: &str) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parted = text.split(move |letter: char| {
        let was_escaped = is_escaped;
        is_escaped = letter == '\\' && !was_escaped;
        is_quoted ^= letter == '\'' && !was_escaped;
        letter.is_whitespace() && !is_quoted && !was_escaped
    });
    parted.filter(|word| !word.is_empty()).collect()
}

impl Wanted {
    /// Whether this is about encryption; then it is kept.
    fn takes(&mut self, key: &str, value: &str) -> bool {
        let place = match key {
            "sslmode" => &mut self.mode,
            "sslrootcert" => &mut self.roots,
            _ => return false,
        };
        *place = Some(value.to_owned());
        true
    }
}

/// Believes every certificate, but not that somebody has it without its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _others: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(mode: &str, roots: &str) -> Wanted {
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Wanted { mode: some(mode), roots: some(roots) }
    }

    #[test]
    fn what_is_about_encryption_is_taken_out_of_either_form() {
        let url =
            "postgres://a:p%26w@host:1/db?sslmode=verify-full&connect_timeout=3&sslrootcert=%2Fa%20b.pem";
        assert_eq!(
            split_url(url),
            ("postgres://a:p%26w@host:1/db?connect_timeout=3".into(), wanted("verify-full", "/a b.pem"))
        );
        assert_eq!(
            split_url("postgres://host/db?sslmode=require"),
            ("postgres://host/db".into(), wanted("require", ""))
        );
        assert_eq!(split_url("postgres://host/db"), ("postgres://host/db".into(), wanted("", "")));
        let words = r"host=a  password='b  \' sslmode=no' sslmode='require' sslrootcert=/c.pem dbname=d";
        assert_eq!(
            split_words(words),
            (r"host=a password='b  \' sslmode=no' dbname=d".into(), wanted("require", "/c.pem"))
        );
    }

    #[test]
    fn modes_mean_what_they_mean_elsewhere_and_others_are_refused() {
        let mode = |address: &str| read(address).map(|(config, _)| config.get_ssl_mode());
        assert_eq!(mode("postgres://host/db").unwrap(), SslMode::Disable);
        assert_eq!(mode("postgres://host/db?sslmode=prefer").unwrap(), SslMode::Prefer);
        assert_eq!(mode("host=h sslmode=require").unwrap(), SslMode::Require);
        assert_eq!(mode("host=h sslmode=verify-full sslrootcert=system").unwrap(), SslMode::Require);
        for wrong in ["host=h sslmode=verify-ca", "host=h sslmode=", "postgres://h/d?sslmode=yes"] {
            assert!(mode(wrong).unwrap_err().help.contains("verify-full"), "{wrong}");
        }
        let nothing = mode("host=h sslmode=verify-full sslrootcert=/nothing.pem").unwrap_err();
        assert!(nothing.message.contains("sslrootcert"), "{nothing}");
    }
}
