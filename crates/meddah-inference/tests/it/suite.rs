//! What every adapter must do, as one function that takes the dialect, and a test of each.

use std::time::{Duration, Instant};

use futures::StreamExt;
use meddah_fakes::{Dialect, Fake, Play};
use meddah_inference::{ChatRequest, Chunk, ErrorKind, ModelState};
use tokio_util::sync::CancellationToken;

use crate::kit::{PATIENCE, SECRET, WORDS, ask, ask_with, config, model, open, request};

/// Everything that the port promises.
async fn adapter_keeps_its_promises(dialect: Dialect) {
    knows_itself(dialect).await;
    streams_a_turn(dialect).await;
    passes_a_bare_prompt_through(dialect).await;
    tells_a_broken_connection_from_an_end(dialect).await;
    ends_when_cancelled_or_dropped(dialect).await;
    survives_nonsense(dialect).await;
    hides_its_key(dialect).await;
}

async fn knows_itself(dialect: Dialect) {
    let mut config = config(dialect, "http://127.0.0.1:9");
    config.context_tokens = Some(1234);
    let model = open(config);
    assert_eq!(model.label(), ("my rung".to_owned(), "online".to_owned()));
    assert_eq!(model.state(), ModelState::Ready);
    let info = model.info().await.unwrap();
    assert_eq!((info.kind.as_str(), info.context_tokens), ("online", 1234));
    assert_eq!(model.count_tokens(&["abcdefgh", ""]).await.unwrap(), [2, 0]);
}

async fn streams_a_turn(dialect: Dialect) {
    let fake = Fake::start(Play::case(dialect, "turn")).await;
    let model = model(dialect, "turn", &fake);
    // Twice: the second one goes over the connection of the first.
    for _ in 0..2 {
        let outcome = ask(&*model, request()).await;
        assert_eq!((outcome.text.trim_end(), outcome.error), (WORDS, None));
        assert_eq!(outcome.moods, ["joy"]);
        assert_eq!(outcome.actions.len(), 1);
        assert_eq!(outcome.actions[0].0, "give_item");
    }
    assert_eq!(fake.requests().len(), 2);
}

async fn passes_a_bare_prompt_through(dialect: Dialect) {
    let fake = Fake::start(Play::case(dialect, "turn")).await;
    let model = model(dialect, "turn", &fake);
    let bare = ChatRequest { decisions: Vec::new(), speech_lead: String::new(), ..request() };
    let outcome = ask(&*model, bare).await;
    // Heads are nobody's business here: they are text.
    assert!(outcome.text.contains("cheerful"), "{outcome:?}");
    assert_eq!((outcome.moods.len(), outcome.actions.len()), (0, 0));
    let sent = String::from_utf8(fake.requests()[0].body.clone()).unwrap();
    assert!(sent.contains("Mood: calm\\nDoes: nothing\\nSays: Good evening."), "{sent}");
    assert!(!sent.contains("cheerful") && !sent.contains("give_item"), "{sent}");
}

async fn tells_a_broken_connection_from_an_end(dialect: Dialect) {
    let fake = Fake::start(Play::case(dialect, "turn").with(|faults| faults.cut_after = Some(300))).await;
    let outcome = ask(&*model(dialect, "turn", &fake), request()).await;
    assert_eq!(outcome.error, Some(ErrorKind::Network), "{outcome:?}");
}

async fn ends_when_cancelled_or_dropped(dialect: Dialect) {
    let fake = Fake::start(Play::case(dialect, "turn").with(|faults| faults.hang_after = Some(400))).await;
    let model = model(dialect, "turn", &fake);
    let cancel = CancellationToken::new();
    let mut stream = model.stream(request(), cancel.clone()).await.unwrap();
    assert!(matches!(stream.next().await, Some(Ok(Chunk::Usage(_)))));
    cancel.cancel();
    let before = Instant::now();
    let mut last = None;
    while let Some(item) = stream.next().await {
        last = Some(item);
    }
    assert_eq!(last.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
    assert!(before.elapsed() < Duration::from_secs(2));
    drop(stream);
    fake.wait_for_connections(0).await.unwrap();

    let stream = model.stream(request(), CancellationToken::new()).await.unwrap();
    drop(stream);
    fake.wait_for_connections(0).await.unwrap();

    fake.set_play(Play::case(dialect, "turn").with(|faults| faults.hang_before_head = true));
    let asked = ask_with(&*model, request(), cancel);
    assert_eq!(tokio::time::timeout(PATIENCE, asked).await.unwrap().error, Some(ErrorKind::Cancelled));
}

async fn survives_nonsense(dialect: Dialect) {
    let play = || Play::case(dialect, "turn");
    let fake = Fake::start(play().with(|faults| faults.garbage = 100_000)).await;
    let model = model(dialect, "turn", &fake);
    // A stream may find its feet again behind the nonsense; that it ends is what counts.
    ask(&*model, request()).await;
    for endless in ["x".repeat(65_536), "\n".repeat(65_536), ": comment\n".repeat(6554)] {
        let endless = |faults: &mut meddah_fakes::Faults| {
            faults.cut_after = None;
            faults.endless = Some(endless.clone().into_bytes());
        };
        let empty = meddah_fakes::Transcript { steps: Vec::new(), ..play().transcript };
        fake.set_play(Play::new(dialect, empty).with(endless));
        let outcome = ask(&*model, request()).await;
        assert_eq!(outcome.error, Some(ErrorKind::Protocol), "{outcome:?}");
    }
}

async fn hides_its_key(dialect: Dialect) {
    let fake = Fake::start(Play::answer(
        dialect,
        "400 Bad Request",
        &[("content-type", "application/json")],
        &format!(r#"{{"error":{{"message":"bad {SECRET} in Bearer {SECRET}"}}}}"#),
    ))
    .await;
    let mut config = config(dialect, &fake.base_url);
    config.headers.insert("x-gateway-token".into(), format!("{SECRET}-too"));
    config.extra.insert("user".into(), SECRET.chars().rev().collect::<String>().into());
    assert!(!format!("{config:?}").contains("0123456789"));
    assert!(!format!("{config:#?}").contains("9876543210"));
    let outcome = ask(&*open(config), request()).await;
    assert_eq!(outcome.error, Some(ErrorKind::BadRequest));
    assert!(!outcome.error_text.contains(&SECRET[..12]), "{}", outcome.error_text);
    assert!(outcome.error_text.contains("bad ***"), "{}", outcome.error_text);
    let asked = &fake.requests()[0];
    assert!(!asked.path.contains(SECRET) && !String::from_utf8_lossy(&asked.body).contains(SECRET));
    assert!(asked.headers.iter().any(|(_, value)| value.contains(SECRET)));
}

macro_rules! suite {
    ($($name:ident: $dialect:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                adapter_keeps_its_promises(Dialect::$dialect).await;
            }
        )*
    };
}

suite! {
    openai: OpenAi,
    responses: Responses,
    anthropic: Anthropic,
    gemini: Gemini,
    groq: Groq,
    openrouter: OpenRouter,
    deepseek: DeepSeek,
    xai: Xai,
    mistral: Mistral,
    vllm: Vllm,
    llama_server: LlamaServer,
    lm_studio: LmStudio,
    text_generation_webui: TextGenerationWebui,
    koboldcpp: KoboldCpp,
    koboldcpp_openai: KoboldCppOpenAi,
    ollama: Ollama,
    player2: Player2,
    inworld: Inworld,
}
