//! A provider's model behind the port: asks, asks again without what the server does not know, and reads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::ask::{self, Abilities, Ask};
use super::catalogue::{self, ProviderInfo};
use super::failure::{self, Refusal};
use super::reading::Begin;
use super::turn::{Farewell, Turn};
use super::wire::{Body, Protocol};
use super::{ActionStyle, Protocol as Kind, ProviderConfig};
use super::{anthropic, gemini, koboldcpp, ollama, openai, openai_responses};
use crate::http::{ERROR_BODY_BYTES_MAX, Http, Reply};
use crate::model_table::{ModelFacts, ModelTable};
use crate::{ChatModel, ChatRequest, ChatStream, ErrorKind, ModelError, ModelInfo, ModelState};

/// A model whose call its server could not read is asked without tools for so long.
const TOOLS_REST: Duration = Duration::from_secs(10 * 60);
/// Parameters that are left out one after the other, at most, before a refusal counts.
const OMISSIONS_MAX: usize = 4;
/// Context of models of which nothing is known, in tokens.
const CONTEXT_DEFAULT: u32 = 8192;
/// Tokens that providers add to each message, at most, by OpenAI's count.
const MESSAGE_OVERHEAD_TOKENS: u32 = 4;
/// The wait for what a server says of its models, once, and the size of that.
const MODELS_WAIT_MAX: Duration = Duration::from_secs(2);
const MODELS_BODY_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of text per token: an estimate that is on the safe side for European languages.
const BYTES_PER_TOKEN: usize = 4;

/// One model of one provider.
pub(super) struct Online {
    name: String,
    who: String,
    model: String,
    context_tokens: u32,
    /// The player says how large the context is.
    context_is_set: bool,
    /// What the server said of its model; nothing of one that is not asked.
    told: OnceLock<Told>,
    extra: serde_json::Map<String, Value>,
    abilities: Abilities,
    http: Http,
    protocol: Box<dyn Protocol>,
    /// Parameters that this server does not take.
    omitted: Mutex<BTreeSet<&'static str>>,
    seen: Arc<Seen>,
}

/// What was seen of a model, whatever the table says.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// It thinks, so that it is given room for it.
    pub thinks: AtomicBool,
    /// It began a reply within a block of thinking that the chat template had opened.
    pub begins_inside: AtomicBool,
    tools_failed: Mutex<Option<Instant>>,
}

impl Seen {
    /// The server could not read a call: without tools for a while.
    pub fn tools_failed(&self) {
        *self.tools_failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn tools_rest(&self) -> bool {
        let failed = self.tools_failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.is_some_and(|at| at.elapsed() < TOOLS_REST)
    }
}

/// What a server says of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Told {
    context_tokens: Option<u32>,
    parameters: Option<u64>,
}

impl Told {
    /// From the answer of `GET /v1/models`, as llama-server and our own host write it. Where the model has no name, the
    /// smallest counts: it may be that one.
    fn read(models: &Value, name: &str) -> Told {
        let list = models["data"].as_array().into_iter().flatten();
        let meant = list.filter(|model| name.is_empty() || model["id"] == name);
        let number = |model: &Value, key: &str| model["meta"][key].as_u64().filter(|number| *number > 0);
        let (mut contexts, mut parameters) = (Vec::new(), Vec::new());
        for model in meant {
            contexts.extend(number(model, "n_ctx").and_then(|tokens| u32::try_from(tokens).ok()));
            parameters.extend(number(model, "n_params"));
        }
        Told { context_tokens: contexts.into_iter().min(), parameters: parameters.into_iter().min() }
    }
}

impl Online {
    pub fn open(config: ProviderConfig, http: Http, table: &ModelTable) -> Result<Online, ModelError> {
        let known = catalogue::provider(&config.provider);
        let info = match (known, &config.base_url) {
            (Some(info), _) => info,
            (None, Some(_)) => catalogue::provider("openai-compatible").ok_or_else(|| unknown(&config))?,
            (None, None) => return Err(unknown(&config)),
        };
        if config.key.is_none() && info.needs_key && config.base_url.is_none() {
            let message = format!("{} needs a key", config.provider);
            return Err(ModelError::new(ErrorKind::Unauthorized, message).with_help(format!(
                "Get one on the provider's page and set it with `meddah key set {}`.",
                info.key_name
            )));
        }
        let facts = table.lookup(info.name, config.model.trim_start_matches("models/"));
        let context = config.context_tokens.or(facts.context_tokens).unwrap_or(CONTEXT_DEFAULT);
        let protocol = protocol(&config, info, &facts)?;
        let told = OnceLock::new();
        if protocol.models().is_none() {
            told.get_or_init(Told::default);
        }
        Ok(Online {
            name: if config.name.is_empty() { config.model.clone() } else { config.name.clone() },
            who: config.provider.clone(),
            model: config.model.clone(),
            context_tokens: context,
            context_is_set: config.context_tokens.is_some(),
            told,
            abilities: abilities(&config, info, &facts),
            extra: config.extra,
            http,
            protocol,
            omitted: Mutex::default(),
            seen: Arc::default(),
        })
    }

    fn body(&self, ask: &Ask, omitted: &BTreeSet<&'static str>) -> Body {
        let Body { parameters: mut body, talk } = self.protocol.body(ask);
        for name in omitted {
            match *name {
                // The limit is not left out but called by its other name.
                "max_tokens" => rename(&mut body, "max_tokens", "max_completion_tokens"),
                "max_completion_tokens" => rename(&mut body, "max_completion_tokens", "max_tokens"),
                name => leave_out(&mut body, name),
            }
        }
        merge(&mut body, &self.extra);
        // The player's own parameters win.
        let talk = talk.filter(|(name, _)| !self.extra.contains_key(*name));
        Body { parameters: body, talk }
    }

    fn abilities_now(&self, omitted: &BTreeSet<&'static str>) -> Abilities {
        let mut abilities = self.abilities;
        if self.seen.begins_inside.load(Ordering::Relaxed) && abilities.begin == Begin::Outside {
            abilities.begin = Begin::Perhaps;
        }
        abilities.reasoning |= self.seen.thinks.load(Ordering::Relaxed) || abilities.begin != Begin::Outside;
        abilities.tools &= !omitted.contains("tools") && !self.seen.tools_rest();
        abilities.schema &= !SCHEMA_PARAMETERS.iter().any(|name| omitted.contains(name));
        abilities
    }

    /// What the server says of its model. It is asked until it has said it.
    ///
    /// # Errors
    /// It cannot be reached, or says nothing: whatever else it is asked would wait in vain, too.
    async fn told(&self) -> Result<Told, ModelError> {
        if let Some(told) = self.told.get() {
            return Ok(*told);
        }
        let Some(call) = self.protocol.models() else { return Ok(Told::default()) };
        let never = CancellationToken::new();
        let asked = async {
            let mut reply = self.http.send(call, &never).await?;
            let body = reply.body_up_to(MODELS_BODY_BYTES_MAX, &never).await?;
            Ok::<_, ModelError>(reply.is_success().then_some(body))
        };
        let late = |_| {
            ModelError::new(ErrorKind::Timeout, format!("{} does not say which models it has", self.who))
                .with_help("Check that the server runs and can be reached.")
        };
        let body = tokio::time::timeout(MODELS_WAIT_MAX, asked).await.map_err(late)??;
        let Some(body) = body else { return Ok(Told::default()) }; // the request itself learns why
        let told = Told::read(&serde_json::from_slice(&body).unwrap_or_default(), &self.model);
        Ok(*self.told.get_or_init(|| told))
    }

    async fn refusal(
        &self,
        mut reply: Reply,
        cancel: &CancellationToken,
    ) -> Result<(ModelError, Value), ModelError> {
        let body = reply.body_up_to(ERROR_BODY_BYTES_MAX, cancel).await?;
        let body: Value = serde_json::from_slice(&body)
            .unwrap_or_else(|_| Value::String(page_text(&String::from_utf8_lossy(&body))));
        let error = failure::classify(&Refusal {
            status: reply.status(),
            body: &body,
            headers: Some(reply.headers()),
            who: &self.who,
            secrets: reply.secrets(),
        });
        Ok((error, body))
    }
}

/// Parameters by which a schema is asked for.
const SCHEMA_PARAMETERS: [&str; 5] =
    ["response_format", "format", "output_config", "responseJsonSchema", "text"];

fn unknown(config: &ProviderConfig) -> ModelError {
    let names: Vec<&str> = catalogue::known().iter().map(|info| info.name).collect();
    ModelError::new(ErrorKind::NotFound, format!("no provider is called {:?}", config.provider))
        .with_help(format!("Give its base_url, or use one of: {}.", names.join(", ")))
}

fn protocol(
    config: &ProviderConfig,
    info: &'static ProviderInfo,
    facts: &ModelFacts,
) -> Result<Box<dyn Protocol>, ModelError> {
    Ok(match info.protocol {
        Kind::Chat => Box::new(openai::Chat::new(config, info, facts)?),
        Kind::Responses => Box::new(openai_responses::Responses::new(config, info, facts)?),
        Kind::Anthropic => Box::new(anthropic::Messages::new(config, info, facts)?),
        Kind::Gemini => Box::new(gemini::Generate::new(config, info, facts)?),
        Kind::Ollama => Box::new(ollama::Chat::new(config, info, facts)?),
        Kind::KoboldCpp => Box::new(koboldcpp::Generate::new(config, info)?),
    })
}

fn abilities(config: &ProviderConfig, info: &ProviderInfo, facts: &ModelFacts) -> Abilities {
    let can_call = info.protocol != Kind::KoboldCpp;
    // Whoever asks for a way by name gets it, whatever the table says.
    let asked = |style| config.actions == style;
    Abilities {
        style: config.actions,
        tools: can_call && (facts.tools || asked(ActionStyle::Tools)),
        schema: can_call && (facts.schema || asked(ActionStyle::Schema)),
        prefers_schema: !info.paid,
        strict: info.paid,
        reasoning: facts.reasoning,
        begin: match facts.thinks {
            Some(true) => Begin::Inside,
            None if !info.paid && is_called_a_thinker(&config.model) => Begin::Perhaps,
            None | Some(false) => Begin::Outside,
        },
    }
}

/// Words in the names of models whose chat templates open the block of thinking. Servers of one's own often send
/// it among the words.
const THINKERS: [&str; 9] =
    ["r1", "qwq", "thinking", "think", "reasoning", "reasoner", "openthinker", "z1", "or1"];

pub(super) fn is_called_a_thinker(model: &str) -> bool {
    let model = model.to_ascii_lowercase();
    let mut before = "";
    model.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| {
        let is_one = THINKERS.contains(&word) && !matches!(before, "non" | "no");
        before = word;
        is_one
    })
}

/// Text of an error that is no JSON: the words of a web page, without its tags.
fn page_text(body: &str) -> String {
    let mut text = String::new();
    let mut in_tag = false;
    for c in body.chars() {
        match c {
            '<' => in_tag = true,
            '>' if in_tag => {
                in_tag = false;
                text.push(' ');
            }
            c if !in_tag => text.push(c),
            _ => {}
        }
    }
    text
}

/// Adds the player's own parameters, which win.
fn merge(body: &mut Value, extra: &serde_json::Map<String, Value>) {
    let Value::Object(body) = body else { return };
    for (name, value) in extra {
        match (body.get_mut(name), value) {
            (Some(inner @ Value::Object(_)), Value::Object(more)) => merge(inner, more),
            _ => {
                body.insert(name.clone(), value.clone());
            }
        }
    }
}

/// Takes a parameter out, at the top or one level down.
fn leave_out(body: &mut Value, name: &str) {
    let Value::Object(body) = body else { return };
    body.shift_remove(name);
    for inner in body.values_mut().filter_map(Value::as_object_mut) {
        inner.shift_remove(name);
    }
    if name == "tools" {
        body.shift_remove("tool_choice");
        body.shift_remove("toolConfig");
    }
}

#[async_trait]
impl ChatModel for Online {
    async fn info(&self) -> Result<ModelInfo, ModelError> {
        let told = self.told().await?;
        let context = told.context_tokens.filter(|_| !self.context_is_set);
        Ok(ModelInfo {
            name: self.model.clone(),
            kind: "online".into(),
            context_tokens: context.unwrap_or(self.context_tokens),
            message_overhead_tokens: MESSAGE_OVERHEAD_TOKENS,
            parameters: told.parameters,
        })
    }

    fn label(&self) -> (String, String) {
        (self.name.clone(), "online".into())
    }

    /// Who only wants to look need not wait for a server that has not said yet what it has.
    fn state(&self) -> ModelState {
        if self.told.get().is_some() { ModelState::Ready } else { ModelState::Unloaded }
    }

    /// An estimate of a token per four bytes: providers' tokenizers are not here, and asking costs a turn.
    async fn count_tokens(&self, texts: &[&str]) -> Result<Vec<u32>, ModelError> {
        Ok(texts.iter().map(|text| estimate(text.len())).collect())
    }

    async fn stream(
        &self,
        request: ChatRequest,
        cancel: CancellationToken,
    ) -> Result<ChatStream, ModelError> {
        // What this server is known not to take, and what it says so of now.
        let mut omitted = self.omitted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = omitted.len();
        loop {
            let (ask, reading) = ask::make(&request, &self.abilities_now(&omitted));
            let body = self.body(&ask, &omitted);
            let farewell = Farewell::new(&self.http, self.protocol.farewell(&body));
            let reply = self.http.send(self.protocol.call(&body)?, &cancel).await;
            let reply = reply.inspect_err(|error| farewell.unless_cancelled(error))?;
            if reply.is_success() {
                self.omitted.lock().unwrap_or_else(PoisonError::into_inner).extend(omitted);
                let prompt = ask.messages.iter().map(|message| message.text.len()).sum();
                let turn = Turn::new(self, reply, reading, &ask, estimate(prompt), (farewell, cancel))?;
                return Ok(turn.into_stream());
            }
            farewell.disarm();
            let status = reply.status();
            let (error, refused) = self.refusal(reply, &cancel).await?;
            if error.kind == ErrorKind::ToolsFailed {
                // Whoever asks again asks without tools.
                self.seen.tools_failed();
                return Err(error);
            }
            let may_omit = matches!(status, 400 | 404 | 405 | 415 | 422 | 500 | 501)
                && !matches!(error.kind, ErrorKind::ContextFull | ErrorKind::Quota | ErrorKind::Refused);
            let unwanted = failure::unwanted(&refused, &body.parameters, self.protocol.optional());
            // A caller that wants JSON must not get something else.
            let needed = |name: &str| request.json_schema.is_some() && SCHEMA_PARAMETERS.contains(&name);
            match unwanted.filter(|name| may_omit && !needed(name)) {
                Some(name) if omitted.len() < known + OMISSIONS_MAX && omitted.insert(name) => {
                    tracing::debug!(provider = self.who, parameter = name, "left out from now on");
                }
                _ => return Err(error),
            }
        }
    }
}

/// Calls a parameter by another name.
fn rename(body: &mut Value, from: &str, to: &str) {
    let Value::Object(body) = body else { return };
    if let Some(value) = body.shift_remove(from) {
        body.insert(to.into(), value);
    }
}

/// Tokens of so many bytes, rounded up.
pub(super) fn estimate(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(BYTES_PER_TOKEN)).unwrap_or(u32::MAX)
}

impl Online {
    pub(super) fn http(&self) -> &Http {
        &self.http
    }

    pub(super) fn seen(&self) -> Arc<Seen> {
        self.seen.clone()
    }

    pub(super) fn who(&self) -> &str {
        &self.who
    }

    pub(super) fn protocol(&self) -> &dyn Protocol {
        self.protocol.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_model_counts_where_none_is_named() {
        let models = serde_json::json!({"data": [
            {"id": "large", "meta": {"n_ctx": 8192, "n_params": 7_000_000_000_u64}},
            {"id": "small", "meta": {"n_ctx": 2048, "n_params": 135_000_000}},
            {"id": "silent"},
        ]});
        let told = |name| Told::read(&models, name);
        let small = Told { context_tokens: Some(2048), parameters: Some(135_000_000) };
        assert_eq!((told(""), told("small")), (small, small));
        assert_eq!(told("large").context_tokens, Some(8192));
        assert_eq!((told("silent"), Told::read(&Value::Null, "")), Default::default());
    }

    fn host(port: u16) -> Online {
        let config = ProviderConfig {
            provider: "host".into(),
            base_url: Some(format!("http://127.0.0.1:{port}/v1")),
            ..ProviderConfig::default()
        };
        Online::open(config, Http::new().unwrap(), &ModelTable::embedded()).unwrap()
    }

    /// Answers one request with this, and tells the first line of it.
    fn server(answer: &'static str) -> (u16, std::thread::JoinHandle<String>) {
        use std::io::{BufRead as _, Write as _};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let head = std::io::BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = head.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
            stream.write_all(answer.as_bytes()).unwrap();
            head[0].clone()
        });
        (port, serving)
    }

    #[tokio::test]
    async fn a_host_tells_of_its_model_once_and_one_that_cannot_be_reached_is_an_error() {
        let (port, serving) = server(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"data\":[{\"id\":\"m\",\"meta\":{\"n_params\":135}}]}",
        );
        let told = host(port);
        assert_eq!(told.state(), ModelState::Unloaded, "nobody waits for it who only looks");
        for _ in 0..2 {
            assert_eq!(told.info().await.unwrap().parameters, Some(135));
        }
        assert_eq!(told.state(), ModelState::Ready);
        assert_eq!(serving.join().unwrap(), "GET /v1/models HTTP/1.1");
        assert_eq!(host(port).info().await.unwrap_err().kind, ErrorKind::Network, "nobody is there any more");

        let (port, _serving) = server("HTTP/1.1 503 Later\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
        let busy = host(port);
        assert_eq!(busy.info().await.unwrap().parameters, None, "the request itself learns why");
        assert_eq!(busy.state(), ModelState::Unloaded, "it is asked again");
    }

    #[test]
    fn thinkers_are_known_by_their_names() {
        for name in
            ["deepseek-ai/DeepSeek-R1-Distill-Qwen-7B", "deepseek-r1:7b", "QwQ-32B", "qwen3-4b-thinking-2507"]
        {
            assert!(is_called_a_thinker(name), "{name}");
        }
        for name in ["grok-4-non-reasoning", "llama3.1:8b", "gemma-3", "router1", ""] {
            assert!(!is_called_a_thinker(name), "{name}");
        }
    }
}
