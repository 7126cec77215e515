//! What a chat request asks for.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::Value;

/// Answers without a limit are this long, in tokens, and up to [`LENGTH_SPREAD`] longer.
const LENGTH_MIN: u64 = 16;
const LENGTH_SPREAD: u64 = 112;
/// Tokens that a chat template adds to each message.
const MESSAGE_TOKENS: u32 = 4;

/// A request, understood.
pub(crate) struct Asked {
    /// Of all messages.
    pub prompt_tokens: u32,
    /// Of the first message, which conversations share.
    pub prefix_tokens: u32,
    /// Names the first message.
    pub prefix: u64,
    /// How long the answer is.
    pub answer_tokens: u32,
    /// The answer ends because of the request's limit.
    pub is_cut: bool,
    /// An event at the end tells what was used.
    pub include_usage: bool,
    /// Chooses the words.
    pub seed: u64,
}

impl Asked {
    /// # Errors
    /// Why the request is none, in a sentence.
    pub fn read(body: &[u8]) -> Result<Asked, &'static str> {
        let body: Value = serde_json::from_slice(body).map_err(|_| "the body is no JSON")?;
        let messages = body["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or("'messages' is missing or empty")?;
        if body["stream"] != true {
            return Err("this engine only streams");
        }
        let texts: Vec<&str> =
            messages.iter().map(|message| message["content"].as_str().unwrap_or_default()).collect();
        let tokens = |text: &str| (text.len() as u32).div_ceil(4) + MESSAGE_TOKENS;
        let mut hasher = DefaultHasher::new();
        texts[0].hash(&mut hasher);
        let prefix = hasher.finish();
        texts.hash(&mut hasher);
        let seed = body["seed"].as_u64().unwrap_or_else(|| hasher.finish());
        let most = body["max_completion_tokens"].as_u64().or_else(|| body["max_tokens"].as_u64());
        let usual = LENGTH_MIN + mix(seed) % (LENGTH_SPREAD + 1);
        // A seed asks for a length of its own; without one the request's limit is the length.
        let answer_tokens = match most {
            Some(most) if body["seed"].is_u64() => most.min(usual),
            Some(most) => most,
            None => usual,
        };
        Ok(Asked {
            prompt_tokens: texts.iter().map(|text| tokens(text)).sum(),
            prefix_tokens: tokens(texts[0]),
            prefix,
            answer_tokens: u32::try_from(answer_tokens).map_err(|_| "'max_tokens' is too large")?,
            is_cut: most.is_some_and(|most| most <= answer_tokens),
            include_usage: body["stream_options"]["include_usage"] == true,
            seed,
        })
    }
}

/// Spreads a number over all bits (the finisher of SplitMix64, Steele et al., OOPSLA 2014).
pub(crate) fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(extra: &str) -> Asked {
        let body =
            format!(r#"{{"messages":[{{"role":"user","content":"Hello there"}}],"stream":true{extra}}}"#);
        Asked::read(body.as_bytes()).expect("a request")
    }

    #[test]
    fn the_limit_or_the_seed_decides_the_length() {
        assert_eq!((asked(r#","max_tokens":7"#).answer_tokens, asked("").prompt_tokens), (7, 3 + 4));
        assert_eq!(
            asked(r#","seed":5"#).answer_tokens,
            asked(r#","seed":5,"max_tokens":4000"#).answer_tokens
        );
        assert!(asked(r#","max_tokens":7"#).is_cut && !asked(r#","seed":5,"max_tokens":4000"#).is_cut);
        assert_eq!(asked(r#","seed":5,"max_tokens":3"#).answer_tokens, 3);
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for body in ["", "{}", r#"{"messages":[],"stream":true}"#, r#"{"messages":[{"content":"x"}]}"#] {
            assert!(Asked::read(body.as_bytes()).is_err(), "{body}");
        }
    }
}
