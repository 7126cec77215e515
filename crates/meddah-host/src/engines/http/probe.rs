//! Asks a server what it is and what it has, by the routes of each kind.

use http_body_util::Full;
use hyper::{Method, StatusCode};
use meddah_inference::http::{Url, retry_after};
use serde_json::Value;

use super::stream::body_up_to;
use super::{HttpEngine, path};
use crate::engines::facts::{Dialect, EngineFacts};
use crate::engines::{EngineError, EngineErrorKind};

/// Metrics of a busy server are long.
const PROBE_BODY_BYTES_MAX: usize = 4 << 20;

/// The facts of a server; of one that was seen before its own routes are asked first.
pub(super) async fn probe(engine: &HttpEngine, known: Option<Dialect>) -> Result<EngineFacts, EngineError> {
    let mut facts = match known {
        Some(dialect) => ask(engine, dialect).await?,
        None => None,
    };
    if facts.is_none() && engine.settings.dialect.is_none() {
        // One that answers with plain text for everything comes last.
        for dialect in [Dialect::LlamaServer, Dialect::Sglang, Dialect::Tgi, Dialect::Ollama, Dialect::Vllm] {
            facts = ask(engine, dialect).await?;
            if facts.is_some() {
                break;
            }
        }
    }
    let mut facts = facts.unwrap_or_default();
    let models = get(engine, &models_url(engine)).await?;
    if let Some(models) = models.as_deref().and_then(json) {
        facts.add_models(&models);
    }
    Ok(facts)
}

/// `None` if the server is not of this kind.
async fn ask(engine: &HttpEngine, dialect: Dialect) -> Result<Option<EngineFacts>, EngineError> {
    let read = async |path: &str| get(engine, &root_url(engine, path)).await;
    let text = |body: Option<Vec<u8>>| body.map(|body| String::from_utf8_lossy(&body).into_owned());
    let parsed = |body: Option<Vec<u8>>| body.as_deref().and_then(json);
    Ok(match dialect {
        Dialect::LlamaServer => {
            let Some(props) = parsed(read("props").await?).filter(|props| !props["total_slots"].is_null())
            else {
                return Ok(None);
            };
            // Behind the same queue as the chats: busy or turned off, the rest is known without it.
            let slots = parsed(read("slots").await.unwrap_or_default());
            EngineFacts::of_llama_server(&props, slots.as_ref())
        }
        Dialect::Vllm => text(read("metrics").await?).and_then(|metrics| EngineFacts::of_vllm(&metrics)),
        Dialect::Sglang => {
            let info = match parsed(read("get_server_info").await?) {
                Some(info) => Some(info),
                None => parsed(read("server_info").await?),
            };
            let Some(info) = info.filter(|info| info["internal_states"].is_array()) else { return Ok(None) };
            let metrics = text(read("metrics").await?);
            EngineFacts::of_sglang(&info, metrics.as_deref())
        }
        Dialect::Tgi => {
            let Some(info) = parsed(read("info").await?) else { return Ok(None) };
            let metrics = text(read("metrics").await?);
            EngineFacts::of_tgi(&info, metrics.as_deref())
        }
        Dialect::Ollama => {
            parsed(read("api/version").await?).and_then(|version| EngineFacts::of_ollama(&version))
        }
        Dialect::Other => Some(EngineFacts::default()),
    })
}

fn json(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok()
}

/// A route beside `/v1`, where these servers have what is not OpenAI's.
fn root_url(engine: &HttpEngine, path: &str) -> Url {
    let mut url = engine.base.clone();
    let base = url.path().trim_end_matches("/chat/completions").trim_end_matches("/v1").to_owned();
    url.set_path(&format!("{base}/{path}"));
    url
}

fn models_url(engine: &HttpEngine) -> Url {
    let mut url = engine.base.clone();
    let base = url.path().trim_end_matches("/chat/completions").to_owned();
    url.set_path(&format!("{base}/models"));
    url
}

/// The body of a GET; `None` where there is no such route, or not for this client.
async fn get(engine: &HttpEngine, url: &Url) -> Result<Option<Vec<u8>>, EngineError> {
    let limits = &engine.settings.limits;
    let sending = engine.send(Method::GET, path(url)?, Full::default());
    let Ok(response) = tokio::time::timeout(limits.probe, sending).await else {
        return Err(super::stream::silent(&engine.who, limits.probe));
    };
    let response = response?;
    let status = response.status();
    if status.is_success() {
        return Ok(Some(body_up_to(response.into_body(), PROBE_BODY_BYTES_MAX, limits.probe).await));
    }
    let kind = match status {
        StatusCode::UNAUTHORIZED => EngineErrorKind::Unauthorized,
        StatusCode::TOO_MANY_REQUESTS => EngineErrorKind::RateLimited,
        // llama-server says it while it loads its model, and gateways while nothing is behind them.
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            EngineErrorKind::Overloaded
        }
        _ => return Ok(None),
    };
    let mut error =
        EngineError::new(kind, format!("{} answered {status} to a question for its health", engine.who));
    error.retry_after = retry_after(response.headers());
    Err(error)
}
