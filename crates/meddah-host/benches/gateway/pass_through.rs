//! The least that a proxy can do: bytes in, bytes out. No authentication, no limits, nothing is counted.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::serve::ListenerExt as _;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;

#[derive(Clone)]
struct Engine {
    client: Client<HttpConnector, Body>,
    /// Host and port.
    authority: String,
}

/// Serves until the process is ended. Its first line is its address.
pub async fn serve(engine: &str) -> Result<(), String> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(100_000).build(connector);
    let authority = engine.trim_start_matches("http://").to_owned();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(|error| error.to_string())?;
    println!("http://{}", listener.local_addr().map_err(|error| error.to_string())?);
    let listener = listener.tap_io(|stream| {
        stream.set_nodelay(true).ok(); // it would only be slower
    });
    let router = Router::new().fallback(pass).with_state(Engine { client, authority });
    axum::serve(listener, router).await.map_err(|error| error.to_string())
}

async fn pass(State(engine): State<Engine>, mut request: Request) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(uri) = Uri::builder().scheme("http").authority(&*engine.authority).path_and_query(path).build()
    else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    *request.uri_mut() = uri;
    match engine.client.request(request).await {
        Ok(response) => response.map(Body::new),
        Err(_) => StatusCode::BAD_GATEWAY.into_response(),
    }
}
