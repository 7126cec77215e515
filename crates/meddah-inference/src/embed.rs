//! The port to text as vectors: what means nearly the same lies near.
//!
//! An [`Embedder`] is derived from text alone, so its vectors are kept by the hash of the text and the
//! embedder's [name](Embedder::name), and every branch of a timeline shares them.

use std::ops::Range;

use async_trait::async_trait;

use crate::ModelError;

/// One text as vectors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embedding {
    /// The text as a whole: the mean of its tokens, of length 1.
    pub whole: Vec<f32>,
    /// What it is made of, without function words and punctuation. Never empty: a text of such words alone has
    /// one vector, which stands for all of it.
    pub tokens: Vec<TokenVector>,
}

/// One piece of a text: a word, or part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenVector {
    /// Where the word that it is part of stands in the text, in bytes.
    pub bytes: Range<usize>,
    /// [`Embedder::token_dimensions`] numbers, of length 1.
    pub vector: Vec<f32>,
}

/// Anything that turns text into vectors.
#[async_trait]
pub trait Embedder: Send + Sync {
    /// Which vectors these are; those of another name cannot be compared with them.
    fn name(&self) -> &str;

    /// How long the vectors of tokens are.
    fn token_dimensions(&self) -> usize;

    /// One text. The same text gives the same vectors. A text longer than the model's window is embedded by its
    /// beginning.
    ///
    /// Texts are done one after the other. Who has many awaits each before the next, so that the question of a
    /// player in between waits for one of them and not for all.
    async fn embed(&self, text: &str) -> Result<Embedding, ModelError>;

    /// How many tokens of the text are read. Unless the model can say, its words.
    fn count_tokens(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

/// A deterministic double for tests: vectors from the hash of each word. It knows no meaning: only the same
/// words lie near each other. Never chosen by itself.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScriptedEmbedder;

/// Of the double's vectors of whole texts.
const WHOLE_DIMENSIONS: usize = 384;
/// Of the double's vectors of tokens.
const TOKEN_DIMENSIONS: usize = 64;
/// The function words that the double drops; a real embedder knows many more.
const DROPPED: [&str; 16] =
    ["a", "an", "the", "is", "are", "was", "of", "to", "in", "and", "i", "you", "it", "do", "what", "who"];

#[async_trait]
impl Embedder for ScriptedEmbedder {
    fn name(&self) -> &str {
        "scripted"
    }

    fn token_dimensions(&self) -> usize {
        TOKEN_DIMENSIONS
    }

    async fn embed(&self, text: &str) -> Result<Embedding, ModelError> {
        let words = words(text);
        let mut whole = vec![0.0; WHOLE_DIMENSIONS];
        for (_, word) in &words {
            for (sum, number) in whole.iter_mut().zip(vector_of(word, WHOLE_DIMENSIONS)) {
                *sum += number;
            }
        }
        if words.is_empty() {
            whole = vector_of("", WHOLE_DIMENSIONS);
        }
        let mut tokens: Vec<TokenVector> = words
            .into_iter()
            .filter(|(_, word)| !DROPPED.contains(&word.as_str()))
            .map(|(bytes, word)| TokenVector { bytes, vector: vector_of(&word, TOKEN_DIMENSIONS) })
            .collect();
        if tokens.is_empty() {
            tokens.push(TokenVector { bytes: 0..text.len(), vector: vector_of("", TOKEN_DIMENSIONS) });
        }
        Ok(Embedding { whole: unit(whole), tokens })
    }
}

/// Runs of letters and digits, in lower case.
fn words(text: &str) -> Vec<(Range<usize>, String)> {
    let mut words = Vec::new();
    let mut begin = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match (begin, character.is_alphanumeric()) {
            (None, true) => begin = Some(at),
            (Some(from), false) => {
                words.push((from..at, text[from..at].to_lowercase()));
                begin = None;
            }
            _ => {}
        }
    }
    words
}

/// A direction that belongs to this word alone: numbers between -1 and 1 from its FNV-1a hash by SplitMix64.
fn vector_of(word: &str, dimensions: usize) -> Vec<f32> {
    let mut state = word.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
    };
    unit((0..dimensions).map(|_| next()).collect())
}

fn unit(vector: Vec<f32>) -> Vec<f32> {
    let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
    vector.into_iter().map(|number| number / length.max(f32::MIN_POSITIVE)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embed(text: &str) -> Embedding {
        futures::executor::block_on(ScriptedEmbedder.embed(text)).unwrap()
    }

    fn dot(left: &[f32], right: &[f32]) -> f32 {
        left.iter().zip(right).map(|(left, right)| left * right).sum()
    }

    #[test]
    fn the_double_knows_the_same_words_again() {
        let left = embed("Where is the brass key?");
        assert_eq!(left, embed("Where is the brass key?"));
        let near = dot(&left.whole, &embed("A brass key, there.").whole);
        let far = dot(&left.whole, &embed("Rain fell on Tuesday.").whole);
        assert!(near > far + 0.2, "{near} {far}");
        assert!((dot(&left.whole, &left.whole) - 1.0).abs() < 1e-5);
    }

    #[test]
    fn tokens_say_where_their_words_stand() {
        let text = "The Ärger of Mira's key";
        let embedding = embed(text);
        let words: Vec<&str> = embedding.tokens.iter().map(|token| &text[token.bytes.clone()]).collect();
        assert_eq!(words, ["Ärger", "Mira", "s", "key"]);
        assert!(
            embedding.tokens.iter().all(|token| token.vector.len() == ScriptedEmbedder.token_dimensions())
        );
    }

    #[test]
    fn no_text_is_without_a_vector() {
        for text in ["", "...", "who are you?"] {
            let embedding = embed(text);
            assert_eq!(embedding.tokens.len(), 1, "{text}");
            assert_eq!(embedding.tokens[0].bytes, 0..text.len());
            assert!(embedding.whole.iter().all(|number| number.is_finite()));
        }
    }
}
