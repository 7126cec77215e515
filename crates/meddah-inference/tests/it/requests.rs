//! What is sent: keys where each provider wants them, and the parameters that it knows.

use meddah_fakes::check::DIALECTS;
use meddah_fakes::{Dialect, Fake, Play, Recorded};
use meddah_inference::providers::{ActionStyle, ProviderConfig};
use serde_json::json;

use crate::kit::{SECRET, ask, config, open, request};

async fn sent(dialect: Dialect, change: impl FnOnce(&mut ProviderConfig)) -> Recorded {
    let fake = Fake::start(Play::case(dialect, "turn")).await;
    let mut config = config(dialect, &fake.base_url);
    change(&mut config);
    let outcome = ask(&*open(config), request()).await;
    assert_eq!(outcome.error, None, "{}", outcome.error_text);
    fake.requests().swap_remove(0)
}

#[tokio::test]
async fn keys_go_where_each_provider_wants_them() {
    for (name, dialect) in DIALECTS {
        let asked = sent(dialect, |_| ()).await;
        let (header, value) = match name {
            "anthropic" => ("x-api-key", SECRET.to_owned()),
            "gemini" => ("x-goog-api-key", SECRET.to_owned()),
            "inworld" => ("authorization", format!("Basic {SECRET}")),
            _ => ("authorization", format!("Bearer {SECRET}")),
        };
        assert_eq!(asked.header(header), Some(value.as_str()), "{name}");
        assert!(asked.header("user-agent").unwrap().starts_with("meddah/"), "{name}");
        assert_eq!(asked.header("referer"), None);
    }
}

#[tokio::test]
async fn what_stays_the_same_is_marked_for_the_cache() {
    let anthropic = sent(Dialect::Anthropic, |_| ()).await.json;
    assert_eq!(anthropic["system"][0]["cache_control"], json!({"type": "ephemeral"}));
    let tools = anthropic["tools"].as_array().unwrap();
    assert_eq!(tools.len(), 2);
    assert_eq!(tools[1]["cache_control"], json!({"type": "ephemeral"}));
    assert!(tools[0]["cache_control"].is_null());
    let openai = sent(Dialect::OpenAi, |_| ()).await.json;
    let key = openai["prompt_cache_key"].as_str().unwrap();
    assert_eq!(key.len(), 32);
    assert!(!openai.to_string().contains("tavern/ann/mira"), "whose conversation it is stays here");
    assert_eq!(sent(Dialect::OpenAi, |_| ()).await.json["prompt_cache_key"], key);
}

#[tokio::test]
async fn each_dialect_gets_the_parameters_that_it_knows() {
    let openai = sent(Dialect::OpenAi, |_| ()).await.json;
    assert!(openai["max_tokens"].is_null() && openai["max_completion_tokens"].as_u64().unwrap() > 100);
    assert_eq!(openai["stop"], json!(["\nAnn:"]));
    assert_eq!(openai["temperature"], json!(0.7));
    let mistral = sent(Dialect::Mistral, |_| ()).await.json;
    assert!(mistral["seed"].is_null() && !mistral["random_seed"].is_null());
    let llama = sent(Dialect::LlamaServer, |_| ()).await.json;
    assert_eq!((&llama["min_p"], &llama["dry_multiplier"]), (&json!(0.08), &json!(0.8)));
    assert_eq!(llama["response_format"]["type"], "json_schema");
    let gemini = sent(Dialect::Gemini, |config| config.model = "models/gemini-2.5-flash".into()).await;
    assert_eq!(gemini.path, "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
    assert_eq!(gemini.json["generationConfig"]["thinkingConfig"], json!({"thinkingBudget": 0}));
    let ollama = sent(Dialect::Ollama, |config| config.context_tokens = Some(4096)).await.json;
    assert_eq!(ollama["options"]["num_ctx"], 4096);
    assert_eq!(ollama["format"]["required"], json!(["mood", "action", "arguments", "says"]));
    let openrouter = sent(Dialect::OpenRouter, |config| config.model = "openai/gpt-5-mini".into()).await;
    assert_eq!(openrouter.json["reasoning"], json!({"effort": "minimal", "exclude": true}));
    assert_eq!(openrouter.header("x-title"), Some("Meddah"));
    let anthropic = sent(Dialect::Anthropic, |config| config.model = "claude-haiku-4-5".into()).await.json;
    assert_eq!(anthropic["thinking"], json!({"type": "disabled"}));
    assert_eq!(sent(Dialect::DeepSeek, |_| ()).await.json["thinking"], json!({"type": "disabled"}));
    let player2 = sent(Dialect::Player2, |config| {
        config.model.clear();
        config.headers.insert("player2-game-key".into(), "my-game".into());
    })
    .await;
    assert!(player2.json.get("model").is_none());
    assert_eq!(player2.header("player2-game-key"), Some("my-game"));
    let responses = sent(Dialect::Responses, |config| config.model = "gpt-5-mini".into()).await.json;
    assert_eq!((&responses["store"], &responses["reasoning"]["effort"]), (&json!(false), &json!("minimal")));
}

#[tokio::test]
async fn a_players_own_parameters_win() {
    let body = sent(Dialect::Ollama, |config| {
        let extra = json!({"options": {"top_k": 5, "seed": 7}, "keep_alive": "1m"});
        config.extra = extra.as_object().unwrap().clone();
    })
    .await
    .json;
    assert_eq!((&body["options"]["top_k"], &body["options"]["seed"]), (&json!(5), &json!(7)));
    assert_eq!(body["keep_alive"], "1m");
    assert!(body["options"]["num_ctx"].is_u64(), "the others stay");
}

#[tokio::test]
async fn koboldcpp_gets_the_chat_as_one_text() {
    let body = sent(Dialect::KoboldCpp, |_| ()).await.json;
    let prompt = body["prompt"].as_str().unwrap();
    assert!(prompt.starts_with("{{[SYSTEM]}}You are Mira, the innkeeper."), "{prompt}");
    assert!(
        prompt.contains("{{[INPUT]}}Ann: Hello.{{[OUTPUT]}}Mood: calm\nDoes: nothing\nSays: Good evening.")
    );
    assert!(prompt.ends_with("wave.]{{[OUTPUT]}}"), "{prompt}");
    assert_eq!(body["replace_instruct_placeholders"], true);
}

#[tokio::test]
async fn a_style_can_be_asked_for() {
    let with = |style| move |config: &mut ProviderConfig| config.actions = style;
    let fake = Fake::start(Play::case(Dialect::Vllm, "turn-tools")).await;
    let mut config = config(Dialect::Vllm, &fake.base_url);
    with(ActionStyle::Tools)(&mut config);
    assert_eq!(ask(&*open(config), request()).await.actions[0].0, "give_item");
    assert_eq!(fake.requests()[0].json["tools"].as_array().unwrap().len(), 2);
    let fake = Fake::start(Play::case(Dialect::OpenAi, "turn-lines")).await;
    let mut config = crate::kit::config(Dialect::OpenAi, &fake.base_url);
    with(ActionStyle::Lines)(&mut config);
    assert_eq!(ask(&*open(config), request()).await.actions[0].0, "give_item");
    assert!(fake.requests()[0].json["tools"].is_null());
}
