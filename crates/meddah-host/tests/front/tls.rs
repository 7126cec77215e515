//! Encrypted connections, over both versions of HTTP.

use crate::host::{TestHost, events, quick, settings, streamed};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_own_certificate_serves_both_versions_of_http() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let mut settings = settings();
    settings.tls.certificate = folder.path().join("certificate.pem");
    settings.tls.key = folder.path().join("key.pem");
    std::fs::write(&settings.tls.certificate, made.cert.pem()).unwrap();
    std::fs::write(&settings.tls.key, made.signing_key.serialize_pem()).unwrap();
    let host = TestHost::start(quick(), settings).await;
    assert!(host.ready.url.starts_with("https://127.0.0.1:"), "{}", host.ready.url);
    let token = host.player("free").await;
    for version in [reqwest::Version::HTTP_11, reqwest::Version::HTTP_2] {
        let builder = reqwest::Client::builder().danger_accept_invalid_certs(true);
        let client = match version {
            reqwest::Version::HTTP_2 => builder.http2_prior_knowledge(),
            _ => builder.http1_only(),
        };
        let request = client.build().unwrap().post(host.url("/v1/chat/completions"));
        let response = request.bearer_auth(&token).json(&streamed("Hello", 3)).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.version()), (200, version));
        assert!(events(&response.text().await.unwrap()).len() >= 3);
    }
}
