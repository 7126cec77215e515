//! Servers of every kind are found out by their own routes.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use meddah_host::engines::{
    Dialect, Engine as _, EngineErrorKind, EngineFacts, HttpEngine, HttpEngineSettings,
};
use meddah_inference::Key;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Serves these routes until it is dropped.
async fn serve(router: Router) -> (String, DropGuard) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base_url = format!("http://{}", listener.local_addr().expect("the port"));
    let end = CancellationToken::new();
    let ended = end.clone();
    TaskTracker::new()
        .spawn(async move { ended.run_until_cancelled(axum::serve(listener, router).into_future()).await });
    (base_url, end.drop_guard())
}

async fn probe(router: Router, path: &str) -> EngineFacts {
    let (base_url, _guard) = serve(router).await;
    let engine =
        HttpEngine::new(HttpEngineSettings::new("a", format!("{base_url}{path}"))).expect("an address");
    let facts = engine.probe().await.expect("facts");
    assert_eq!(engine.probe().await.expect("facts"), facts, "the second time it is known");
    facts
}

fn route(router: Router, path: &str, answer: &'static str) -> Router {
    router.route(path, get(async move || answer))
}

fn models(router: Router) -> Router {
    route(router, "/v1/models", r#"{"object":"list","data":[{"id":"m","max_model_len":2048}]}"#)
}

#[tokio::test]
async fn each_kind_is_known_by_its_own_routes() {
    let vllm = "vllm:num_requests_running{engine=\"0\"} 3.0\nvllm:num_requests_waiting{engine=\"0\"} 1.0\n";
    let facts = probe(models(route(Router::new(), "/metrics", vllm)), "/v1").await;
    assert_eq!(
        (facts.dialect, facts.slots, facts.busy, facts.waiting),
        (Dialect::Vllm, None, Some(3), Some(1))
    );
    assert_eq!((facts.models, facts.context_tokens), (vec!["m".to_owned()], Some(2048)));

    let info =
        r#"{"internal_states":[{"effective_max_running_requests_per_dp":52}],"max_running_requests":64}"#;
    for path in ["/get_server_info", "/server_info"] {
        let facts = probe(models(route(Router::new(), path, info)), "").await;
        assert_eq!((facts.dialect, facts.slots, facts.busy), (Dialect::Sglang, Some(52), None));
    }

    let tgi = route(
        Router::new(),
        "/info",
        r#"{"model_id":"t","max_concurrent_requests":128,"max_total_tokens":4096}"#,
    );
    let facts = probe(route(tgi, "/metrics", "tgi_queue_size 0\ntgi_batch_current_size 2\n"), "/v1/").await;
    assert_eq!(
        (facts.dialect, facts.slots, facts.admits, facts.busy),
        (Dialect::Tgi, None, Some(128), Some(2))
    );
    assert_eq!(facts.models, ["t"]);

    let facts = probe(models(route(Router::new(), "/api/version", r#"{"version":"0.9.1"}"#)), "/v1").await;
    assert_eq!((facts.dialect, facts.slots), (Dialect::Ollama, None));

    // Slots turned off, behind a path of a gateway.
    let props = route(
        Router::new(),
        "/gpu/props",
        r#"{"total_slots":6,"default_generation_settings":{"n_ctx":512}}"#,
    );
    let facts = probe(props, "/gpu/v1").await;
    assert_eq!((facts.dialect, facts.slots, facts.busy), (Dialect::LlamaServer, Some(6), None));
}

#[tokio::test]
async fn others_tell_their_models_at_most() {
    assert_eq!(probe(models(Router::new()), "").await.models, ["m"]);
    assert_eq!(probe(Router::new(), "").await, EngineFacts::default(), "even a 404 is an answer");
    let page = Router::new().fallback(async || "<html>hello</html>");
    assert_eq!(probe(page, "").await, EngineFacts::default());
}

#[tokio::test]
async fn engines_that_are_not_ready_or_want_a_key_say_so() {
    for (status, kind) in [
        (StatusCode::SERVICE_UNAVAILABLE, EngineErrorKind::Overloaded),
        (StatusCode::UNAUTHORIZED, EngineErrorKind::Unauthorized),
    ] {
        let (base_url, _guard) = serve(Router::new().fallback(async move || status)).await;
        let key = Some(Key::new("sk-abcdefghijkl"));
        let engine =
            HttpEngine::new(HttpEngineSettings { key, ..HttpEngineSettings::new("a", base_url) }).unwrap();
        let error = engine.probe().await.unwrap_err();
        assert_eq!(error.kind, kind);
        assert!(!format!("{error:?}").contains("sk-"));
    }
}
