//! A text as the pieces of words that the model knows.

use std::ops::Range;

use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{TokenizerBuilder, TokenizerImpl, TruncationParams};

use crate::EmbeddingError;
use crate::function_words::is_function_word;

/// The vocabulary of BERT in lower case, 30 522 pieces, one a line (Apache-2.0, as the model).
const VOCABULARY: &[u8] = include_bytes!("vocabulary.txt");
/// What the model was trained to read at once, with the two tokens around it; the rest of a text is not read.
pub const WINDOW_TOKENS_MAX: usize = 256;
/// As much of a text is cut into pieces: far more than the window holds.
const TEXT_BYTES_MAX: usize = 16 * 1024;

type BertTokenizer =
    TokenizerImpl<WordPiece, BertNormalizer, BertPreTokenizer, BertProcessing, WordPieceDecoder>;

/// Cuts texts into pieces.
pub(crate) struct Tokens(BertTokenizer);

/// A text as the model reads it.
pub(crate) struct Cut {
    /// Numbers of the pieces, the marks of begin and end among them.
    pub ids: Vec<i32>,
    /// For each piece the place of its whole word, if it is a word that carries meaning.
    pub words: Vec<Option<Range<usize>>>,
}

impl Tokens {
    pub fn new() -> Result<Tokens, EmbeddingError> {
        let vocabulary = WordPiece::read_bytes(VOCABULARY).map_err(EmbeddingError::broken)?;
        let model = WordPiece::builder().vocab(vocabulary).build().map_err(EmbeddingError::broken)?;
        let built = TokenizerBuilder::new()
            .with_model(model)
            // Control characters away, Chinese characters apart, lower case, and with it accents away.
            .with_normalizer(Some(BertNormalizer::new(true, true, None, true)))
            .with_pre_tokenizer(Some(BertPreTokenizer))
            .with_post_processor(Some(BertProcessing::default()))
            .with_decoder(Some(WordPieceDecoder::default()))
            .with_truncation(Some(TruncationParams { max_length: WINDOW_TOKENS_MAX, ..Default::default() }))
            .with_padding(None)
            .build();
        Ok(Tokens(built.map_err(EmbeddingError::broken)?))
    }

    pub fn cut(&self, text: &str) -> Result<Cut, EmbeddingError> {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
        let encoding = self.0.encode(text, true).map_err(EmbeddingError::broken)?;
        let ids = encoding.get_ids().iter().map(|id| *id as i32).collect();
        let places = encoding.get_word_ids().iter().zip(encoding.get_offsets());
        let mut words: Vec<Option<(u32, Range<usize>)>> =
            places.map(|(word, place)| word.map(|word| (word, place.0..place.1))).collect();
        spread(&mut words);
        let meant = |word: Option<(u32, Range<usize>)>| {
            word.map(|(_, place)| place).filter(|p| means(&text[p.clone()]))
        };
        Ok(Cut { ids, words: words.into_iter().map(meant).collect() })
    }
}

/// Gives each piece the place of its whole word. Pieces of a word follow each other.
fn spread(pieces: &mut [Option<(u32, Range<usize>)>]) {
    let same = |left: &Option<(u32, _)>, right: &Option<(u32, _)>| match (left, right) {
        (Some((left, _)), Some((right, _))) => left == right,
        _ => false,
    };
    for word in pieces.chunk_by_mut(same) {
        let end = word.iter().flatten().map(|(_, place)| place.end).max();
        let Some((begin, end)) = word.iter().flatten().map(|(_, place)| place.start).min().zip(end) else {
            continue;
        };
        word.iter_mut().flatten().for_each(|(_, place)| *place = begin..end);
    }
}

/// Whether a word says what a sentence is about: neither punctuation nor a function word.
fn means(word: &str) -> bool {
    word.chars().any(char::is_alphanumeric) && !is_function_word(&word.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<&str> {
        let cut = Tokens::new().unwrap().cut(text).unwrap();
        assert_eq!(cut.ids.len(), cut.words.len());
        cut.words.into_iter().flatten().map(|place| &text[place]).collect()
    }

    #[test]
    fn pieces_know_their_whole_word() {
        // Two pieces of one word name the same place.
        assert_eq!(
            words("The innkeeper's Meddah, Ärger."),
            ["innkeeper", "innkeeper", "Meddah", "Meddah", "Ärger", "Ärger"]
        );
    }

    #[test]
    fn function_words_and_signs_are_left_out() {
        assert_eq!(words("I DON'T know -- what is it?!"), ["know"]);
        assert_eq!(words("who are you?"), [""; 0]);
        assert_eq!(words("  \u{0} \u{301}"), [""; 0]);
    }

    #[test]
    fn pieces_are_those_of_the_model() {
        // Computed with the reference tokenizer (Python, tokenizer.json of the model).
        let cut = Tokens::new().unwrap().cut("The innkeeper's key, please.").unwrap();
        assert_eq!(cut.ids, [101, 1996, 7601, 13106, 1005, 1055, 3145, 1010, 3531, 1012, 102]);
    }

    #[test]
    fn a_long_text_is_read_by_its_head() {
        let cut = Tokens::new().unwrap().cut(&"word ".repeat(100_000)).unwrap();
        assert_eq!(cut.ids.len(), WINDOW_TOKENS_MAX);
        assert_eq!(cut.words.iter().flatten().count(), WINDOW_TOKENS_MAX - 2);
        let umlauts = "ä".repeat(TEXT_BYTES_MAX);
        assert!(Tokens::new().unwrap().cut(&umlauts).is_ok());
    }

    #[test]
    fn marks_of_the_model_in_a_text_are_only_text() {
        let cut = Tokens::new().unwrap().cut("say [SEP] or [CLS] now").unwrap();
        assert_eq!(cut.ids.iter().filter(|id| [101, 102].contains(*id)).count(), 2);
    }
}
