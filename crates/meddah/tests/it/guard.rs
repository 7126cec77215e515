//! Web pages stay out, games come in: the guard on a running server.

use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::rig::{Rig, answer, check_error, script};

const NUI: &str = "https://cfx-nui-my_mod";

async fn rig(require_token: bool) -> Rig {
    Rig::with(script(0, 0), |settings| {
        settings.require_token = require_token;
        settings.allowed_origins = vec![NUI.into()];
    })
    .await
}

fn said() -> Value {
    json!({"character": "mira", "text": "Good evening!"})
}

async fn talk(rig: &Rig, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = rig.http.post(rig.url("/v1/talk")).json(&said());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request).await
}

#[tokio::test]
async fn pages_and_foreign_hosts_are_refused_before_anything_happens() {
    let rig = rig(false).await;
    for headers in [
        &[("host", "evil.example")][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[("sec-fetch-site", "same-site")],
    ] {
        check_error(&talk(&rig, headers).await, 403, "forbidden");
    }
    let unknown = rig.http.get(rig.url("/v1/nothing")).header("origin", "https://evil.example");
    check_error(&answer(unknown).await, 403, "forbidden");
    assert!(rig.model.seen().is_empty(), "nothing was said");

    let bearer = format!("Bearer {}", rig.token);
    let wrong = [("origin", "https://evil.example"), ("authorization", "Bearer wrong")];
    check_error(&talk(&rig, &wrong).await, 401, "unauthorized");
    assert_eq!(talk(&rig, &[("origin", "https://evil.example"), ("authorization", &bearer)]).await.0, 200);
    assert_eq!(talk(&rig, &[("sec-fetch-site", "same-origin")]).await.0, 200);
    assert_eq!(talk(&rig, &[("host", "localhost:1")]).await.0, 200);
    assert_eq!(talk(&rig, &[]).await.0, 200);
    rig.stop().await;
}

#[tokio::test]
async fn allowed_pages_get_what_a_browser_asks_for() {
    let rig = rig(false).await;
    let preflight = |origin: &'static str| {
        rig.http
            .request(reqwest::Method::OPTIONS, rig.url("/v1/talk"))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-private-network", "true")
            .header("access-control-request-headers", "player2-game-key")
            .send()
    };
    let allowed = preflight(NUI).await.unwrap();
    assert_eq!(allowed.status(), 204);
    assert_eq!(allowed.headers()["access-control-allow-origin"], NUI);
    assert_eq!(allowed.headers()["access-control-allow-private-network"], "true");
    assert_eq!(allowed.headers()["access-control-allow-headers"], "player2-game-key");
    assert_eq!(preflight("https://evil.example").await.unwrap().status(), 403);

    let response =
        rig.http.post(rig.url("/v1/talk")).json(&said()).header("origin", NUI).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["access-control-allow-origin"], NUI);
    let plain = rig.http.get(rig.url("/v1/health")).send().await.unwrap();
    assert!(!plain.headers().contains_key("access-control-allow-origin"));
    rig.stop().await;
}

#[tokio::test]
async fn with_require_token_everything_but_health_needs_it() {
    let rig = rig(true).await;
    assert_eq!(rig.get("/v1/health").await.0, 200);
    check_error(&talk(&rig, &[]).await, 401, "unauthorized");
    check_error(&talk(&rig, &[("origin", NUI)]).await, 401, "unauthorized");
    check_error(&rig.put("/v1/worlds/tavern/characters/x", &json!({"name": "X"})).await, 401, "unauthorized");
    check_error(&rig.get("/v1/sessions/s1/events").await, 401, "unauthorized");
    let bearer = format!("Bearer {}", rig.token);
    assert_eq!(talk(&rig, &[("authorization", &bearer)]).await.0, 200);
    let by_query = rig.http.post(rig.url(&format!("/v1/talk?token={}", rig.token))).json(&said());
    check_error(&answer(by_query).await, 401, "unauthorized");
    rig.stop().await;
}

#[tokio::test]
async fn a_page_opens_a_websocket_with_the_token_in_its_address_only() {
    let rig = rig(false).await;
    let open = async |query: &str, origin: &str| {
        let address = format!("ws://127.0.0.1:{}/v1/ws{query}", rig.port);
        let mut request = address.into_client_request().unwrap();
        request.headers_mut().insert("origin", origin.parse().unwrap());
        connect_async(request).await.map(|_| ()).map_err(|error| error.to_string())
    };
    let token = format!("?token={}", rig.token);
    assert!(open("", "https://evil.example").await.unwrap_err().contains("403"));
    assert!(open("?token=wrong", "https://evil.example").await.unwrap_err().contains("401"));
    open(&token, "https://evil.example").await.unwrap();
    open("", NUI).await.unwrap();
    rig.stop().await;
}
