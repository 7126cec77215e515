//! Signing in at a made-up provider that speaks OpenID Connect.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use meddah_host::settings::SignInEntry;
use serde_json::{Value, json};
use std::collections::HashMap;

use crate::host::{TestHost, quick, settings};

/// Lets a player in at the third question.
#[derive(Default)]
struct Provider {
    polls: AtomicUsize,
}

/// The fields of a form.
fn fields(body: &str) -> HashMap<String, String> {
    let url = reqwest::Url::parse(&format!("http://form/?{body}")).unwrap();
    url.query_pairs().into_owned().collect()
}

async fn provider() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let issuer = format!("http://{}", listener.local_addr().unwrap());
    let document = json!({
        "issuer": issuer, "device_authorization_endpoint": format!("{issuer}/device"),
        "token_endpoint": format!("{issuer}/token"), "userinfo_endpoint": format!("{issuer}/account"),
    });
    let device = |body: String| async move {
        let fields = fields(&body);
        assert_eq!((fields["client_id"].as_str(), fields["scope"].as_str()), ("our-game", "openid profile"));
        Json(
            json!({"device_code": "dc", "user_code": "WDJB-MJHT", "verification_uri": "https://id.example/device",
            "expires_in": 900, "interval": 1}),
        )
    };
    let token = |State(provider): State<Arc<Provider>>, body: String| async move {
        let fields = fields(&body);
        if fields["device_code"] != "dc" {
            return Json(json!({"error": "expired_token"}));
        }
        match provider.polls.fetch_add(1, Ordering::Relaxed) {
            0 => Json(json!({"error": "authorization_pending"})),
            1 => Json(json!({"error": "slow_down"})),
            _ => Json(json!({"access_token": "at", "token_type": "Bearer"})),
        }
    };
    let account = |headers: HeaderMap| async move {
        assert_eq!(headers["authorization"], "Bearer at");
        Json(json!({"sub": "account-7", "name": "Mira's friend"}))
    };
    let router = Router::new()
        .route("/.well-known/openid-configuration", get(move || async move { Json(document) }))
        .route("/device", post(device))
        .route("/token", post(token))
        .route("/account", get(account))
        .with_state(Arc::new(Provider::default()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    issuer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_elsewhere_is_a_player_here_and_stays_the_same_one() {
    let mut settings = settings();
    let entry = SignInEntry {
        kind: "oidc".into(),
        client_id: "our-game".into(),
        issuer: provider().await,
        tier: "donor".into(),
    };
    settings.sign_in.insert("own".into(), entry);
    let host = TestHost::start(quick(), settings).await;
    let post = async |path: &str, body: Value| -> Value {
        host.client.post(host.url(path)).json(&body).send().await.unwrap().json().await.unwrap()
    };
    let known: Value = host.client.get(host.url("/v1/sign-in")).send().await.unwrap().json().await.unwrap();
    assert_eq!(known, json!({"providers": ["own"]}));
    let begun = post("/v1/sign-in", json!({"provider": "own"})).await;
    assert_eq!((&begun["user_code"], &begun["interval"]), (&"WDJB-MJHT".into(), &1.into()));
    let poll = json!({"provider": "own", "device_code": begun["device_code"], "device": "PC"});
    assert_eq!(post("/v1/sign-in/poll", poll.clone()).await, json!({"pending": true, "slower": false}));
    assert_eq!(post("/v1/sign-in/poll", poll.clone()).await["slower"], true);
    let joined = post("/v1/sign-in/poll", poll.clone()).await;
    assert_eq!(joined["tier"], "donor", "{joined}");
    let me = host.get(joined["token"].as_str().unwrap(), "/v1/me").await;
    assert_eq!((&me["player"], &me["name"]), (&joined["player"], &"Mira's friend".into()));
    let again = post("/v1/sign-in/poll", poll).await;
    assert_eq!(again["player"], joined["player"]);
    assert_ne!(again["token"], joined["token"], "another device");
    let wrong = post("/v1/sign-in/poll", json!({"provider": "own", "device_code": "x"})).await;
    assert_eq!(wrong["error"]["code"], "forbidden");
    let unknown = post("/v1/sign-in", json!({"provider": "none"})).await;
    assert_eq!(unknown["error"]["code"], "invalid_request");
}
