//! Notices that the other side cannot be reached although a pooled connection says nothing.
//!
//! A connection that was kept for the next turn looks healthy after the network went away; writing to it
//! only fails after minutes. So when an answer does not come soon, a fresh connection is tried beside it.

use std::time::Duration;

use reqwest::{Response, Url};
use tokio::net::TcpStream;

/// Answers that take longer are looked into.
const PATIENCE: Duration = Duration::from_millis(700);
/// Connecting anew may take so long; with [`PATIENCE`] less than two seconds.
const KNOCK_WAIT_MAX: Duration = Duration::from_millis(1200);

/// Why there is no answer.
pub(super) enum Lost {
    /// Nobody opens.
    Gone,
    /// The exchange itself failed.
    Failed(reqwest::Error),
}

/// Waits for an answer, and looks after [`PATIENCE`] whether the other side is there at all.
pub(super) async fn watched(
    exchange: impl Future<Output = Result<Response, reqwest::Error>>,
    url: &Url,
    proxied: bool,
) -> Result<Response, Lost> {
    let mut exchange = std::pin::pin!(exchange);
    if proxied {
        return exchange.await.map_err(Lost::Failed);
    }
    if let Ok(answer) = tokio::time::timeout(PATIENCE, exchange.as_mut()).await {
        return answer.map_err(Lost::Failed);
    }
    let there = tokio::select! {
        biased;
        answer = exchange.as_mut() => return answer.map_err(Lost::Failed),
        there = is_there(url) => there,
    };
    if there { exchange.await.map_err(Lost::Failed) } else { Err(Lost::Gone) }
}

/// Whether a connection to this address opens.
async fn is_there(url: &Url) -> bool {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else { return false };
    // IPv6 addresses stand in brackets in an URL and without them elsewhere.
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let knock = tokio::time::timeout(KNOCK_WAIT_MAX, TcpStream::connect((host, port)));
    matches!(knock.await, Ok(Ok(_)))
}
