//! One text through the model, in the calling thread.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use meddah_inference::{Embedding, TokenVector};
use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool};
use rten_tensor::NdTensor;
use rten_tensor::prelude::*;
use sha2::{Digest as _, Sha256};

use crate::EmbeddingError;
use crate::projection::{Projection, VERSION, normalise};
use crate::tokens::Tokens;

/// Numbers of the vector of a text.
pub const WHOLE_DIMENSIONS: usize = 384;
/// Numbers of the vector of a token, after the projection.
pub const TOKEN_DIMENSIONS: usize = 64;
/// A larger file is another model.
const MODEL_BYTES_MAX: u64 = 200 * 1024 * 1024;
/// Inputs of the model, all of one number per token.
const INPUTS: [&str; 3] = ["input_ids", "attention_mask", "token_type_ids"];
/// Its output: a vector per token.
const OUTPUT: &str = "last_hidden_state";
/// What a model has to understand to be taken for the right one: the first two are nearer than the last two.
const TRIAL: [&str; 3] = ["Where is the key?", "I am looking for my key.", "It rained all of Tuesday."];

/// The model with all it needs.
pub struct Encoder {
    name: String,
    model: Model,
    inputs: [NodeId; 3],
    output: NodeId,
    tokens: Tokens,
    projection: Projection,
    one_core: Arc<ThreadPool>,
}

/// What the model makes of a text.
#[derive(Clone, Debug)]
pub struct States {
    /// The mean over all pieces, of length 1.
    pub whole: Vec<f32>,
    /// The mark at the beginning, which stands for all of the text; of length 1.
    pub beginning: Vec<f32>,
    /// The pieces of words that carry meaning.
    pub pieces: Vec<Piece>,
}

/// One piece of a word.
#[derive(Clone, Debug)]
pub struct Piece {
    /// Where its whole word stands in the text.
    pub bytes: Range<usize>,
    /// [`WHOLE_DIMENSIONS`] numbers, of length 1.
    pub state: Vec<f32>,
}

impl Encoder {
    /// Reads the model file, and tries it on three sentences. Takes a fraction of a second and blocks.
    pub fn open(file: &Path) -> Result<Encoder, EmbeddingError> {
        let unreadable = |error| EmbeddingError::unreadable(file, &error);
        let bytes_total = std::fs::metadata(file).map_err(unreadable)?.len();
        if bytes_total > MODEL_BYTES_MAX {
            return Err(EmbeddingError::bad_model(format!("{} MB are too many", bytes_total / 1_000_000)));
        }
        let bytes = std::fs::read(file).map_err(unreadable)?;
        let digest = Sha256::digest(&bytes);
        let content: String = digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        let model = ModelOptions::with_all_ops().prepack_weights(true).load(bytes);
        let model = model.map_err(EmbeddingError::bad_model)?;
        let node = |name| model.node_id(name).map_err(EmbeddingError::bad_model);
        let encoder = Encoder {
            name: format!("all-minilm-l6-v2-{content}-{VERSION}"),
            inputs: [node(INPUTS[0])?, node(INPUTS[1])?, node(INPUTS[2])?],
            output: node(OUTPUT)?,
            model,
            tokens: Tokens::new()?,
            projection: Projection::shipped(),
            one_core: Arc::new(ThreadPool::with_num_threads(1)),
        };
        encoder.try_out()?;
        Ok(encoder)
    }

    /// Which vectors these are: the model, its content, and the projection.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many pieces of a text are read, the two marks among them.
    pub fn count_tokens(&self, text: &str) -> usize {
        self.tokens.cut(text).map_or(0, |cut| cut.ids.len())
    }

    /// A text as the port wants it.
    pub fn embed(&self, text: &str) -> Result<Embedding, EmbeddingError> {
        let states = self.states(text)?;
        let mut tokens: Vec<TokenVector> = states
            .pieces
            .into_iter()
            .map(|piece| TokenVector { bytes: piece.bytes, vector: self.projection.project(&piece.state) })
            .collect();
        if tokens.is_empty() {
            let vector = self.projection.project(&states.beginning);
            tokens.push(TokenVector { bytes: 0..text.len(), vector });
        }
        Ok(Embedding { whole: states.whole, tokens })
    }

    /// A text as the model sees it, before the projection.
    pub fn states(&self, text: &str) -> Result<States, EmbeddingError> {
        let cut = self.tokens.cut(text)?;
        let rows = self.run(cut.ids)?;
        let mut whole = vec![0.0; WHOLE_DIMENSIONS];
        for row in &rows {
            whole.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        normalise(&mut whole);
        let mut rows = rows.into_iter().map(|mut row| {
            normalise(&mut row);
            row
        });
        let beginning = rows.next().unwrap_or_default();
        let words = cut.words.into_iter().skip(1);
        let pieces =
            rows.zip(words).filter_map(|(state, word)| Some(Piece { bytes: word?, state })).collect();
        Ok(States { whole, beginning, pieces })
    }

    /// A vector per piece.
    fn run(&self, ids: Vec<i32>) -> Result<Vec<Vec<f32>>, EmbeddingError> {
        let shape = [1, ids.len()];
        let row = |numbers: Vec<i32>| NdTensor::from_data(shape, numbers).into_dyn().into();
        let inputs = vec![
            (self.inputs[1], row(vec![1; ids.len()])),
            (self.inputs[2], row(vec![0; ids.len()])),
            (self.inputs[0], row(ids)),
        ];
        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(&self.one_core)));
        let [states] =
            self.model.run_n(inputs, [self.output], Some(options)).map_err(EmbeddingError::broken)?;
        let states: NdTensor<f32, 3> = states.try_into().map_err(EmbeddingError::broken)?;
        if states.shape() != [shape[0], shape[1], WHOLE_DIMENSIONS] {
            return Err(EmbeddingError::bad_model(format!("it gives {:?} numbers", states.shape())));
        }
        Ok(states.to_vec().chunks_exact(WHOLE_DIMENSIONS).map(<[f32]>::to_vec).collect())
    }

    /// A model that loads may still be another one, or one that this build runs wrongly.
    fn try_out(&self) -> Result<(), EmbeddingError> {
        let [question, near, far] = TRIAL.map(|text| self.states(text).map(|states| states.whole));
        let (question, near, far) = (question?, near?, far?);
        let cosine = |other: &[f32]| crate::projection::dot(&question, other);
        // Also false for numbers that are none.
        if cosine(&near) > cosine(&far) + TRIAL_MARGIN {
            return Ok(());
        }
        Err(EmbeddingError::bad_model("it does not tell sentences apart that mean different things"))
    }
}

/// By how much. The right model has a difference of about 0.7.
const TRIAL_MARGIN: f32 = 0.3;
