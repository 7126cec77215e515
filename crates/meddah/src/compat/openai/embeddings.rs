//! `/v1/embeddings`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use meddah_protocol::WireError;
use serde::Serialize;
use serde_json::Value;

use crate::compat::embeddings::{Embedded, embed, texts_of};
use crate::compat::sent::{Fields as _, Sent, invalid};
use crate::transport::App;

/// The answer, as official clients read it.
#[derive(Serialize)]
pub(in crate::compat) struct Embeddings {
    object: &'static str,
    data: Vec<Entry>,
    model: String,
    usage: Usage,
}

#[derive(Serialize)]
struct Entry {
    object: &'static str,
    index: usize,
    embedding: Vector,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Floats(Vec<f32>),
    /// Floats of 32 bits, little-endian.
    Base64(String),
}

#[derive(Serialize)]
struct Usage {
    prompt_tokens: usize,
    total_tokens: usize,
}

/// The answer, or an error that a face writes in its own shape.
pub(in crate::compat) async fn answer(app: &App, sent: Sent) -> Result<Embeddings, WireError> {
    let body = sent.0?;
    let texts = texts_of(&body, "input")?;
    if texts.is_empty() || texts.iter().any(String::is_empty) {
        return Err(invalid(
            "`input` is missing or empty",
            "Send a text, or a list of texts with words in each.",
        ));
    }
    let in_base64 = in_base64(&body)?;
    let Embedded { model, vectors, tokens } = embed(app, &texts).await?;
    check_dimensions(&body, vectors.first().map_or(0, Vec::len))?;
    let entry = |(index, vector)| Entry { object: "embedding", index, embedding: written(vector, in_base64) };
    let data = vectors.into_iter().enumerate().map(entry).collect();
    let usage = Usage { prompt_tokens: tokens, total_tokens: tokens };
    Ok(Embeddings { object: "list", data, model, usage })
}

fn in_base64(body: &Value) -> Result<bool, WireError> {
    match body.text("encoding_format") {
        None | Some("float") => Ok(false),
        Some("base64") => Ok(true),
        Some(other) => {
            let shown: String = other.chars().take(40).collect();
            Err(invalid(format!("`encoding_format` is {shown:?}"), "Send \"float\" or \"base64\"."))
        }
    }
}

/// The model was not trained to be cut short, so another number is refused, as OpenAI does with such models.
fn check_dimensions(body: &Value, there_are: usize) -> Result<(), WireError> {
    match body.whole("dimensions") {
        Some(wanted) if usize::try_from(wanted) != Ok(there_are) => Err(invalid(
            format!("this model has {there_are} dimensions and cannot give {wanted}"),
            format!("Leave `dimensions` away, or send {there_are}."),
        )),
        _ => Ok(()),
    }
}

fn written(vector: Vec<f32>, in_base64: bool) -> Vector {
    if !in_base64 {
        return Vector::Floats(vector);
    }
    let bytes: Vec<u8> = vector.into_iter().flat_map(f32::to_le_bytes).collect();
    Vector::Base64(BASE64_STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn vectors_are_numbers_or_their_bytes() {
        let numbers = serde_json::to_string(&written(vec![0.25, -1.5, 0.1], false)).unwrap();
        assert_eq!(numbers, "[0.25,-1.5,0.1]");
        let bytes = serde_json::to_value(written(vec![1.0, -2.0], true)).unwrap();
        assert_eq!(bytes, json!("AACAPwAAAMA="));
        assert!(in_base64(&json!({"encoding_format": "base64"})).unwrap());
        assert!(in_base64(&json!({"encoding_format": "hex"})).is_err());
    }

    #[test]
    fn other_dimensions_are_refused() {
        assert!(check_dimensions(&json!({}), 384).is_ok());
        assert!(check_dimensions(&json!({"dimensions": 384}), 384).is_ok());
        assert!(check_dimensions(&json!({"dimensions": 64}), 384).is_err());
        assert!(check_dimensions(&json!({"dimensions": -1}), 384).is_err());
    }
}
