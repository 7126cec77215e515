//! What the vectors mean.

use meddah_embedding::{EmbeddingErrorKind, Encoder, TOKEN_DIMENSIONS, WHOLE_DIMENSIONS};

use crate::model_file;

fn dot(left: &[f32], right: &[f32]) -> f32 {
    left.iter().zip(right).map(|(left, right)| left * right).sum()
}

/// Computed by another program: Python's onnxruntime and tokenizers on the same file, mean over the tokens,
/// divided by its length. The first eight numbers, and the sum of every seventh.
const GOLDEN: [(&str, [f32; 8], f32); 3] = [
    (
        "Where is the brass key to the cellar?",
        [-0.03073, 0.06148, -0.06681, 0.01354, -0.04234, 0.04333, 0.00656, 0.00336],
        -0.07500,
    ),
    (
        "Mira: The cellar has been locked since the winter my husband died, and I do not give that key to strangers.",
        [-0.03196, -0.01179, 0.02287, 0.01449, 0.01698, 0.05828, 0.04443, -0.07595],
        0.09365,
    ),
    ("Who are you?", [-0.02953, 0.07421, 0.07637, 0.06658, 0.00770, -0.07792, 0.07478, 0.03062], 0.22053),
];

#[test]
fn vectors_of_texts_are_those_of_another_program() {
    let encoder = Encoder::open(&model_file()).unwrap();
    for (text, head, every_seventh) in GOLDEN {
        let whole = encoder.embed(text).unwrap().whole;
        assert_eq!(whole.len(), WHOLE_DIMENSIONS);
        // Weights of 8 bits are multiplied in another order, and a rounding may fall to the other side.
        for (ours, golden) in whole.iter().zip(head) {
            assert!((ours - golden).abs() < 2e-3, "{text}: {:?}", &whole[..8]);
        }
        let sum: f32 = whole.iter().step_by(7).sum();
        assert!((sum - every_seventh).abs() < 1e-2, "{text}: {sum}");
    }
}

#[test]
fn a_paraphrase_is_nearer_than_another_matter() {
    let encoder = Encoder::open(&model_file()).unwrap();
    let whole = |text| encoder.embed(text).unwrap().whole;
    for (text, paraphrase, other) in [
        (
            "Where did you hide the treasure?",
            "In which place is the gold buried?",
            "My sister bakes bread on Sundays.",
        ),
        (
            "The blacksmith's son went missing.",
            "Nobody has seen the smith's boy for days.",
            "Ale costs two coins.",
        ),
    ] {
        let (text, paraphrase, other) = (whole(text), whole(paraphrase), whole(other));
        let (near, far) = (dot(&text, &paraphrase), dot(&text, &other));
        assert!(near > far + 0.2, "{near} {far}");
    }
}

#[test]
fn tokens_of_one_meaning_are_near_after_the_projection() {
    let encoder = Encoder::open(&model_file()).unwrap();
    let text = "The smith forged a sword.";
    let left = encoder.embed(text).unwrap().tokens;
    let words: Vec<&str> = left.iter().map(|token| &text[token.bytes.clone()]).collect();
    assert_eq!(words, ["smith", "forged", "sword"]);
    let right = encoder.embed("He carries a long blade.").unwrap().tokens;
    let best = |token: &[f32]| right.iter().map(|other| dot(token, &other.vector)).fold(-1.0, f32::max);
    assert!(best(&left[2].vector) > best(&left[0].vector), "a sword is more of a blade than a smith is");
    for token in left.iter().chain(&right) {
        assert_eq!(token.vector.len(), TOKEN_DIMENSIONS);
        assert!((dot(&token.vector, &token.vector) - 1.0).abs() < 1e-4);
    }
}

#[test]
fn a_text_without_a_word_that_means_something_has_one_vector() {
    let encoder = Encoder::open(&model_file()).unwrap();
    for text in ["", "   ", "?!…", "who are you?"] {
        let embedding = encoder.embed(text).unwrap();
        assert_eq!(embedding.tokens.len(), 1, "{text:?}");
        assert_eq!(embedding.tokens[0].bytes, 0..text.len());
        assert!((dot(&embedding.whole, &embedding.whole) - 1.0).abs() < 1e-4, "{text:?}");
    }
}

#[test]
fn a_long_text_is_embedded_by_its_head() {
    let encoder = Encoder::open(&model_file()).unwrap();
    let head = "The old mill burned down in autumn, and the miller never came back. ".repeat(40);
    let long = format!("{head}{}", "Something else entirely. ".repeat(20_000));
    assert_eq!(encoder.embed(&head).unwrap().whole, encoder.embed(&long).unwrap().whole);
    assert_eq!(encoder.count_tokens(&long), 256);
}

#[test]
fn a_file_that_is_something_else_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.onnx");
    let kind = || Encoder::open(&file).err().map(|error| (error.kind, error.help.is_empty()));
    assert_eq!(kind(), Some((EmbeddingErrorKind::NotFound, false)));
    let whole = std::fs::read(model_file()).unwrap();
    for bytes in [&b""[..], b"GGUF", b"\x08\x07 no protobuf", &whole[..100_000], &whole[..whole.len() / 2]] {
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(kind(), Some((EmbeddingErrorKind::BadModel, false)), "{} bytes", bytes.len());
    }
}
