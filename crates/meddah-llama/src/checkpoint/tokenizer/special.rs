//! Tokens with a meaning of their own, and the chat template: `tokenizer_config.json`,
//! `generation_config.json` and what stands beside them.

use serde_json::{Map, Value};

use super::file::TokenizerFile;
use crate::checkpoint::CheckpointError;
use crate::checkpoint::config::Config;
use crate::checkpoint::folder::{Folder, SETTINGS_BYTES_MAX, TEMPLATE_BYTES_MAX};
use crate::checkpoint::gguf_header::Metadata;

const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
const SPECIAL_TOKENS: &str = "special_tokens_map.json";
const GENERATION_CONFIG: &str = "generation_config.json";

/// Ends of turns by their usual texts, the more specific first.
const TURN_ENDS: &[&str] = &["<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<end_of_utterance>"];
/// Texts that llama.cpp takes as an end by itself.
const KNOWN_ENDS: &[&str] = &["</s>", "<eos>", "<|endoftext|>", "<|end_of_text|>", "<|eom_id|>"];

/// The settings beside the tokenizer.
pub struct Settings {
    tokenizer: Map<String, Value>,
    special: Map<String, Value>,
    generation: Map<String, Value>,
    template: Option<String>,
}

impl Settings {
    pub fn read(folder: &Folder) -> Result<Settings, CheckpointError> {
        let tokenizer: Map<String, Value> =
            folder.json(TOKENIZER_CONFIG, SETTINGS_BYTES_MAX)?.unwrap_or_default();
        let template = match folder.text("chat_template.jinja", TEMPLATE_BYTES_MAX)? {
            Some(template) => Some(template),
            None => match template_of(tokenizer.get("chat_template")) {
                Some(template) => Some(template.to_owned()),
                None => {
                    let file: Option<Map<String, Value>> =
                        folder.json("chat_template.json", SETTINGS_BYTES_MAX)?;
                    let file = file.unwrap_or_default();
                    template_of(file.get("chat_template")).map(str::to_owned)
                }
            },
        };
        if template.as_ref().is_some_and(|template| template.len() as u64 > TEMPLATE_BYTES_MAX) {
            return Err(CheckpointError::damaged(TOKENIZER_CONFIG, "its chat template is too long"));
        }
        Ok(Settings {
            tokenizer,
            special: folder.json(SPECIAL_TOKENS, SETTINGS_BYTES_MAX)?.unwrap_or_default(),
            generation: folder.json(GENERATION_CONFIG, SETTINGS_BYTES_MAX)?.unwrap_or_default(),
            template,
        })
    }

    /// The text of a special token; older files write an object.
    fn text(&self, key: &str) -> Option<&str> {
        [&self.tokenizer, &self.special].into_iter().find_map(|settings| {
            let value = settings.get(key)?;
            value.as_str().or_else(|| value["content"].as_str())
        })
    }

    /// Numbers of a special token, as the model's own settings give them.
    fn numbers(&self, config: &Config, key: &str) -> Vec<u64> {
        let value = self.generation.get(key).or_else(|| config.all.get(key));
        match value {
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_u64).collect(),
            Some(value) => value.as_u64().into_iter().collect(),
            None => Vec::new(),
        }
    }

    /// Writes everything that llama.cpp reads of this; notes on what is missing.
    pub fn describe(
        &self,
        file: &TokenizerFile,
        config: &Config,
        tokens: &[String],
        metadata: &mut Metadata,
    ) -> Result<Vec<String>, CheckpointError> {
        let id_of = |text: &str| tokens.iter().position(|token| token == text).map(|id| id as u32);
        let id = |name: &str| {
            let given = self.text(&format!("{name}_token")).and_then(id_of);
            let numbers = self.numbers(config, &format!("{name}_token_id"));
            given.or_else(|| numbers.first().and_then(|id| u32::try_from(*id).ok()))
        };
        let within = |id: &u32| (*id as usize) < tokens.len();
        let mut set = |key: &str, id: Option<u32>| {
            if let Some(id) = id {
                metadata.set(format!("tokenizer.ggml.{key}_token_id"), id);
            }
        };
        let begin = id("bos").filter(within);
        let end = id("eos").filter(within);
        set("bos", begin);
        set("eos", end);
        set("unknown", id("unk").filter(within));
        set("padding", id("pad").filter(within));
        let turn_end = TURN_ENDS.iter().find_map(|text| id_of(text));
        set("eot", turn_end);
        // An end that neither its text nor one of the above makes known.
        let known = |id: &u32| {
            let text = tokens.get(*id as usize).map(String::as_str).unwrap_or_default();
            Some(*id) == end || Some(*id) == turn_end || KNOWN_ENDS.contains(&text)
        };
        let ends = self.numbers(config, "eos_token_id");
        let mut others = ends.into_iter().filter_map(|id| u32::try_from(id).ok()).filter(within);
        set("eom", others.find(|id| !known(id)));

        let adds_begin = begin.is_some() && self.adds(file, "bos");
        metadata.set("tokenizer.ggml.add_bos_token", adds_begin);
        metadata.set("tokenizer.ggml.add_eos_token", end.is_some() && self.adds(file, "eos"));
        let mut notes = Vec::new();
        let added = |text: &str| file.added_tokens.iter().any(|added| added.content == text);
        for text in TURN_ENDS.iter().chain(KNOWN_ENDS).filter(|text| id_of(text).is_some() && !added(text)) {
            notes.push(format!("{text:?} is an ordinary token of it; llama.cpp takes it as an end"));
        }
        match &self.template {
            Some(template) => metadata.set("tokenizer.chat_template", template.as_str()),
            None => {
                notes.push("it has no chat template: it may be a base model, which does not answer".into())
            }
        }
        if end.is_none() && turn_end.is_none() {
            notes.push("no token that ends a reply is named; replies end where they may be longest".into());
        }
        Ok(notes)
    }

    /// Whether a token is put before (`bos`) or after (`eos`) every text.
    fn adds(&self, file: &TokenizerFile, name: &str) -> bool {
        if let Some(adds) = self.tokenizer.get(&format!("add_{name}_token")).and_then(Value::as_bool) {
            return adds;
        }
        let Some(text) = self.text(&format!("{name}_token")) else { return false };
        let templates = super::file::steps(&file.post_processor, "processors");
        templates.iter().filter(|step| step["type"] == "TemplateProcessing").any(|step| {
            let single = step["single"].as_array().map(Vec::as_slice).unwrap_or_default();
            let edge = if name == "bos" { single.first() } else { single.last() };
            edge.is_some_and(|edge| edge["SpecialToken"]["id"] == text)
        })
    }
}

/// A template, or the one called "default" of several.
fn template_of(value: Option<&Value>) -> Option<&str> {
    match value? {
        Value::String(template) => Some(template),
        Value::Array(all) => {
            let default = all.iter().find(|one| one["name"] == "default").or_else(|| all.first());
            default.and_then(|one| one["template"].as_str())
        }
        _ => None,
    }
}
