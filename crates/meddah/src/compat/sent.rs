//! What mods send: JSON of any content type, read with patience.
//!
//! A field that is missing, `null` or of an odd type counts as absent; numbers may come as text. Each face
//! answers what cannot be read in its own shape, so reading gives an error and no answer.

use std::convert::Infallible;

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use axum::http::header::{ACCEPT, AUTHORIZATION};
use meddah_protocol::{ErrorCode, WireError};
use serde_json::Value;

use crate::transport;
pub(crate) use crate::wire::invalid;

/// A body, or why it is none. An empty one is an empty object.
pub(crate) struct Sent(pub Result<Value, WireError>);

impl<S: Send + Sync> FromRequest<S> for Sent {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Sent(match transport::read_body(request.into_body()).await {
            Ok(bytes) => parse(&bytes),
            Err(error) => Err(error),
        }))
    }
}

fn parse(bytes: &[u8]) -> Result<Value, WireError> {
    let text = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes); // Windows likes to put a mark first
    if text.trim_ascii().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    match serde_json::from_slice(text) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err(invalid("the body is no JSON object", "Send an object, `{…}`.")),
        Err(error) => Err(invalid(
            format!("this is not JSON: {error}"),
            "Write JSON with a library rather than by joining text, and as UTF-8.",
        )),
    }
}

/// What this build cannot do.
pub(crate) fn unsupported(message: impl Into<String>, help: impl Into<String>) -> WireError {
    WireError::new(ErrorCode::Unsupported, message).with_help(help)
}

/// Fields of a value, read with patience.
pub(crate) trait Fields {
    /// A text that is not empty.
    fn text(&self, key: &str) -> Option<&str>;
    /// A number.
    fn float(&self, key: &str) -> Option<f64>;
    /// A whole number; `5.0` is one.
    fn whole(&self, key: &str) -> Option<i64>;
    /// A yes or no.
    fn flag(&self, key: &str) -> Option<bool>;
    /// A list; a single value is a list of one.
    fn list(&self, key: &str) -> &[Value];
}

impl Fields for Value {
    fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    fn float(&self, key: &str) -> Option<f64> {
        let value = self.get(key)?;
        value
            .as_f64()
            .or_else(|| value.as_str()?.trim().parse().ok())
            .filter(|number: &f64| number.is_finite())
    }

    fn whole(&self, key: &str) -> Option<i64> {
        self.get(key)?.as_i64().or_else(|| self.float(key).map(|number| number as i64))
    }

    fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => Some(text.eq_ignore_ascii_case("true")),
            Value::Number(number) => Some(number.as_f64() != Some(0.0)),
            _ => None,
        }
    }

    fn list(&self, key: &str) -> &[Value] {
        match self.get(key) {
            Some(Value::Array(items)) => items,
            None | Some(Value::Null) => &[],
            Some(single) => std::slice::from_ref(single),
        }
    }
}

/// The texts of a list; anything else in it is left out.
pub(crate) fn texts(body: &Value, key: &str) -> Vec<String> {
    body.list(key).iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The key that came along, if any did.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    Some(key.trim()).filter(|key| scheme.eq_ignore_ascii_case("bearer") && !key.is_empty())
}

/// A header as text.
pub(crate) fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// Whether `Accept` names this kind.
pub(crate) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    values.any(|value| value.to_ascii_lowercase().contains(kind))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn odd_types_are_read_as_what_they_mean() {
        let body = json!({"a": "0.5", "b": 5.0, "c": "true", "d": null, "e": "stop", "f": ["x", 1]});
        assert_eq!((body.float("a"), body.whole("b"), body.flag("c")), (Some(0.5), Some(5), Some(true)));
        assert_eq!((body.text("d"), body.list("d").len()), (None, 0));
        assert_eq!((texts(&body, "e"), texts(&body, "f")), (vec!["stop".to_owned()], vec!["x".to_owned()]));
    }

    #[test]
    fn an_empty_body_is_an_empty_object_and_a_broken_one_names_the_place() {
        assert_eq!(parse(b" \r\n").unwrap(), json!({}));
        assert_eq!(parse("\u{feff}{}".as_bytes()).unwrap(), json!({}));
        assert!(parse(b"[]").unwrap_err().message.contains("no JSON object"));
        assert!(parse(b"{\n \"a\": }").unwrap_err().message.contains("line 2"));
    }

    /// JSON with the fields that faces look for, of any type.
    fn odd_json() -> impl proptest::strategy::Strategy<Value = Value> {
        use proptest::prelude::*;
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "(user|tool|assistant|json|none|x|)".prop_map(Value::from),
        ];
        let key = "(messages|role|content|tools|tool_calls|function|name|arguments|parameters|response_format|type|\
            json_schema|schema|tool_choice|stop|max_tokens|seed|n|options|format|prompt|images|commands|memory)";
        leaf.prop_recursive(5, 48, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map(key, inner, 0..6)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest::proptest! {
        #[test]
        fn no_request_is_too_odd_to_be_read_or_refused(body in odd_json()) {
            for asked in crate::compat::read_as_every_face(&body) {
                match asked {
                    Ok(asked) => { asked.check().ok(); }
                    Err(error) => proptest::prop_assert!(!error.help.is_empty(), "{}", error.message),
                }
            }
        }
    }
}
