//! The model behind the port.

use meddah_embedding::MiniLm;
use meddah_inference::Embedder;

use crate::model_file;

#[tokio::test]
async fn the_same_text_gives_the_same_vectors_each_time() {
    let embedder = MiniLm::open(&model_file()).unwrap();
    let text = "The river floods every spring.";
    let first = embedder.embed(text).await.unwrap();
    embedder.embed("Something in between.").await.unwrap();
    assert_eq!(first, embedder.embed(text).await.unwrap());
    let other = MiniLm::open(&model_file()).unwrap();
    assert_eq!(first, other.embed(text).await.unwrap());
    assert_eq!(embedder.name(), other.name());
    assert_eq!(embedder.count_tokens(text), 8);
}

#[tokio::test]
async fn many_who_ask_at_once_get_each_their_own() {
    let embedder = MiniLm::open(&model_file()).unwrap();
    let texts: Vec<String> = (0..40).map(|number| format!("Door number {number} is locked.")).collect();
    let together = futures::future::join_all(texts.iter().map(|text| embedder.embed(text))).await;
    for (text, embedding) in texts.iter().zip(together) {
        assert_eq!(embedding.unwrap(), embedder.embed(text).await.unwrap(), "{text}");
    }
}

#[tokio::test]
async fn who_goes_away_keeps_nobody_waiting() {
    let embedder = MiniLm::open(&model_file()).unwrap();
    let long = "The old mill burned down in autumn. ".repeat(40);
    for _ in 0..100 {
        let asked = embedder.embed(&long);
        // Polled once, so that it stands in the queue, and dropped.
        tokio::select! { biased; _ = asked => {} () = std::future::ready(()) => {} }
    }
    embedder.embed("Is anybody there?").await.unwrap();
}
