//! Nearness in meaning, word by word: each word of a question finds the word of a document that means most
//! nearly the same (MaxSim of ColBERT, Khattab and Zaharia 2020).
//!
//! The vectors of a document are kept as whole numbers of 8 bits with one scale per word. The form:
//! a byte 1, then dimensions and number of words as 16 bits each, then per word its scale as 16 bits (65535
//! stands for a largest component of 1) and its components. All numbers begin with their low byte.

/// What the form begins with.
const FORM: u8 = 1;
const HEAD_BYTES: usize = 5;
const SCALE_BYTES: usize = 2;
/// Words of a document that are kept.
pub const WORDS_KEPT_MAX: usize = 256;
const SCALE_UNIT: f32 = 65535.0;
const COMPONENT_MAX: f32 = 127.0;

/// Writes the vectors of a document's words. All have the same number of components, each from -1 to 1.
pub fn encode<'a>(vectors: impl IntoIterator<Item = &'a [f32]>) -> Vec<u8> {
    let vectors: Vec<&[f32]> = vectors.into_iter().take(WORDS_KEPT_MAX).collect();
    let dimensions = vectors.first().map_or(0, |vector| vector.len()).min(usize::from(u16::MAX));
    let mut bytes = Vec::with_capacity(HEAD_BYTES + vectors.len() * (SCALE_BYTES + dimensions));
    bytes.push(FORM);
    bytes.extend((dimensions as u16).to_le_bytes());
    bytes.extend((vectors.len() as u16).to_le_bytes());
    for vector in vectors {
        let (largest, components) = quantised(&vector[..dimensions.min(vector.len())]);
        bytes.extend(((largest * SCALE_UNIT).round() as u16).to_le_bytes());
        bytes.extend(components.iter().map(|component| component.to_le_bytes()[0]));
        bytes.resize(bytes.len() + dimensions - components.len(), 0);
    }
    bytes
}

fn quantised(vector: &[f32]) -> (f32, Vec<i8>) {
    let largest = vector.iter().fold(0.0, |most: f32, component| most.max(component.abs())).min(1.0);
    let factor = if largest > 0.0 { COMPONENT_MAX / largest } else { 0.0 };
    let whole = |component: &f32| (component * factor).round().clamp(-COMPONENT_MAX, COMPONENT_MAX) as i8;
    (largest, vector.iter().map(whole).collect())
}

/// The words of a question: what they mean, and how much each matters.
#[derive(Clone, Debug, Default)]
pub struct QuestionVectors {
    dimensions: usize,
    words: Vec<QuestionWord>,
    weight_sum: f32,
}

#[derive(Clone, Debug)]
struct QuestionWord {
    scale: f32,
    components: Vec<i8>,
    weight: f32,
}

/// How near a document comes to each word of a question, -1 to 1.
pub(super) type Nearness = Vec<f32>;

impl QuestionVectors {
    /// From vectors and their weights; words of no weight are dropped.
    pub fn new<'a>(vectors: impl IntoIterator<Item = (&'a [f32], f32)>) -> QuestionVectors {
        let mut question = QuestionVectors::default();
        for (vector, weight) in vectors.into_iter().filter(|(_, weight)| *weight > 0.0) {
            let (largest, components) = quantised(vector);
            question.dimensions = components.len();
            question.weight_sum += weight;
            question.words.push(QuestionWord { scale: largest / COMPONENT_MAX, components, weight });
        }
        question
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// How near a document comes to each word; `None` if its bytes are none of ours or of another size.
    pub(super) fn nearness(&self, document: &[u8]) -> Option<Nearness> {
        let (dimensions, words) = read(document)?;
        if dimensions != self.dimensions && !words.is_empty() {
            return None;
        }
        let mut best = vec![0.0f32; self.words.len()];
        let mut first = true;
        for word in words.chunks_exact(SCALE_BYTES + dimensions.max(1)) {
            let (scale, components) = word.split_at(SCALE_BYTES);
            let scale = f32::from(u16::from_le_bytes([scale[0], scale[1]])) / SCALE_UNIT / COMPONENT_MAX;
            for (best, asked) in best.iter_mut().zip(&self.words) {
                let cosine = dot(&asked.components, components) as f32 * scale * asked.scale;
                *best = if first { cosine } else { best.max(cosine) };
            }
            first = false;
        }
        Some(best)
    }

    /// The mean over the words, by weight.
    pub(super) fn mean(&self, nearness: impl Iterator<Item = f32>) -> f32 {
        let sum: f32 = self.words.iter().zip(nearness).map(|(word, near)| word.weight * near).sum();
        if self.weight_sum > 0.0 { sum / self.weight_sum } else { 0.0 }
    }
}

fn read(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (head, words) = bytes.split_at_checked(HEAD_BYTES)?;
    let dimensions = usize::from(u16::from_le_bytes([head[1], head[2]]));
    let number = usize::from(u16::from_le_bytes([head[3], head[4]]));
    (head[0] == FORM && words.len() == number * (SCALE_BYTES + dimensions)).then_some((dimensions, words))
}

/// In this form the compiler makes it one of vector instructions.
fn dot(a: &[i8], b: &[u8]) -> i32 {
    a.iter().zip(b).map(|(a, b)| i32::from(i16::from(*a) * i16::from(i8::from_le_bytes([*b])))).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_word_finds_the_nearest() {
        let document = encode([&[1.0, 0.0, 0.0][..], &[0.6, 0.8, 0.0]]);
        let question = QuestionVectors::new([(&[0.0, 1.0, 0.0][..], 1.0), (&[1.0, 0.0, 0.0], 3.0)]);
        let nearness = question.nearness(&document).expect("reads");
        assert!((nearness[0] - 0.8).abs() < 0.01 && (nearness[1] - 1.0).abs() < 0.01, "{nearness:?}");
        assert!((question.mean(nearness.into_iter()) - 0.95).abs() < 0.01);
    }

    #[test]
    fn a_document_without_words_is_near_nothing() {
        let empty = encode([]);
        let question = QuestionVectors::new([(&[1.0, 0.0][..], 1.0), (&[0.0, 1.0], 0.0)]);
        assert_eq!(question.nearness(&empty), Some(vec![0.0]));
    }

    #[test]
    fn foreign_bytes_are_refused() {
        let question = QuestionVectors::new([(&[1.0, 0.0][..], 1.0)]);
        let good = encode([&[1.0, 0.0][..]]);
        assert!(question.nearness(&good).is_some());
        assert_eq!(question.nearness(&good[..good.len() - 1]), None);
        assert_eq!(question.nearness(&encode([&[1.0, 0.0, 0.0][..]])), None, "other dimensions");
        assert_eq!(question.nearness(b""), None);
        assert_eq!(question.nearness(&[2, 0, 0, 0, 0]), None, "another form");
    }

    proptest! {
        #[test]
        fn cosines_survive_the_form(a in prop::collection::vec(-1.0f32..1.0, 96), b in prop::collection::vec(-1.0f32..1.0, 96)) {
            let norm = |v: &[f32]| v.iter().map(|x| x * x).sum::<f32>().sqrt();
            let unit = |v: Vec<f32>| { let n = norm(&v).max(1e-6); v.into_iter().map(|x| x / n).collect::<Vec<f32>>() };
            let (a, b) = (unit(a), unit(b));
            let exact: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
            let question = QuestionVectors::new([(&a[..], 1.0)]);
            let near = question.nearness(&encode([&b[..]])).expect("reads")[0];
            prop_assert!((near - exact).abs() < 0.02, "{near} for {exact}");
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let question = QuestionVectors::new([(&[1.0, 0.0][..], 1.0)]);
            let _ = question.nearness(&bytes);
        }
    }
}
