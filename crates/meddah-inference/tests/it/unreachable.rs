//! Servers that are not there, are not themselves, or send us elsewhere.

use std::time::{Duration, Instant};

use meddah_fakes::{Dialect, Fake, Play};
use meddah_inference::ErrorKind;
use meddah_inference::http::Http;
use meddah_inference::model_table::ModelTable;
use meddah_inference::providers::{self, ProviderConfig};
use tokio::net::TcpListener;

use crate::kit::{ask, config, model, open, request};

/// An address of this computer at which nobody listens.
async fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_server_that_is_not_there_is_noticed_at_once() {
    let before = Instant::now();
    let outcome = ask(&*open(config(Dialect::OpenAi, &nobody().await)), request()).await;
    assert_eq!(outcome.error, Some(ErrorKind::Network));
    assert!(outcome.error_text.contains("no connection to 127.0.0.1"), "{}", outcome.error_text);
    assert!(before.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_a_network_error() {
    let outcome = ask(&*open(config(Dialect::OpenAi, "https://nowhere.invalid/v1")), request()).await;
    assert_eq!(outcome.error, Some(ErrorKind::Network));
    assert!(outcome.error_text.contains("nowhere.invalid"), "{}", outcome.error_text);
}

/// The connection stays open and silent, as when a cable is pulled; a new one is refused.
#[tokio::test]
async fn a_network_that_went_away_is_noticed_although_the_connection_stands() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let model = open(config(Dialect::OpenAi, &base_url));
    let before = Instant::now();
    let (outcome, _kept) = tokio::join!(ask(&*model, request()), async {
        let (stream, _) = listener.accept().await.unwrap();
        drop(listener);
        stream
    });
    assert_eq!(outcome.error, Some(ErrorKind::Network));
    assert!(before.elapsed() < Duration::from_secs(6), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_server_that_thinks_for_long_is_left_to_it() {
    let fake = Fake::start(Play::case(Dialect::OpenAi, "turn")).await;
    // The pause stands before the head, so it is played by a server of our own in front.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let target = fake.base_url.trim_start_matches("http://").to_owned();
    let model = open(config(Dialect::OpenAi, &base_url));
    let relay = async {
        let (mut from, _) = listener.accept().await.unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let mut to = tokio::net::TcpStream::connect(target).await.unwrap();
        tokio::io::copy_bidirectional(&mut from, &mut to).await.ok();
    };
    let outcome = tokio::select! {
        outcome = ask(&*model, request()) => outcome,
        () = relay => panic!("the relay ended first"),
    };
    assert_eq!(outcome.error, None);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Fake::start(Play::case(Dialect::OpenAi, "turn")).await;
    for target in
        [format!("{}/v1/chat/completions", other.base_url), "https://evil.example/x".into(), "?".into()]
    {
        let fake = Fake::start(Play::redirect(Dialect::OpenAi, &target)).await;
        let outcome = ask(&*model(Dialect::OpenAi, "turn", &fake), request()).await;
        assert_eq!(outcome.error, Some(ErrorKind::BadRequest));
        if target.contains("evil") {
            assert!(outcome.error_text.contains("evil.example"), "{}", outcome.error_text);
        }
    }
    assert_eq!(other.requests().len(), 0);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let fake = Fake::start_tls(Play::case(Dialect::OpenAi, "turn")).await;
    let outcome = ask(&*model(Dialect::OpenAi, "turn", &fake), request()).await;
    assert_eq!(outcome.error, Some(ErrorKind::Network));
    assert!(outcome.error_text.contains("cannot prove who it is"), "{}", outcome.error_text);
    assert_eq!(fake.requests().len(), 0, "nothing was sent");
}

#[test]
fn settings_that_cannot_work_are_refused_before_anything_is_sent() {
    let http = Http::new().unwrap();
    let check = |change: &dyn Fn(&mut ProviderConfig), kind| {
        let mut config = config(Dialect::OpenAi, "https://api.example.com");
        change(&mut config);
        let error = providers::open(config, http.clone(), &ModelTable::embedded()).err().unwrap();
        assert_eq!(error.kind, kind, "{error:?}");
        assert!(!error.help.is_empty());
    };
    check(&|config| config.base_url = Some("http://api.example.com".into()), ErrorKind::BadRequest);
    check(&|config| config.base_url = Some("file:///etc/passwd".into()), ErrorKind::BadRequest);
    check(&|config| config.base_url = Some("https://me:pw@api.example.com".into()), ErrorKind::BadRequest);
    check(&|config| (config.base_url, config.key) = (None, None), ErrorKind::Unauthorized);
    let unknown = |config: &mut ProviderConfig| {
        config.base_url = None;
        config.provider = "opanai".into();
    };
    check(&unknown, ErrorKind::NotFound);
    let no_address = |config: &mut ProviderConfig| {
        config.base_url = None;
        config.provider = "openai-compatible".into();
    };
    check(&no_address, ErrorKind::NotFound);
}
