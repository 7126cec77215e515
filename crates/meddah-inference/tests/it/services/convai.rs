//! Convai, both APIs.

use meddah_fakes::services::FakeConvai;
use meddah_fakes::{case_names, transcript};
use meddah_inference::Key;

use super::*;

fn service(fake: &FakeConvai, api: &str, key: &str) -> Service {
    opened(ServiceConfig {
        name: "convai".into(),
        service: "convai".into(),
        base_url: Some(fake.base_url().to_owned()),
        key: Some(Key::new(key)),
        characters: [("mirela".to_owned(), FakeConvai::CHARACTER.to_owned())].into(),
        options: options(json!({"api": api})),
    })
}

fn stream(fake: &FakeConvai) -> Service {
    service(fake, "stream", FakeConvai::KEY)
}

fn classic(fake: &FakeConvai) -> Service {
    service(fake, "classic", FakeConvai::KEY)
}

#[tokio::test]
async fn a_turn_is_streamed_and_the_session_goes_on_until_it_is_forgotten() {
    let fake = FakeConvai::start().await;
    let service = stream(&fake);
    let chunks = reply(&service, said_without_actions("Hello")).await;
    assert_eq!(chunks, [Chunk::Text("Turn".into()), Chunk::Text(" 1: you said “Hello”.".into()), done()]);
    let chunks = reply(&service, said_without_actions("Again")).await;
    assert_eq!(text_of(&chunks), "Turn 2: you said “Again”.");
    let other = ServiceRequest { conversation: "talk-2".into(), ..said_without_actions("Me?") };
    assert_eq!(text_of(&reply(&service, other).await), "Turn 1: you said “Me?”.");
    service.forget("talk-1").await;
    assert_eq!(text_of(&reply(&service, said_without_actions("Hm")).await), "Turn 1: you said “Hm”.");
    let sessions: Vec<Option<String>> =
        fake.seen().iter().map(|(_, form)| form.get("character_session_id").cloned()).collect();
    assert_eq!(sessions, [None, Some("stream-session-1".to_owned()), None, None]);
}

#[tokio::test]
async fn actions_go_over_the_classic_api_and_the_conversation_stays_there() {
    let fake = FakeConvai::start().await;
    let service = stream(&fake);
    let chunks = reply(&service, said("Please serve me a Mojito")).await;
    assert_eq!(text_of(&chunks), "Turn 1: you said “Please serve me a Mojito”.");
    assert_eq!(actions(&chunks), serve_mojito());
    let chunks = reply(&service, said_without_actions("Thanks")).await;
    assert_eq!(text_of(&chunks), "Turn 2: you said “Thanks”.");
    let seen = fake.seen();
    assert!(seen.iter().all(|(path, _)| path == "/character/getResponse"));
    let form = &seen[0].1;
    assert_eq!((form["actions"].as_str(), form["sessionID"].as_str()), ("serve, leave", "-1"));
    assert_eq!(seen[1].1["sessionID"], "classic-session-1");
    let objects: Value = serde_json::from_str(&form["objects"]).unwrap();
    assert_eq!(objects[0], json!({"name": "Mojito", "description": "Can be used with: serve."}));
    let people: Value = serde_json::from_str(&form["characters"]).unwrap();
    assert_eq!(people[2]["name"], "Old Tom");
}

#[tokio::test]
async fn what_happened_is_told_between_asterisks_and_separators_do_not_break_a_request() {
    let fake = FakeConvai::start().await;
    let service = classic(&fake);
    let mut request = said("");
    request.heard = Heard::Happened("Ada drops a plate".into());
    request.description = "Likes plates; a lot".into();
    request.actions[0].targets.push("Plate; broken".into());
    let chunks = reply(&service, request).await;
    assert_eq!(text_of(&chunks), "Turn 1: you said “*Ada drops a plate*”.");
}

#[tokio::test]
async fn a_session_that_the_service_lost_is_begun_anew() {
    let fake = FakeConvai::start().await;
    for service in [stream(&fake), classic(&fake)] {
        reply(&service, said_without_actions("One")).await;
        fake.drop_sessions();
        let chunks = reply(&service, said_without_actions("Two")).await;
        assert_eq!(text_of(&chunks), "Turn 1: you said “Two”.");
    }
}

#[tokio::test]
async fn the_odd_cases_of_the_stream_end_as_they_should() {
    let fake = FakeConvai::start().await;
    let service = stream(&fake);
    let cases: [(&str, Result<&str, ErrorKind>); 16] = [
        ("null-keys", Ok("Only once.")),
        ("stopped-right", Ok("Hello.")),
        ("feeling-and-action", Ok("Out!")),
        ("slow", Ok("One. Two.")),
        ("no-response", Ok("")),
        ("cut", Err(ErrorKind::Network)),
        ("ends-early", Err(ErrorKind::Network)),
        ("usage-limit", Err(ErrorKind::Quota)),
        ("moderation", Err(ErrorKind::Refused)),
        ("error-event", Err(ErrorKind::Broken)),
        ("garbage", Err(ErrorKind::Protocol)),
        ("not-a-stream", Err(ErrorKind::Protocol)),
        ("detail-429", Err(ErrorKind::RateLimited)),
        ("detail-quota", Err(ErrorKind::Quota)),
        ("detail-500", Err(ErrorKind::Broken)),
        ("hang", Err(ErrorKind::Cancelled)),
    ];
    let mut names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(names, case_names("convai-stream"), "every transcript is tested");
    for (name, expected) in cases.into_iter().filter(|(name, _)| *name != "hang") {
        fake.next_stream(transcript("convai-stream", name));
        service.forget("talk-1").await;
        let outcome = match expected {
            Ok(_) => Ok(text_of(&reply(&service, said_without_actions("Hello")).await)),
            Err(_) => Err(failure(&service, said_without_actions("Hello")).await.kind),
        };
        assert_eq!(outcome.as_deref(), expected.as_ref().map(|text| *text), "{name}");
    }
}

#[tokio::test]
async fn feelings_come_before_words_and_actions_after_the_last_of_them_still_count() {
    let fake = FakeConvai::start().await;
    fake.next_stream(transcript("convai-stream", "feeling-and-action"));
    let service = stream(&fake);
    let mut stream = service.stream(said_without_actions("Hm"), CancellationToken::new()).await.unwrap();
    let first = stream.next().await.unwrap().unwrap();
    assert_eq!(first, Chunk::Decided { decision: "emotion".into(), choice: "anger".into(), arguments: None });
    let rest: Vec<Chunk> = stream.map(Result::unwrap).collect().await;
    // No action was declared, so none is told.
    assert_eq!(rest, [Chunk::Text("Out!".into()), done()]);
}

#[tokio::test]
async fn a_pause_is_named_and_the_key_is_not() {
    let fake = FakeConvai::start().await;
    fake.next_stream(transcript("convai-stream", "detail-429"));
    let error = failure(&stream(&fake), said_without_actions("Hello")).await;
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    let key = "convai-key-9876543210";
    for api in ["stream", "classic"] {
        let error = failure(&service(&fake, api, key), said_without_actions("Hello")).await;
        assert_eq!(error.kind, ErrorKind::Unauthorized);
        assert_secret(key, &error);
    }
}

#[tokio::test]
async fn a_character_without_an_id_and_an_id_without_a_character_are_named() {
    let fake = FakeConvai::start().await;
    let stranger = ServiceRequest { character: "tom".into(), ..said_without_actions("Hello") };
    let error = failure(&stream(&fake), stranger).await;
    assert_eq!(error.message, "nobody at Convai plays \"tom\"");
    assert_eq!(error.kind, ErrorKind::UnknownModel);
    let wrong = opened(ServiceConfig {
        service: "convai".into(),
        base_url: Some(fake.base_url().to_owned()),
        key: Some(Key::new(FakeConvai::KEY)),
        characters: [("*".to_owned(), "nobody".to_owned())].into(),
        ..Default::default()
    });
    assert_eq!(failure(&wrong, said_without_actions("Hello")).await.kind, ErrorKind::UnknownModel);
}

#[tokio::test]
async fn the_odd_cases_of_the_classic_api_end_as_they_should() {
    let fake = FakeConvai::start().await;
    let service = classic(&fake);
    let cases: [(&str, Result<&str, ErrorKind>); 13] = [
        ("null-keys", Ok("Hm.")),
        ("response-only", Ok("As you wish.")),
        ("process-failure", Err(ErrorKind::Broken)),
        ("process-failure-200", Err(ErrorKind::Broken)),
        ("api-error", Err(ErrorKind::Unauthorized)),
        ("quota", Err(ErrorKind::Quota)),
        ("error-200", Err(ErrorKind::Protocol)),
        ("html", Err(ErrorKind::Overloaded)),
        ("not-json", Err(ErrorKind::Protocol)),
        ("empty-object", Err(ErrorKind::Protocol)),
        ("cut", Err(ErrorKind::Network)),
        ("endless", Err(ErrorKind::Protocol)),
        ("hang", Err(ErrorKind::Cancelled)),
    ];
    let mut names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(names, case_names("convai-classic"), "every transcript is tested");
    for (name, expected) in cases.into_iter().filter(|(name, _)| *name != "hang") {
        fake.next_classic(transcript("convai-classic", name));
        service.forget("talk-1").await;
        let outcome = match expected {
            Ok(_) => {
                let chunks = reply(&service, said("Hello")).await;
                let expected = if name == "response-only" { serve_mojito() } else { Vec::new() };
                assert_eq!(actions(&chunks), expected, "{name}");
                Ok(text_of(&chunks))
            }
            Err(_) => Err(failure(&service, said("Hello")).await.kind),
        };
        assert_eq!(outcome.as_deref(), expected.as_ref().map(|text| *text), "{name}");
    }
}

#[tokio::test]
async fn cancelling_and_dropping_close_the_connection() {
    let fake = FakeConvai::start().await;
    let service = stream(&fake);
    for by_dropping in [false, true] {
        fake.next_stream(transcript("convai-stream", "hang"));
        let cancel = CancellationToken::new();
        let mut stream = service.stream(said_without_actions("Hello"), cancel.clone()).await.unwrap();
        assert_eq!(stream.next().await.unwrap().unwrap(), Chunk::Text("Well".into()));
        fake.wait_for_open(1).await.unwrap();
        if by_dropping {
            drop(stream);
        } else {
            cancel.cancel();
            assert_eq!(stream.next().await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
        }
        fake.wait_for_open(0).await.unwrap();
    }
    // Before the first word too.
    fake.next_classic(transcript("convai-classic", "hang"));
    let cancel = CancellationToken::new();
    let (service, cancelled) = (classic(&fake), cancel.clone());
    let waiting = tokio::join!(service.stream(said("Hello"), cancel), async {
        fake.wait_for_open(1).await.unwrap();
        cancelled.cancel();
    });
    assert!(matches!(waiting.0, Err(error) if error.kind == ErrorKind::Cancelled));
    fake.wait_for_open(0).await.unwrap();
}

#[tokio::test]
async fn any_chunking_gives_the_same_reply() {
    let fake = FakeConvai::start().await;
    let service = stream(&fake);
    let bytes = transcript("convai-stream", "feeling-and-action").body();
    for size in [1, 2, 3, 7, 64] {
        let mut cut = transcript("convai-stream", "feeling-and-action");
        cut.steps = bytes.chunks(size).map(|piece| meddah_fakes::Step::Send(piece.to_vec())).collect();
        fake.next_stream(cut);
        let chunks = reply(&service, said_without_actions("Hm")).await;
        assert_eq!((text_of(&chunks).as_str(), emotions(&chunks)), ("Out!", vec!["anger".to_owned()]));
    }
}
