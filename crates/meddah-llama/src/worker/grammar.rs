//! Values that must fit a JSON Schema: which tokens may come next, and which must.

use std::sync::Arc;

use llguidance::api::TopLevelGrammar;
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use toktrie::{InferenceCapabilities, TokEnv, TokRxInfo, TokTrie, TokenId, TokenizerEnv};

use crate::ffi::{Candidate, Model, Token};

/// Why a schema cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("this JSON Schema cannot be followed: {0}")]
pub struct GrammarError(String);

/// The vocabulary as llguidance wants it.
struct Vocabulary {
    model: Model,
    trie: TokTrie,
}

impl TokenizerEnv for Vocabulary {
    fn tok_trie(&self) -> &TokTrie {
        &self.trie
    }

    fn tokenize_bytes(&self, bytes: &[u8]) -> Vec<TokenId> {
        if self.model.adds_space() {
            return self.trie.greedy_tokenize(bytes);
        }
        self.model.tokenize(bytes, false).into_iter().map(Token::cast_unsigned).collect()
    }

    fn tokenize_is_canonical(&self) -> bool {
        !self.model.adds_space()
    }
}

/// Makes grammars for one model. Building it takes a tenth of a second, so it is made when first needed.
pub struct Grammars {
    factory: ParserFactory,
}

impl Grammars {
    /// Reads the whole vocabulary.
    pub fn new(model: &Model) -> Result<Grammars, GrammarError> {
        let size = model.vocab_size() as Token;
        let end = model.end_token().unwrap_or(0).cast_unsigned();
        let ends: Vec<TokenId> = std::iter::once(end)
            .chain((0..size).filter(|&token| model.is_end(token)).map(Token::cast_unsigned))
            .collect();
        let words: Vec<Vec<u8>> = (0..size).map(|token| word(model, token)).collect();
        let info = TokRxInfo::new(size.cast_unsigned(), end);
        let trie = TokTrie::from(&info, &words).with_eos_tokens(&ends);
        let environment: TokEnv = Arc::new(Vocabulary { model: model.clone(), trie });
        let capabilities = InferenceCapabilities { ff_tokens: true, ..Default::default() };
        let slices = llguidance::earley::SlicedBiasComputer::general_slices();
        let mut factory = ParserFactory::new(&environment, capabilities, &slices)
            .map_err(|error| GrammarError(error.to_string()))?;
        factory.quiet();
        Ok(Grammars { factory })
    }

    /// One JSON value of this schema, without white space between its parts: small models fill it up.
    pub fn of_schema(&self, schema: &Value) -> Result<Grammar, GrammarError> {
        let mut schema = schema.clone();
        if let Some(schema) = schema.as_object_mut() {
            schema.insert("x-guidance".into(), json!({ "whitespace_flexible": false }));
        }
        let parser = self.factory.create_parser(TopLevelGrammar::from_json_schema(schema));
        let matcher = Matcher::new(parser);
        match matcher.get_error() {
            Some(error) => Err(GrammarError(error)),
            None => Ok(Grammar { matcher }),
        }
    }
}

fn word(model: &Model, token: Token) -> Vec<u8> {
    let bytes = model.bytes_of(token, false);
    if !bytes.is_empty() && !model.is_control(token) {
        return bytes;
    }
    let mut special = vec![TokTrie::SPECIAL_TOKEN_MARKER];
    special.extend(model.bytes_of(token, true));
    special
}

/// One value in the making.
pub struct Grammar {
    matcher: Matcher,
}

impl Grammar {
    /// Candidates that may come next, or none if the value cannot go on. An end of the reply is among them
    /// only if the value is complete.
    pub fn candidates(&mut self, logits: &[f32], into: &mut Vec<Candidate>) -> bool {
        let Ok(mask) = self.matcher.compute_mask_or_eos() else { return false };
        into.clear();
        mask.iter_set_entries(|index| {
            if let (Some(&logit), Ok(token)) = (logits.get(index), Token::try_from(index)) {
                into.push(Candidate { token, logit });
            }
        });
        !into.is_empty()
    }

    /// Takes a token; false if it did not fit.
    pub fn accept(&mut self, token: Token) -> bool {
        self.matcher.consume_token(token.cast_unsigned()).is_ok()
    }

    /// Tokens that must follow; they are taken.
    pub fn forced(&mut self) -> Vec<Token> {
        self.matcher.consume_ff_tokens().into_iter().map(TokenId::cast_signed).collect()
    }

    /// The value is complete, and could end here.
    pub fn is_complete(&mut self) -> bool {
        self.matcher.is_accepting().unwrap_or(false)
    }

    /// The value is complete, and cannot go on.
    pub fn is_over(&self) -> bool {
        self.matcher.is_stopped()
    }
}
