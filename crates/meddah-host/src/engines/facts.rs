//! What engines tell about themselves, read from the answers of their own routes.

use serde_json::Value;

/// No engine is believed that claims more slots.
pub const SLOTS_MAX: u32 = 4096;
/// Names of models that are kept, and bytes of each.
const MODELS_MAX: usize = 256;
const MODEL_BYTES_MAX: usize = 256;

/// Whose ways of telling an engine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// llama.cpp's server.
    LlamaServer,
    /// vLLM.
    Vllm,
    /// SGLang.
    Sglang,
    /// Text Generation Inference.
    Tgi,
    /// Ollama, which works on one request of a model at a time unless told otherwise.
    Ollama,
    /// Any other OpenAI-compatible server: it tells its models at most.
    #[default]
    Other,
}

impl Dialect {
    /// As in settings and states.
    pub fn name(self) -> &'static str {
        match self {
            Dialect::LlamaServer => "llama-server",
            Dialect::Vllm => "vllm",
            Dialect::Sglang => "sglang",
            Dialect::Tgi => "tgi",
            Dialect::Ollama => "ollama",
            Dialect::Other => "other",
        }
    }
}

/// What is known of an engine. `None` where it does not tell.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineFacts {
    /// Who tells.
    pub dialect: Dialect,
    /// Requests that it works on at a time.
    pub slots: Option<u32>,
    /// Requests that it lets in, its own queue among them: a bound for the slots, not their number.
    pub admits: Option<u32>,
    /// Requests that it works on now, of all its clients.
    pub busy: Option<u32>,
    /// Requests in its own queue now.
    pub waiting: Option<u32>,
    /// Models that can be asked for; empty where it does not tell.
    pub models: Vec<String>,
    /// Tokens of prompt and answer together, for one request.
    pub context_tokens: Option<u32>,
    /// Weights of its one model.
    pub parameters: Option<u64>,
}

impl EngineFacts {
    /// llama-server: `GET /props`, and `GET /slots` unless that is turned off. `None` if it is another server.
    pub fn of_llama_server(props: &Value, slots: Option<&Value>) -> Option<EngineFacts> {
        let total = number(&props["total_slots"])?;
        let slots = slots.and_then(Value::as_array);
        let busy = slots.map(|slots| slots.iter().filter(|slot| slot["is_processing"] == true).count());
        let context = slots.and_then(|slots| slots.first()).and_then(|slot| number(&slot["n_ctx"]));
        Some(EngineFacts {
            dialect: Dialect::LlamaServer,
            slots: Some(total.clamp(1, SLOTS_MAX)),
            busy: busy.and_then(|busy| u32::try_from(busy).ok()),
            context_tokens: context.or_else(|| number(&props["default_generation_settings"]["n_ctx"])),
            ..EngineFacts::default()
        })
    }

    /// vLLM: `GET /metrics`. It does not tell how many sequences it batches at most.
    pub fn of_vllm(metrics: &str) -> Option<EngineFacts> {
        Some(EngineFacts {
            dialect: Dialect::Vllm,
            busy: Some(count(gauges(metrics, "vllm:num_requests_running").reduce(|a, b| a + b)?)),
            waiting: gauges(metrics, "vllm:num_requests_waiting").reduce(|a, b| a + b).map(count),
            ..EngineFacts::default()
        })
    }

    /// SGLang: `GET /get_server_info` (later `/server_info`), and `GET /metrics` if that is turned on.
    pub fn of_sglang(info: &Value, metrics: Option<&str>) -> Option<EngineFacts> {
        let ranks = info["internal_states"].as_array()?;
        // What the scheduler really allows, which memory may make less than what was asked for.
        let effective: u32 =
            ranks.iter().filter_map(|rank| number(&rank["effective_max_running_requests_per_dp"])).sum();
        let slots =
            Some(effective).filter(|slots| *slots > 0).or_else(|| number(&info["max_running_requests"]));
        // Ranks of one tensor each report the same figure, so that a sum would count it several times.
        let largest = |name| metrics.and_then(|metrics| gauges(metrics, name).reduce(f64::max)).map(count);
        Some(EngineFacts {
            dialect: Dialect::Sglang,
            slots: slots.map(|slots| slots.clamp(1, SLOTS_MAX)),
            busy: largest("sglang:num_running_reqs"),
            waiting: largest("sglang:num_queue_reqs"),
            context_tokens: number(&info["context_length"]),
            ..EngineFacts::default()
        })
    }

    /// Text Generation Inference: `GET /info`, and `GET /metrics`. The requests that it lets in wait in its queue
    /// for the most part, so they are not its slots; its largest batch is, where it has one.
    pub fn of_tgi(info: &Value, metrics: Option<&str>) -> Option<EngineFacts> {
        let admits = number(&info["max_concurrent_requests"])?;
        let gauge = |name| metrics.and_then(|metrics| gauges(metrics, name).next()).map(count);
        Some(EngineFacts {
            dialect: Dialect::Tgi,
            slots: number(&info["max_batch_size"]).map(|slots| slots.clamp(1, SLOTS_MAX)),
            admits: Some(admits.clamp(1, SLOTS_MAX)),
            busy: gauge("tgi_batch_current_size"),
            waiting: gauge("tgi_queue_size"),
            models: names([&info["model_id"]]),
            context_tokens: number(&info["max_total_tokens"]),
            parameters: None,
        })
    }

    /// Ollama: `GET /api/version`.
    pub fn of_ollama(version: &Value) -> Option<EngineFacts> {
        version["version"].as_str()?;
        Some(EngineFacts { dialect: Dialect::Ollama, ..EngineFacts::default() })
    }

    /// Adds what `GET /v1/models` tells; vLLM and SGLang tell the context there, llama-server how large its model is.
    pub fn add_models(&mut self, models: &Value) {
        let list: Vec<&Value> = models["data"].as_array().into_iter().flatten().collect();
        let told = names(list.iter().map(|model| &model["id"]));
        if !told.is_empty() {
            self.models = told;
        }
        let context = list.iter().find_map(|model| number(&model["max_model_len"]));
        self.context_tokens = self.context_tokens.or(context);
        if let [only] = &list[..] {
            // llama-server.
            self.parameters = self.parameters.or(only["meta"]["n_params"].as_u64());
        }
    }
}

fn names<'v>(values: impl IntoIterator<Item = &'v Value>) -> Vec<String> {
    let names = values.into_iter().filter_map(Value::as_str).filter(|name| name.len() <= MODEL_BYTES_MAX);
    names.take(MODELS_MAX).map(str::to_owned).collect()
}

/// A number above 0.
fn number(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0)
}

fn count(gauge: f64) -> u32 {
    // Out of range becomes 0 or the largest number, and what is no number 0.
    gauge as u32
}

/// The samples of one gauge in Prometheus' text format, with any labels.
fn gauges<'t>(text: &'t str, name: &'t str) -> impl Iterator<Item = f64> + 't {
    text.lines().filter_map(move |line| {
        let rest = line.strip_prefix(name)?;
        let value = match rest.strip_prefix('{') {
            Some(labels) => labels.rsplit_once('}')?.1,
            None => rest.strip_prefix([' ', '\t'])?,
        };
        // A time may stand after the value.
        value.split_whitespace().next()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn llama_server_tells_its_slots() {
        let props = json(r#"{"total_slots":2,"default_generation_settings":{"n_ctx":8192}}"#);
        let slots = json(r#"[{"id":0,"n_ctx":4096,"is_processing":true},{"id":1,"is_processing":false}]"#);
        let facts = EngineFacts::of_llama_server(&props, Some(&slots)).unwrap();
        assert_eq!((facts.slots, facts.busy, facts.context_tokens), (Some(2), Some(1), Some(4096)));
        let facts = EngineFacts::of_llama_server(&props, None).unwrap();
        assert_eq!((facts.busy, facts.context_tokens), (None, Some(8192)));
        let huge = EngineFacts::of_llama_server(&json(r#"{"total_slots":4000000000}"#), None).unwrap();
        assert_eq!(huge.slots, Some(SLOTS_MAX));
        assert_eq!(EngineFacts::of_llama_server(&json(r#"{"detail":"Not Found"}"#), None), None);
    }

    #[test]
    fn vllm_tells_what_it_works_on_and_what_waits_by_engine() {
        let metrics = "# HELP vllm:num_requests_running Running.\n\
            # TYPE vllm:num_requests_running gauge\n\
            vllm:num_requests_running{engine=\"0\",model_name=\"a}b\"} 3.0\n\
            vllm:num_requests_running{engine=\"1\",model_name=\"a}b\"} 2.0 1700000000\n\
            vllm:num_requests_waiting{engine=\"0\"} 1.0\n\
            vllm:num_requests_waiting_by_reason{engine=\"0\"} 9.0\n";
        let facts = EngineFacts::of_vllm(metrics).unwrap();
        assert_eq!((facts.slots, facts.busy, facts.waiting), (None, Some(5), Some(1)));
        assert_eq!(EngineFacts::of_vllm("llamacpp:requests_processing 1\n"), None);
    }

    #[test]
    fn sglang_tells_what_its_scheduler_allows() {
        let info = json(
            r#"{"max_running_requests":200,"context_length":32768,"internal_states":[
            {"effective_max_running_requests_per_dp":52},{"effective_max_running_requests_per_dp":52}]}"#,
        );
        let metrics = "sglang:num_running_reqs{tp_rank=\"0\"} 7\nsglang:num_running_reqs{tp_rank=\"1\"} 7\n";
        let facts = EngineFacts::of_sglang(&info, Some(metrics)).unwrap();
        assert_eq!((facts.slots, facts.busy, facts.waiting), (Some(104), Some(7), None));
        assert_eq!(facts.context_tokens, Some(32768));
        let older = json(r#"{"max_running_requests":64,"internal_states":[{}]}"#);
        assert_eq!(EngineFacts::of_sglang(&older, None).unwrap().slots, Some(64));
    }

    #[test]
    fn tgi_lets_in_more_than_it_works_on() {
        let info = json(
            r#"{"model_id":"m","max_concurrent_requests":128,"max_total_tokens":4096,"max_batch_size":null}"#,
        );
        let facts = EngineFacts::of_tgi(&info, Some("tgi_queue_size 3\ntgi_batch_current_size 8\n")).unwrap();
        assert_eq!(
            (facts.slots, facts.admits, facts.busy, facts.waiting),
            (None, Some(128), Some(8), Some(3))
        );
        assert_eq!((facts.models, facts.context_tokens), (vec!["m".to_owned()], Some(4096)));
        assert_eq!(EngineFacts::of_tgi(&json(r#"{"name":"another server"}"#), None), None);
    }

    #[test]
    fn models_are_kept_within_bounds() {
        let mut facts = EngineFacts::of_ollama(&json(r#"{"version":"0.9.1"}"#)).unwrap();
        let long = "x".repeat(MODEL_BYTES_MAX + 1);
        let mut list =
            vec![serde_json::json!({"id": long}), serde_json::json!({"id": "a", "max_model_len": 9})];
        list.extend((0..1000).map(|place| serde_json::json!({"id": place.to_string()})));
        facts.add_models(&serde_json::json!({ "data": list }));
        assert_eq!((facts.models.len(), facts.models[0].as_str()), (MODELS_MAX, "a"));
        assert_eq!(facts.context_tokens, Some(9));
        assert_eq!(facts.parameters, None);
        facts.add_models(&serde_json::json!({"data": [{"id": "a", "meta": {"n_params": 134_515_008}}]}));
        assert_eq!(facts.parameters, Some(134_515_008));
    }
}
