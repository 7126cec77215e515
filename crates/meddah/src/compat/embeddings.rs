//! Text as vectors for mods that search on their own: the vectors of whole texts, from the embedder on this PC.
//!
//! If a rung of the ladder offers embeddings, it is not asked. A mod keeps the vectors that it gets, and those of
//! another model, after a step down the ladder, would not be comparable with them.

use meddah_inference::ErrorKind;
use meddah_protocol::WireError;
use serde_json::Value;

use super::sent::{invalid, unsupported};
use crate::transport::App;
use crate::wire::model_error;

/// Texts of one request, as many as OpenAI takes.
const TEXTS_MAX: usize = 2048;

/// What became of the texts.
pub(super) struct Embedded {
    /// The model's name.
    pub model: String,
    /// A vector per text, of length 1.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens read.
    pub tokens: usize,
}

/// The texts of a field: one, or a list of them.
pub(super) fn texts_of(body: &Value, key: &str) -> Result<Vec<String>, WireError> {
    let texts = match body.get(key) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Array(items)) => items.iter().map(|item| text_of(item, key)).collect::<Result<_, _>>()?,
        Some(_) => return Err(invalid(format!("`{key}` is no text"), "Send a text, or a list of texts.")),
    };
    if texts.len() > TEXTS_MAX {
        let message = format!("`{key}` has {} texts; {TEXTS_MAX} at most", texts.len());
        return Err(invalid(message, "Send them in several requests."));
    }
    Ok(texts)
}

fn text_of(item: &Value, key: &str) -> Result<String, WireError> {
    match item {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Array(_) => Err(invalid(
            format!("`{key}` has tokens in it"),
            "Send text: numbers of tokens mean something only to the model that they were made for.",
        )),
        _ => Err(invalid(format!("`{key}` has something in it that is no text"), "Send a list of texts.")),
    }
}

/// Embeds texts one after the other. Dropped, it stops after the text that it is at.
pub(super) async fn embed(app: &App, texts: &[String]) -> Result<Embedded, WireError> {
    let embedder = app.sidecar.ports.embedder.get().await.map_err(|error| match error.kind {
        // No numbers are better than wrong ones: a mod would search its memories with them.
        ErrorKind::NotFound => unsupported(format!("text cannot be embedded: {}", error.message), error.help),
        _ => model_error(error),
    })?;
    let mut embedded = Embedded { model: embedder.name().to_owned(), vectors: Vec::new(), tokens: 0 };
    for text in texts {
        embedded.vectors.push(embedder.embed(text).await.map_err(model_error)?.whole);
        embedded.tokens += embedder.count_tokens(text);
    }
    Ok(embedded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_are_read_and_anything_else_is_named() {
        let texts = |input| texts_of(&json!({ "input": input }), "input");
        assert_eq!(texts(json!("a")).unwrap(), ["a"]);
        assert_eq!(texts(json!(["a", ""])).unwrap(), ["a", ""]);
        assert_eq!(texts(json!(null)).unwrap(), [""; 0]);
        for (input, part) in [
            (json!([1, 2]), "tokens"),
            (json!([[1, 2]]), "tokens"),
            (json!(5), "no text"),
            (json!([{}]), "no text"),
            (json!(vec!["x"; TEXTS_MAX + 1]), "at most"),
        ] {
            let error = texts(input).unwrap_err();
            assert!(error.message.contains(part) && !error.help.is_empty(), "{}", error.message);
        }
    }
}
