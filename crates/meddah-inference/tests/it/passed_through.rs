//! Prompts that mods write themselves: their own tools, their own schema, and what came of earlier calls.

use meddah_fakes::{Dialect, Fake, Play};
use meddah_inference::providers::NOTHING;
use meddah_inference::{ChatRequest, Choice, Decision, Message, Role, ToolCall};
use serde_json::{Value, json};

use crate::kit::{WORDS, ask, model, request};

fn tool(id: &str) -> Choice {
    let arguments =
        (id != NOTHING).then(|| json!({"type": "object", "properties": {"item": {"type": "string"}}}));
    Choice { id: id.into(), text: format!(" {id}"), description: "Does it.".into(), bias: 0.0, arguments }
}

/// A talk in which two tools were called already.
fn own_prompt(tools: &[&str]) -> ChatRequest {
    let call = |id: &str, item: &str| ToolCall {
        id: id.into(),
        name: "give_item".into(),
        arguments: json!({ "item": item }),
    };
    let result = |id: &str, text: &str| Message { call_id: id.into(), ..Message::new(Role::Tool, text) };
    let calls = vec![call("call-1", "ale"), call("call-2", "bread")];
    let decisions = vec![Decision {
        name: "tool".into(),
        lead: String::new(),
        choices: tools.iter().map(|id| tool(id)).collect(),
    }];
    ChatRequest {
        conversation: "mod".into(),
        messages: vec![
            Message::new(Role::System, "Be brief."),
            Message::new(Role::User, "Ale and bread."),
            Message { calls, ..Message::new(Role::Assistant, "") },
            result("call-1", "given"),
            result("call-2", "none left"),
            Message::new(Role::User, "And now?"),
        ],
        decisions,
        max_tokens: 50,
        ..ChatRequest::default()
    }
}

async fn sent(dialect: Dialect, case: &str, request: ChatRequest) -> (Value, crate::kit::Outcome) {
    let fake = Fake::start(Play::case(dialect, case)).await;
    let outcome = ask(&*model(dialect, "tools", &fake), request).await;
    assert_eq!(outcome.error, None, "{} {}", dialect.name(), outcome.error_text);
    (fake.requests().swap_remove(0).json, outcome)
}

const DIALECTS: [(Dialect, &str); 8] = [
    (Dialect::OpenAi, "turn"),
    (Dialect::Responses, "turn"),
    (Dialect::Anthropic, "turn"),
    (Dialect::Gemini, "turn"),
    (Dialect::Mistral, "turn"),
    (Dialect::OpenRouter, "turn"),
    (Dialect::Vllm, "turn-tools"),
    (Dialect::Ollama, "turn-tools"),
];

#[tokio::test]
async fn a_mods_own_tools_are_called_natively() {
    for (dialect, case) in DIALECTS {
        let (body, outcome) = sent(dialect, case, own_prompt(&[NOTHING, "give_item", "look"])).await;
        let expected = vec![("give_item".to_owned(), Some(json!({"item": "ale"})))];
        assert_eq!(outcome.actions, expected, "{}", dialect.name());
        // Text flows as it is, and nothing is added to the prompt.
        assert_eq!(outcome.text, format!("Mood: cheerful\nSays: {WORDS}"));
        assert!(outcome.moods.is_empty() && !body.to_string().contains("Mood"), "{body}");
        assert!(body["tool_choice"].is_null() || body["tool_choice"]["type"] == "auto");
    }
}

#[tokio::test]
async fn tools_without_a_way_out_are_required() {
    for (dialect, case) in DIALECTS {
        let (body, _) = sent(dialect, case, own_prompt(&["give_item", "look"])).await;
        match dialect {
            Dialect::Anthropic => assert_eq!(body["tool_choice"]["type"], "any"),
            Dialect::Gemini => assert_eq!(body["toolConfig"]["functionCallingConfig"]["mode"], "ANY"),
            Dialect::Mistral => assert_eq!(body["tool_choice"], "any"),
            // It has no such parameter.
            Dialect::Ollama => {}
            _ => assert_eq!(body["tool_choice"], "required", "{}", dialect.name()),
        }
    }
}

#[tokio::test]
async fn earlier_calls_and_results_are_native_too() {
    let tools = [NOTHING, "give_item"];
    let (openai, _) = sent(Dialect::OpenAi, "turn", own_prompt(&tools)).await;
    let call = &openai["messages"][2]["tool_calls"][1];
    assert_eq!(
        (&call["id"], &call["function"]["arguments"]),
        (&json!("call-2"), &json!(r#"{"item":"bread"}"#))
    );
    assert_eq!(
        openai["messages"][4],
        json!({"role": "tool", "tool_call_id": "call-2", "content": "none left"})
    );
    let (mistral, _) = sent(Dialect::Mistral, "turn", own_prompt(&tools)).await;
    let id = mistral["messages"][2]["tool_calls"][0]["id"].as_str().unwrap();
    assert!(id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(mistral["messages"][3]["tool_call_id"], id);
    let (anthropic, _) = sent(Dialect::Anthropic, "turn", own_prompt(&tools)).await;
    assert_eq!(anthropic["messages"][1]["content"][0]["type"], "tool_use");
    let results = &anthropic["messages"][2]["content"];
    assert_eq!((&results[0]["tool_use_id"], &results[1]["type"]), (&json!("call-1"), &json!("tool_result")));
    let (gemini, _) = sent(Dialect::Gemini, "turn", own_prompt(&tools)).await;
    assert_eq!(gemini["contents"][2]["parts"][0]["functionResponse"]["name"], "give_item");
    let (responses, _) = sent(Dialect::Responses, "turn", own_prompt(&tools)).await;
    assert_eq!(responses["input"][2]["type"], "function_call");
    assert_eq!(responses["input"][4]["type"], "function_call_output");
}

#[tokio::test]
async fn a_mods_own_schema_is_passed_on() {
    let schema = json!({"type": "object", "properties": {"x": {"type": "integer"}}});
    let bare = ChatRequest { decisions: Vec::new(), json_schema: Some(schema.clone()), ..request() };
    for (dialect, pointer) in [
        (Dialect::OpenAi, "/response_format/json_schema/schema"),
        (Dialect::Responses, "/text/format/schema"),
        (Dialect::Anthropic, "/output_config/format/schema"),
        (Dialect::Gemini, "/generationConfig/responseJsonSchema"),
        (Dialect::Ollama, "/format"),
        (Dialect::LlamaServer, "/response_format/json_schema/schema"),
    ] {
        let (body, _) = sent(dialect, "turn", bare.clone()).await;
        assert_eq!(body.pointer(pointer), Some(&schema), "{}", dialect.name());
    }
}
