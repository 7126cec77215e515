//! A service: where it is, how it knows us, and how it is asked.

use std::time::Duration;

use meddah_inference::http::{Call, Frame, Http, Opened, Reply, Socket, Url, check_key_is_safe, endpoint};
use meddah_inference::{Key, ModelError};

use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use super::{KnownService, OnlineSpeechConfig, fault};
use crate::{SpeechError, SpeechErrorKind};

/// Until an answer begins. A voice on the player's own PC may have to be read in first.
const ANSWER_WAIT_MAX: Duration = Duration::from_secs(30);
/// Between two pieces of an answer.
const PIECE_WAIT_MAX: Duration = Duration::from_secs(15);
/// Sound of a whole line, packed into JSON, bytes.
pub(super) const BODY_BYTES_MAX: usize = 64 << 20;
/// A piece of it.
pub(super) const PIECE_BYTES_MAX: usize = 8 << 20;

/// One service, as the settings say it.
pub(super) struct Server {
    pub name: String,
    pub model: String,
    pub language: Option<String>,
    /// Parameters of the player's own, which win.
    options: Map<String, Value>,
    http: Http,
    base: String,
    version: &'static str,
    key: Option<Key>,
    key_header: (&'static str, &'static str),
    headers: Vec<(&'static str, String)>,
}

impl Server {
    pub fn new(config: &OnlineSpeechConfig, known: &KnownService, http: Http) -> Result<Server, SpeechError> {
        let name = known.title_or(&config.service).to_owned();
        if config.key.is_none() && known.needs_key && config.base_url.is_none() {
            return Err(SpeechError::new(
                SpeechErrorKind::Unauthorized,
                format!("{name} needs a key"),
                format!("Get one on its page and set it with `meddah key set {}`.", known.key_name),
            ));
        }
        let base = config.base_url.as_deref().map(str::trim).filter(|base| !base.is_empty());
        let base = in_http(base.unwrap_or(known.base_url));
        if base.is_empty() {
            return Err(SpeechError::new(
                SpeechErrorKind::NotFound,
                format!("{name} needs a base_url"),
                "base_url is the server's address, for example http://127.0.0.1:8880/v1.",
            ));
        }
        let mut options = config.options.clone();
        let mut headers: Vec<_> =
            known.headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        if let Some((option, header)) = known.option_header {
            let value = options.shift_remove(option).and_then(|value| value.as_str().map(str::to_owned));
            if value.is_none() && config.key.is_none() {
                return Err(SpeechError::bad_request(
                    format!("{name} needs {option}"),
                    format!("Set {option} in the options of this service; see docs/guide/voices.md."),
                ));
            }
            headers.extend(value.map(|value| (header, value)));
        }
        let server = Server {
            model: if config.model.is_empty() { known.model.to_owned() } else { config.model.clone() },
            language: config.language.clone(),
            options,
            http,
            base,
            version: known.version,
            key: config.key.clone(),
            key_header: known.key_header,
            headers,
            name,
        };
        server.url("")?;
        Ok(server)
    }

    /// The address of a call. A key would not go there in the open.
    pub fn url(&self, tail: &str) -> Result<Url, SpeechError> {
        self.url_under(self.version, tail)
    }

    /// Likewise, where the path does not begin with the usual version.
    pub fn url_under(&self, version: &str, tail: &str) -> Result<Url, SpeechError> {
        let url = endpoint(&self.base, version, tail).map_err(|error| self.fault(error))?;
        if self.key.is_some() {
            check_key_is_safe(&url).map_err(|error| self.fault(error))?;
        }
        Ok(url)
    }

    /// A POST of JSON, with the player's own parameters in it.
    pub fn post(&self, url: Url, mut body: Value) -> Result<Call, SpeechError> {
        if let Value::Object(body) = &mut body {
            body.retain(|_, value| !value.is_null());
            body.extend(self.options.clone());
        }
        self.keyed(Call::post_json(url, &body))
    }

    pub fn get(&self, url: Url) -> Result<Call, SpeechError> {
        self.keyed(Call::get(url))
    }

    /// With what every request to this service carries.
    pub fn keyed(&self, mut call: Call) -> Result<Call, SpeechError> {
        for (name, value) in &self.headers {
            call = call.with_header(name, value).map_err(|error| self.fault(error))?;
        }
        match &self.key {
            Some(key) => {
                let (name, before) = self.key_header;
                call.with_key(name, before, key).map_err(|error| self.fault(error))
            }
            None => Ok(call),
        }
    }

    /// Asks; an answer that is none of success is an error.
    pub async fn send(&self, call: Call) -> Result<Reply, SpeechError> {
        let never = CancellationToken::new();
        let sending = tokio::time::timeout(ANSWER_WAIT_MAX, self.http.send(call, &never));
        let reply = sending.await.map_err(|_| fault::silent(&self.name, ANSWER_WAIT_MAX))?;
        let reply = reply.map_err(|error| self.fault(error))?;
        if reply.is_success() { Ok(reply) } else { Err(fault::refused(reply, &self.name).await) }
    }

    /// Asks and reads all of a JSON answer.
    pub async fn ask(&self, call: Call) -> Result<Value, SpeechError> {
        let mut reply = self.send(call).await?;
        let mut body = Vec::new();
        while let Some(bytes) = self.next(&mut reply).await? {
            body.extend_from_slice(&bytes);
            if body.len() > BODY_BYTES_MAX {
                return Err(fault::nonsense(&self.name, "an answer without an end"));
            }
        }
        serde_json::from_slice(&body).map_err(|_| fault::nonsense(&self.name, "an answer that is no JSON"))
    }

    /// Opens a socket at this address.
    pub async fn socket(&self, url: Url) -> Result<Socket, SpeechError> {
        let never = CancellationToken::new();
        let opening = Socket::open(&self.http, self.get(url)?, PIECE_BYTES_MAX, &never);
        let opened = tokio::time::timeout(ANSWER_WAIT_MAX, opening).await;
        match opened
            .map_err(|_| fault::silent(&self.name, ANSWER_WAIT_MAX))?
            .map_err(|error| self.fault(error))?
        {
            Opened::Socket(socket) => Ok(socket),
            Opened::Refused(reply) => Err(fault::refused(reply, &self.name).await),
        }
    }

    /// The next bytes of an answer.
    pub async fn next(&self, reply: &mut Reply) -> Result<Option<Vec<u8>>, SpeechError> {
        let never = CancellationToken::new();
        match tokio::time::timeout(PIECE_WAIT_MAX, reply.next(&never)).await {
            Err(_) => Err(fault::silent(&self.name, PIECE_WAIT_MAX)),
            Ok(read) => Ok(read.map_err(|error| self.fault(error))?.map(Vec::from)),
        }
    }

    /// The next text or bytes of a socket; nothing after a goodbye without a reproach.
    pub async fn next_frame(&self, socket: &mut Socket) -> Result<Option<Vec<u8>>, SpeechError> {
        match tokio::time::timeout(PIECE_WAIT_MAX, socket.next()).await {
            Err(_) => Err(fault::silent(&self.name, PIECE_WAIT_MAX)),
            Ok(frame) => match frame.map_err(|error| self.fault(error))? {
                Frame::Text(text) => Ok(Some(text.into_bytes())),
                Frame::Binary(bytes) => Ok(Some(bytes)),
                Frame::Closed { code: 1000 | 1005, .. } => Ok(None),
                Frame::Closed { code, reason } => Err(self.closed(code, &reason)),
            },
        }
    }

    /// A socket that was closed in anger.
    pub fn closed(&self, code: u16, reason: &str) -> SpeechError {
        let said =
            if reason.is_empty() { format!("it hung up ({code})") } else { format!("{reason} ({code})") };
        let mut error = self.told(&serde_json::json!({"message": said}));
        // "Try again later" is a code of its own; 1008 is what is not allowed.
        if error.kind == SpeechErrorKind::Broken && matches!(code, 1011..=1013) {
            error.kind = SpeechErrorKind::Overloaded;
        }
        error
    }

    /// An error that it tells in the middle.
    pub fn told(&self, body: &Value) -> SpeechError {
        fault::told(body, &self.name, self.key.as_slice())
    }

    pub fn fault(&self, error: ModelError) -> SpeechError {
        fault::of(error, &self.name)
    }
}

/// People paste the address of a socket, too.
fn in_http(base: &str) -> String {
    match base.split_once("://") {
        Some(("wss", rest)) => format!("https://{rest}"),
        Some(("ws", rest)) => format!("http://{rest}"),
        _ => base.to_owned(),
    }
}
