//! JSON as games write it: `null` for what is absent, and whole numbers with a point.
//!
//! Many JSON libraries of games write every field, and some know no whole numbers. Both are read as what they
//! mean. What belongs to the game itself is left as it is.

use serde_json::{Number, Value};

/// Fields whose content is the game's own: schemas, and data that is only passed on.
const KEPT: [&str; 3] = ["parameters", "arguments", "data"];
/// Above it a number with a point cannot tell one whole number from the next.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Leaves out what is `null`, and writes whole numbers as whole numbers.
pub fn tidy(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
            let tidied = fields.map(|(key, value)| {
                let value = if KEPT.contains(&key.as_str()) { value } else { tidy(value) };
                (key, value)
            });
            Value::Object(tidied.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(tidy).collect()),
        Value::Number(number) => Value::Number(whole(number)),
        other => other,
    }
}

fn whole(number: Number) -> Number {
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() < WHOLE_MAX => {
            Number::from(float as i64)
        }
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nulls_go_whole_numbers_lose_their_point_and_the_games_own_stays() {
        let sent = json!({"type": "heard", "line": 0.0, "fraction": 0.5, "turn": null, "data": {"x": null, "y": 1.0},
            "list": [{"name": "a", "parameters": {"enum": [null, 2.0]}, "targets": null}], "big": 1e300});
        let read = json!({"type": "heard", "line": 0, "fraction": 0.5, "data": {"x": null, "y": 1.0},
            "list": [{"name": "a", "parameters": {"enum": [null, 2.0]}}], "big": 1e300});
        assert_eq!(tidy(sent), read);
    }
}
