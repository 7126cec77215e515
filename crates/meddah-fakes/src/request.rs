//! Requests, as they came in.

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};

/// Larger heads are refused, in bytes.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Larger bodies are refused, in bytes.
const BODY_BYTES_MAX: usize = 8 << 20;
const HEADERS_MAX: usize = 64;

/// A request that a fake got.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// `POST` and the like.
    pub method: String,
    /// With the query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// As it came.
    pub body: Vec<u8>,
    /// The body, if it is JSON.
    pub json: Value,
}

impl Recorded {
    /// A header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Reads the next request of a connection; none at its end or if it makes no sense.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Option<Recorded> {
        let mut bytes = Vec::new();
        let (mut request, head_bytes) = loop {
            if let Some(head) = parse_head(&bytes)? {
                break head;
            }
            if bytes.len() > HEAD_BYTES_MAX || stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        };
        let length = request.header("content-length").map_or(Some(0), |text| text.parse::<usize>().ok())?;
        if length > BODY_BYTES_MAX {
            return None;
        }
        while bytes.len() < head_bytes + length {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
        request.body = bytes[head_bytes..head_bytes + length].to_vec();
        request.json = serde_json::from_slice(&request.body).unwrap_or_default();
        Some(request)
    }
}

/// The head and its length; `Some(None)` if it is not whole yet, `None` if it is nonsense.
fn parse_head(bytes: &[u8]) -> Option<Option<(Recorded, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut request = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = request.parse(bytes).ok()? else { return Some(None) };
    let headers = request
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).into_owned()));
    let recorded = Recorded {
        method: request.method?.to_owned(),
        path: request.path?.to_owned(),
        headers: headers.collect(),
        body: Vec::new(),
        json: Value::Null,
    };
    Some(Some((recorded, length)))
}
