//! Rungs that a world pack brings along. A pack may come from anywhere, so it may name models elsewhere and
//! nothing on this PC but the model that the player has installed.

use meddah_inference::{ErrorKind, ModelError};
use serde_json::{Map, Value};

use super::settings::{LOCAL, RungSettings, SCRIPTED};

/// What a pack says of a rung.
pub(super) fn read(
    world: &str,
    name: &str,
    settings: &Map<String, Value>,
) -> Result<RungSettings, ModelError> {
    let place = format!("[rungs.{name}] in the world {world}");
    let bad = |message: String| {
        ModelError::new(ErrorKind::BadRequest, format!("{place}: {message}"))
            .with_help("Ask the author of the world, or name a model of your own in the `ladders` settings.")
    };
    let settings: RungSettings =
        serde_json::from_value(Value::Object(settings.clone())).map_err(|error| bad(error.to_string()))?;
    if settings.provider == SCRIPTED {
        return Err(bad("a world cannot bring a script along".into()));
    }
    if settings.provider == LOCAL && !settings.model.is_empty() {
        return Err(bad(
            "a world cannot choose a file of this PC; `provider = \"local\"` alone can be".into()
        ));
    }
    if !settings.headers.is_empty() {
        return Err(bad("a world cannot set headers".into()));
    }
    super::settings::checked(&place, settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pack_names_models_elsewhere_and_no_files() {
        let read =
            |settings: Value| read("inn", "host", settings.as_object().unwrap()).map_err(|e| e.message);
        assert!(read(json!({"provider": "openai", "model": "m"})).is_ok());
        assert!(read(json!({"provider": "local"})).is_ok());
        let refused = [
            json!({"provider": "local", "model": "/etc/passwd"}),
            json!({"provider": "scripted", "model": "x.toml"}),
            json!({"provider": "openai", "headers": {"Authorization": "x"}}),
            json!({"provider": "openai", "apikey": "x"}),
            json!({}),
        ];
        for settings in refused {
            let error = read(settings.clone()).unwrap_err();
            assert!(error.contains("host") && error.contains("inn"), "{settings}: {error}");
        }
    }
}
