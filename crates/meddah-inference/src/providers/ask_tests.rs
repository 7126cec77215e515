//! What a model is asked in each style.

use super::*;

fn choice(id: &str, arguments: Option<Value>) -> Choice {
    Choice { id: id.into(), text: format!(" {id}"), description: format!("To {id}."), bias: 0.0, arguments }
}

fn request() -> ChatRequest {
    let give = json!({"type": "object", "properties": {"item": {"enum": ["ale", "bread"]}, "n": {"type": "integer"}}});
    ChatRequest {
        messages: vec![
            Message::new(Role::System, "Rules."),
            Message::new(Role::Assistant, "Mood: calm\nDoes: give\nSays: There."),
            Message::new(Role::User, "Ann: Ale."),
        ],
        decisions: vec![
            Decision {
                name: EMOTION.into(),
                lead: "Mood:".into(),
                choices: vec![choice("calm", None), choice("angry", None)],
            },
            Decision {
                name: ACTION.into(),
                lead: "\nDoes:".into(),
                choices: vec![choice("nothing", None), choice("give", Some(give)), choice("door.open", None)],
            },
        ],
        speech_lead: "\nSays:".into(),
        max_tokens: 50,
        stop: ["\nMood:", "\nDoes:", "\nSays:", "\nAnn:"].map(str::to_owned).to_vec(),
        ..ChatRequest::default()
    }
}

fn asked(style: ActionStyle, request: &ChatRequest) -> Ask {
    let abilities = Abilities {
        style,
        tools: true,
        schema: true,
        prefers_schema: false,
        strict: true,
        reasoning: false,
        begin: Begin::Outside,
    };
    make(request, &abilities).0
}

#[test]
fn tools_carry_actions_and_one_rule_the_mood() {
    let ask = asked(ActionStyle::Auto, &request());
    let names: Vec<&str> = ask.tools.iter().map(|tool| tool.name.as_str()).collect();
    assert_eq!(names, ["give", "door_open"]);
    assert_eq!(ask.tools[0].description, "To give.");
    assert!(!ask.must_call);
    assert!(ask.messages[0].text.starts_with("Rules.\n\nBegin every reply with the line \"Mood:\""));
    assert!(ask.messages[0].text.contains("calm, angry"));
    // Nothing that a model would take for an example of actions as text.
    assert_eq!(ask.messages[1].text, "Mood: calm\nSays: There.");
    assert_eq!(ask.messages[2].text, "Ann: Ale.");
    // The others would end the reply behind its first head.
    assert_eq!(ask.stop, ["\nAnn:"]);
    assert_eq!(ask.max_tokens, 50 + HEAD_TOKENS + ACTION_TOKENS);
}

#[test]
fn lines_say_at_the_end_what_can_be_done() {
    let ask = asked(ActionStyle::Lines, &request());
    assert!(ask.tools.is_empty() && ask.schema.is_none());
    assert_eq!(ask.messages[1].text, "Mood: calm\nDoes: give\nSays: There.");
    let expected = "Ann: Ale.\n[What you can do now: nothing; give {\"item\": \"ale\"|\"bread\", \"n\": integer}; \
                    door.open.]";
    assert_eq!(ask.messages[2].text, expected);
}

#[test]
fn a_schema_has_its_parts_in_order() {
    let ask = asked(ActionStyle::Schema, &request());
    let schema = ask.schema.unwrap();
    let parts: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
    assert_eq!(parts, ["mood", "action", "arguments", "says"]);
    assert_eq!(schema["properties"]["action"]["enum"], json!(["nothing", "give", "door.open"]));
    assert_eq!(schema["properties"]["arguments"]["type"], "string");
    assert_eq!(ask.messages[1].text, r#"{"mood":"calm","action":"give","says":"There."}"#);
    assert!(ask.stop.is_empty() && ask.tools.is_empty());
}

#[test]
fn servers_of_ones_own_are_held_to_the_arguments() {
    let abilities = Abilities {
        style: ActionStyle::Auto,
        tools: true,
        schema: true,
        prefers_schema: true,
        strict: false,
        reasoning: true,
        begin: Begin::Outside,
    };
    let ask = make(&request(), &abilities).0;
    let arguments = &ask.schema.unwrap()["properties"]["arguments"]["anyOf"];
    assert_eq!(arguments.as_array().unwrap().len(), 2);
    assert_eq!(ask.max_tokens, 50 + HEAD_TOKENS + ACTION_TOKENS + REASONING_TOKENS);
}

#[test]
fn a_bare_prompt_is_left_as_it_is() {
    let bare = ChatRequest { decisions: Vec::new(), ..request() };
    let ask = asked(ActionStyle::Auto, &bare);
    assert_eq!((ask.messages, ask.stop, ask.max_tokens), (bare.messages, bare.stop, 50));
}

#[test]
fn a_callers_own_tools_may_have_no_way_out() {
    let with = |choices: Vec<Choice>| {
        let tool = Decision { name: TOOL.into(), lead: String::new(), choices };
        let request = ChatRequest { decisions: vec![tool], ..request() };
        let ask = asked(ActionStyle::Auto, &request);
        assert_eq!(ask.messages, request.messages);
        (ask.tools.len(), ask.must_call)
    };
    assert_eq!(with(vec![choice("nothing", None), choice("search", None)]), (1, false));
    assert_eq!(with(vec![choice("search", None), choice("read", None)]), (2, true));
}

#[test]
fn models_without_tools_read_earlier_calls_as_text() {
    let tool = Decision { name: TOOL.into(), lead: String::new(), choices: vec![choice("search", None)] };
    let call = crate::ToolCall { id: "1".into(), name: "search".into(), arguments: json!({"q": "ale"}) };
    let messages = vec![
        Message::new(Role::User, "Find ale."),
        Message { calls: vec![call], ..Message::new(Role::Assistant, "") },
        Message { call_id: "1".into(), ..Message::new(Role::Tool, "none") },
    ];
    let request = ChatRequest { decisions: vec![tool], messages, ..request() };
    let ask = asked(ActionStyle::Lines, &request);
    assert!(ask.messages[0].text.starts_with("Begin every reply with a line that begins with \"Does:\""));
    assert_eq!(ask.messages[2], Message::new(Role::Assistant, "Does: search {\"q\":\"ale\"}"));
    let told = "[What came of it: none]\n[What you can do now: search.]";
    assert_eq!(ask.messages[3], Message::new(Role::User, told));
}

#[test]
fn names_of_tools_are_what_providers_take_and_unlike_each_other() {
    let long = "x".repeat(100);
    let choices = ["nothing", "a.b", "a b", "ü", &long].map(|id| choice(id, None)).to_vec();
    let names = tool_names(&Decision { name: ACTION.into(), lead: String::new(), choices });
    let wire: Vec<&str> = names.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(&wire[..3], ["a_b", "a_b_1", "_"]);
    assert_eq!(wire[3].len(), TOOL_NAME_CHARS_MAX);
    assert_eq!(names[1].1, "a b");
}

#[test]
fn without_rules_the_rule_comes_first() {
    let mut messages = vec![Message::new(Role::User, "Hello.")];
    add_rule(&mut messages, "Rule.");
    assert_eq!(messages[0], Message::new(Role::System, "Rule."));
}
