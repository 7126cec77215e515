//! What is known of providers' models without asking them: what they can do, and what they cost.
//!
//! The table comes with the program (`models.toml`) and may be replaced row by row by a newer file. Prices
//! are integers, millionths of a US dollar per million tokens, so that a budget adds up exactly. A model that
//! the table does not know gets its provider's `*` row, whose price is high on purpose: a ceiling that is
//! reached too early is a nuisance, one that is reached too late is a bill.

use serde::{Deserialize, Serialize};

use crate::budget::Price;

/// The table that comes with the program.
const EMBEDDED: &str = include_str!("models.toml");
/// Files beyond this are not read, in bytes.
pub const TABLE_BYTES_MAX: usize = 1 << 20;
/// Rows beyond this are an error.
const ROWS_MAX: usize = 4096;
/// What is assumed where not even a provider is known: millionths of a dollar per million tokens.
const UNKNOWN_PRICE: Price =
    Price { input: 15_000_000, cached_input: 15_000_000, cache_write: 18_750_000, output: 75_000_000 };

/// What is known of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// Takes native tool calls.
    pub tools: bool,
    /// Takes a JSON Schema for its reply.
    pub schema: bool,
    /// Tokens of prompt and reply together.
    pub context_tokens: Option<u32>,
    /// Looks at pictures.
    pub vision: bool,
    /// Thinks before it speaks unless told not to.
    pub reasoning: bool,
    /// Its replies begin within a block of thinking that its chat template opened; `None` if nobody knows.
    pub thinks: Option<bool>,
    /// The least effort of thinking that the provider lets it have, in the provider's own word.
    pub least_effort: Option<String>,
    /// What it costs.
    pub price: Price,
    /// The price is the provider's `*` row, or not even that.
    pub guessed: bool,
}

/// One row of the file.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Who has it.
    pub provider: String,
    /// The model's name; `*` stands for any end of it.
    pub model: String,
    /// See [`ModelFacts::tools`].
    #[serde(default = "yes")]
    pub tools: bool,
    /// See [`ModelFacts::schema`].
    #[serde(default)]
    pub schema: bool,
    /// See [`ModelFacts::context_tokens`].
    pub context: Option<u32>,
    /// See [`ModelFacts::vision`].
    #[serde(default)]
    pub vision: bool,
    /// See [`ModelFacts::reasoning`].
    #[serde(default)]
    pub reasoning: bool,
    /// See [`ModelFacts::thinks`].
    pub thinks: Option<bool>,
    /// See [`ModelFacts::least_effort`].
    pub least_effort: Option<String>,
    /// What it costs.
    pub price: Price,
    /// Of what day it is, as in `2026-11-25`.
    pub date: String,
    /// Where it was read.
    pub source: String,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    model: Vec<Row>,
}

/// How a newer table differs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Change<'t> {
    /// A model that was not known.
    New(&'t Row),
    /// It costs something else.
    Price {
        /// The row as it was.
        before: &'t Row,
        /// The row as it is.
        now: &'t Row,
    },
    /// Something else of it.
    Other(&'t Row),
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ModelTable {
    rows: Vec<Row>,
}

/// A table that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TableError {
    /// What is wrong, and where.
    pub message: String,
    /// What to do.
    pub help: String,
}

impl ModelTable {
    /// The table that comes with the program.
    pub fn embedded() -> ModelTable {
        // A test reads it; a table that cannot be read knows nothing, and prices are then the highest.
        ModelTable::parse(EMBEDDED).unwrap_or_default()
    }

    /// Reads a table.
    ///
    /// # Errors
    /// What is no TOML, has keys that nobody knows, or rows without a date and a source.
    pub fn parse(text: &str) -> Result<ModelTable, TableError> {
        let wrong = |message: String| TableError {
            message,
            help: "See the table that comes with the program for how a row looks.".to_owned(),
        };
        if text.len() > TABLE_BYTES_MAX {
            return Err(wrong(format!("a model table of more than {TABLE_BYTES_MAX} bytes")));
        }
        let file: File = toml::from_str(text).map_err(|error| wrong(error.to_string()))?;
        if file.model.len() > ROWS_MAX {
            return Err(wrong(format!("a model table of more than {ROWS_MAX} rows")));
        }
        for row in &file.model {
            let name = format!("{} {}", row.provider, row.model);
            if !is_date(&row.date) || row.source.trim().is_empty() {
                return Err(wrong(format!("{name}: needs date = \"YYYY-MM-DD\" and source")));
            }
            if row.model.trim_end_matches('*').contains('*') || row.model.is_empty() {
                return Err(wrong(format!("{name}: `*` may only stand at the end of a model's name")));
            }
        }
        Ok(ModelTable { rows: file.model })
    }

    /// This table with the rows of a newer one in place of its own of the same name; an older row is left out.
    pub fn merge(mut self, newer: ModelTable) -> ModelTable {
        for row in newer.rows {
            let same = |old: &&mut Row| old.provider == row.provider && old.model == row.model;
            match self.rows.iter_mut().find(same) {
                Some(old) if old.date > row.date => {}
                Some(old) => *old = row,
                None => self.rows.push(row),
            }
        }
        self
    }

    /// Its rows, in the order of the file.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// How a newer table differs from this one, in the newer one's order.
    pub fn changes_to<'t>(&'t self, newer: &'t ModelTable) -> Vec<Change<'t>> {
        let change = |now: &'t Row| {
            let same = |old: &&Row| old.provider == now.provider && old.model == now.model;
            match self.rows.iter().find(same) {
                None => Some(Change::New(now)),
                Some(before) if before.price != now.price => Some(Change::Price { before, now }),
                Some(before) if before != now => Some(Change::Other(now)),
                Some(_) => None,
            }
        };
        newer.rows.iter().filter_map(change).collect()
    }

    /// The table as a file that [`parse`](Self::parse) reads.
    ///
    /// # Errors
    /// It would be larger than a table may be.
    pub fn to_toml(&self) -> Result<String, TableError> {
        let failed = |message: String| TableError {
            message,
            help: "Take rows out of the new table that you do not need.".to_owned(),
        };
        let file = File { model: self.rows.clone() };
        let text = toml::to_string(&file).map_err(|error| failed(error.to_string()))?;
        ModelTable::parse(&text).map_err(|error| failed(error.message))?;
        Ok(text)
    }

    /// The day of the newest row, as in `2026-11-25`.
    pub fn newest_date(&self) -> Option<&str> {
        self.rows.iter().map(|row| row.date.as_str()).max()
    }

    /// What is known of this model; of several rows that fit, the longest name counts.
    ///
    /// Gateways name models `vendor/model`: what such a model can do is the vendor's row, and the price a guess.
    pub fn lookup(&self, provider: &str, model: &str) -> ModelFacts {
        let model = model.to_ascii_lowercase();
        let own = self.row_facts(provider, &model);
        match model.split_once('/') {
            Some((vendor, model)) if own.as_ref().is_none_or(|facts| facts.guessed) => {
                let vendor = self.row_facts(vendor_name(vendor), model).filter(|facts| !facts.guessed);
                let guessed = vendor.map(|facts| ModelFacts { guessed: true, ..facts });
                guessed.or(own).unwrap_or_else(ModelFacts::unknown)
            }
            _ => own.unwrap_or_else(ModelFacts::unknown),
        }
    }

    fn row_facts(&self, provider: &str, model: &str) -> Option<ModelFacts> {
        let provider = if provider == "openai-responses" { "openai" } else { provider };
        let fitting = self.rows.iter().filter(|row| row.provider == provider && row.fits(model));
        let row = fitting.max_by_key(|row| (row.model.trim_end_matches('*').len(), row.is_exact()))?;
        Some(ModelFacts {
            tools: row.tools,
            schema: row.schema,
            context_tokens: row.context,
            vision: row.vision,
            reasoning: row.reasoning,
            thinks: row.thinks,
            least_effort: row.least_effort.clone(),
            price: row.price,
            guessed: row.model == "*" && row.price != Price::default(),
        })
    }
}

impl Row {
    fn is_exact(&self) -> bool {
        !self.model.ends_with('*')
    }

    fn fits(&self, model: &str) -> bool {
        match self.model.strip_suffix('*') {
            Some(start) => model.starts_with(start),
            None => model.strip_prefix(&self.model).is_some_and(|rest| rest.is_empty() || is_version(rest)),
        }
    }
}

impl ModelFacts {
    /// What is assumed of a model of which nothing is known.
    pub fn unknown() -> ModelFacts {
        ModelFacts {
            tools: true,
            schema: false,
            context_tokens: None,
            vision: false,
            reasoning: false,
            thinks: None,
            least_effort: None,
            price: UNKNOWN_PRICE,
            guessed: true,
        }
    }
}

/// The provider of whom gateways speak by another name.
fn vendor_name(vendor: &str) -> &str {
    match vendor {
        "google" | "google-ai-studio" => "gemini",
        "x-ai" => "xai",
        "mistralai" => "mistral",
        other => other,
    }
}

/// `-20250929`, `-2603`, `-2025-08-07`: a dated version of a model.
fn is_version(rest: &str) -> bool {
    let digits = rest.bytes().filter(u8::is_ascii_digit).count();
    rest.starts_with('-') && digits >= 4 && rest.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit())
}

fn is_date(text: &str) -> bool {
    let digits = |part: &str, count| part.len() == count && part.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = text.split('-').collect();
    matches!(parts[..], [y, m, d] if digits(y, 4) && digits(m, 2) && digits(d, 2))
}

#[cfg(test)]
mod tests;
