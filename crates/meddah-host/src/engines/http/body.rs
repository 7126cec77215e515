//! The request's body: as it came, but for what the engine's settings change.

use std::collections::BTreeMap;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use tokio_util::bytes::Bytes;

use crate::engines::{EngineError, EngineErrorKind};

/// The body with another model and further fields. Messages, which are most of it, are copied and not read.
///
/// # Errors
/// `BadRequest` if something is to be changed and the body is no JSON object.
pub(super) fn prepare(
    body: Bytes,
    model: Option<&str>,
    extra: &Map<String, Value>,
) -> Result<Bytes, EngineError> {
    if model.is_none() && extra.is_empty() {
        return Ok(body);
    }
    let no_object = |_| EngineError::new(EngineErrorKind::BadRequest, "the request's body is no JSON object");
    let mut fields: BTreeMap<String, &RawValue> = serde_json::from_slice(&body).map_err(no_object)?;
    let model = model.map(|model| ("model", Value::from(model)));
    let changes = model.iter().map(|(name, value)| (*name, value));
    let changes = extra.iter().map(|(name, value)| (name.as_str(), value)).chain(changes);
    let changes: Vec<(&str, Box<RawValue>)> = changes
        .map(|(name, value)| to_raw_value(value).map(|raw| (name, raw)))
        .collect::<Result<_, _>>()
        .map_err(no_object)?;
    for (name, raw) in &changes {
        fields.insert((*name).to_owned(), raw);
    }
    serde_json::to_vec(&fields).map(Bytes::from).map_err(no_object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_changes_the_bytes_are_the_same() {
        let body = Bytes::from_static(b" not even JSON");
        assert_eq!(prepare(body.clone(), None, &Map::new()).unwrap(), body);
    }

    #[test]
    fn the_model_and_further_fields_are_set_and_the_rest_is_as_it_was() {
        let body =
            Bytes::from_static(br#"{"model":"a","messages":[{"content":"\u00e9  x"}],"temperature":0.70}"#);
        let extra = serde_json::from_str(r#"{"cache_prompt":true,"temperature":1}"#).unwrap();
        let changed = prepare(body, Some("b"), &extra).unwrap();
        let expected =
            r#"{"cache_prompt":true,"messages":[{"content":"\u00e9  x"}],"model":"b","temperature":1}"#;
        assert_eq!(changed, expected);
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for body in ["", "[]", "{", "7"] {
            let error = prepare(Bytes::from_static(body.as_bytes()), Some("b"), &Map::new()).unwrap_err();
            assert_eq!(error.kind, EngineErrorKind::BadRequest, "{body}");
        }
    }
}
