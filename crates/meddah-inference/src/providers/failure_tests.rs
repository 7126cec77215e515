//! Refusals whose body and status disagree; the others are transcripts.

use serde_json::json;

use super::*;

fn kind_of(status: u16, body: Value) -> ErrorKind {
    classify(&Refusal { status, body: &body, headers: None, who: "p", secrets: &[] }).kind
}

#[test]
fn the_body_speaks_before_the_status() {
    let elevenlabs = |status: &str| json!({"detail": {"status": status, "message": "m"}});
    assert_eq!(kind_of(401, elevenlabs("quota_exceeded")), ErrorKind::Quota);
    assert_eq!(kind_of(401, elevenlabs("invalid_api_key")), ErrorKind::Unauthorized);
    assert_eq!(kind_of(429, elevenlabs("system_busy")), ErrorKind::Overloaded);
    assert_eq!(kind_of(429, elevenlabs("too_many_concurrent_requests")), ErrorKind::RateLimited);
    assert_eq!(kind_of(200, json!({"error": {"type": "overloaded_error"}})), ErrorKind::Overloaded);
    assert_eq!(kind_of(400, json!({"error": {"code": "content_filter"}})), ErrorKind::Refused);
    assert_eq!(kind_of(402, json!("anything")), ErrorKind::Quota);
    assert_eq!(kind_of(500, json!({"error": {"code": "insufficient_quota"}})), ErrorKind::Quota);
}

#[test]
fn without_words_the_status_speaks() {
    for (status, kind) in [
        (400, ErrorKind::BadRequest),
        (401, ErrorKind::Unauthorized),
        (403, ErrorKind::Unauthorized),
        (404, ErrorKind::UnknownModel),
        (408, ErrorKind::Timeout),
        (413, ErrorKind::ContextFull),
        (422, ErrorKind::BadRequest),
        (429, ErrorKind::RateLimited),
        (500, ErrorKind::Overloaded),
        (503, ErrorKind::Overloaded),
        (529, ErrorKind::Overloaded),
        (200, ErrorKind::Protocol),
    ] {
        assert_eq!(kind_of(status, Value::Null), kind, "{status}");
    }
}

#[test]
fn messages_are_short_plain_and_without_keys() {
    let body = json!({"error": {"message": format!("a\n\u{1b}[31mkey-0123456789 {}", "x".repeat(9000))}});
    let keys = [Key::new("key-0123456789")];
    let error = classify(&Refusal { status: 400, body: &body, headers: None, who: "p", secrets: &keys });
    assert!(error.message.starts_with("p: a [31m*** x"), "{}", error.message);
    assert!(error.message.chars().count() <= MESSAGE_CHARS_MAX + 10);
    assert!(!error.help.is_empty());
}

#[test]
fn what_a_server_does_not_take_is_found_by_what_it_says() {
    const OPTIONAL: &[&str] = &["stream_options", "seed", "max_tokens", "stop", "tools", "think"];
    let sent =
        json!({"stream_options": {}, "max_tokens": 1, "stop": ["x"], "tools": [], "options": {"seed": 1}});
    let found = |message: &str| unwanted(&json!({"error": {"message": message}}), &sent, OPTIONAL);
    assert_eq!(found("Unrecognized request argument supplied: stream_options"), Some("stream_options"));
    assert_eq!(
        found("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."),
        Some("max_tokens")
    );
    assert_eq!(found("extra_forbidden: seed"), Some("seed"));
    assert_eq!(found("'stop' is not supported"), Some("stop"));
    assert_eq!(found("x does not support tools"), Some("tools"));
    assert_eq!(found("please stop asking, seeds are out"), None);
    assert_eq!(found("max_tokens_total is wrong"), None);
    assert_eq!(found("does not support thinking"), None, "it was not sent");
    let named = json!({"error": {"message": "no", "param": "seed"}});
    assert_eq!(unwanted(&named, &sent, OPTIONAL), Some("seed"));
}
