//! Player2: the app, the web API, and logging in.

use meddah_fakes::Transcript;
use meddah_fakes::services::FakePlayer2;
use meddah_inference::Key;
use meddah_inference::services::player2::{LoginState, app_login, device_login};

use super::*;

fn app(fake: &FakePlayer2) -> Service {
    opened(ServiceConfig {
        name: "p2".into(),
        service: "player2".into(),
        base_url: Some(fake.base_url()),
        options: options(json!({"game_id": FakePlayer2::GAME})),
        ..Default::default()
    })
}

fn cloud(fake: &FakePlayer2, key: &str) -> Service {
    opened(ServiceConfig {
        name: "p2".into(),
        service: "player2".into(),
        base_url: Some(fake.base_url()),
        key: Some(Key::new(key)),
        ..Default::default()
    })
}

#[tokio::test]
async fn a_turn_with_an_action_works_with_every_form_of_paths() {
    let app_fake = FakePlayer2::start_app().await;
    let new_fake = FakePlayer2::start_new_app().await;
    let cloud_fake = FakePlayer2::start_cloud().await;
    let cases = [
        (app(&app_fake), &app_fake),
        (app(&new_fake), &new_fake),
        (cloud(&cloud_fake, FakePlayer2::KEY), &cloud_fake),
    ];
    for (service, fake) in cases {
        let chunks = reply(&service, said("Serve me a Mojito")).await;
        assert_eq!(text_of(&chunks), "Turn 1: you said “Serve me a Mojito”.");
        assert_eq!(actions(&chunks), serve_mojito());
        let chunks = reply(&service, said("Leave!")).await;
        assert_eq!(text_of(&chunks), "Turn 2: you said “Leave!”.");
        assert_eq!(actions(&chunks), [("leave".to_owned(), None)]);
        assert_eq!(fake.spawned().len(), 1, "one NPC for the conversation");
        fake.wait_for_open(0).await.unwrap();
    }
    let spawned = &app_fake.spawned()[0];
    assert_eq!(spawned["name"], "Mirela");
    let parameters = &spawned["commands"][1]["parameters"];
    assert_eq!(parameters["required"], json!(["target"]), "{spawned}");
    let state = app_fake.chats()[0]["game_state_info"].as_str().unwrap().to_owned();
    for line in ["Place: The tavern", "Present: Old Tom", "Targets of serve: Mojito, White Russian"] {
        assert!(state.contains(line), "{state}");
    }
}

#[tokio::test]
async fn forgetting_kills_the_npc_and_begins_anew() {
    let fake = FakePlayer2::start_app().await;
    let service = app(&fake);
    reply(&service, said("One")).await;
    service.forget("talk-1").await;
    let chunks = reply(&service, said("Two")).await;
    assert_eq!(text_of(&chunks), "Turn 1: you said “Two”.");
    let spawned = fake.spawned();
    assert_eq!(spawned.len(), 2);
    assert!(!spawned[1]["system_prompt"].as_str().unwrap().contains("One"));
    for _ in 0..500 {
        if !fake.killed().is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(fake.killed(), ["00000000-0000-4000-8000-000000000001"]);
}

#[tokio::test]
async fn an_npc_that_is_gone_is_spawned_anew_with_what_was_said() {
    let fake = FakePlayer2::start_app().await;
    let service = app(&fake);
    reply(&service, said("I am Ada")).await;
    fake.drop_npcs();
    let chunks = reply(&service, said("Who am I?")).await;
    assert_eq!(text_of(&chunks), "Turn 1: you said “Who am I?”.");
    let prompt = fake.spawned()[1]["system_prompt"].as_str().unwrap().to_owned();
    assert!(prompt.contains("Ada: I am Ada\nMirela: Turn 1: you said “I am Ada”."), "{prompt}");
}

#[tokio::test]
async fn a_new_action_needs_a_new_npc_and_fewer_do_not() {
    let fake = FakePlayer2::start_app().await;
    let service = app(&fake);
    reply(&service, said("One")).await;
    reply(&service, said_without_actions("Two")).await;
    reply(&service, said("Three")).await;
    assert_eq!(fake.spawned().len(), 1);
    let mut request = said("Dance");
    let schema =
        json!({"type": "object", "properties": {"style": {"type": "string"}}, "required": ["style"]});
    request.actions.push(ServiceAction {
        name: "dance".into(),
        arguments: Some(schema),
        ..Default::default()
    });
    let chunks = reply(&service, request).await;
    assert_eq!(actions(&chunks)[0].0, "dance");
    assert_eq!(fake.spawned().len(), 2);
    assert_eq!(fake.spawned()[1]["commands"][0]["parameters"]["required"], json!(["style"]));
}

#[tokio::test]
async fn answers_with_missing_fields_objects_and_names_are_understood() {
    let fake = FakePlayer2::start_app().await;
    let service = app(&fake);
    let cases = [
        // Lines of others, nonsense, and an answer with nothing in it come first.
        (
            "{\"npc_id\":\"somebody\",\"message\":\"Not me\"}\nnonsense\n[]\n{\"npc_id\":\"NPC\"}\n\
             {\"npc_id\":\"NPC\",\"message\":\"Me\"}\n",
            "Me",
            vec![],
        ),
        ("{\"npc_id\":\"NPC\",\"message\":\"<Mirela> Welcome.\",\"audio\":null}\n", "Welcome.", vec![]),
        (
            // The documentation shows an object, the schema a string.
            "{\"npc_id\":\"NPC\",\"message\":null,\"command\":[{\"name\":\"serve\",\"arguments\":{\"target\":\"the mojito\"}},\
             {\"name\":\"fly\"},{\"name\":\"serve\",\"arguments\":\"{{\"}]}\n",
            "",
            serve_mojito(),
        ),
        (
            "{\"npc_id\":\"NPC\",\"message\":\"\",\"command\":[{\"name\":\"Serve\",\"arguments\":\"{\\\"target\\\":\\\"Mojito\\\"}\"}]}\n",
            "",
            serve_mojito(),
        ),
    ];
    for (lines, text, expected) in cases {
        fake.next_lines(lines);
        let chunks = reply(&service, said("Hello")).await;
        assert_eq!((text_of(&chunks).as_str(), actions(&chunks)), (text, expected), "{lines}");
    }
}

#[tokio::test]
async fn trouble_in_place_of_an_answer_has_its_kind() {
    let fake = FakePlayer2::start_app().await;
    let service = app(&fake);
    for (code, kind) in [
        ("insufficient_credits", ErrorKind::Quota),
        ("service_unavailable", ErrorKind::Overloaded),
        ("rate_limited", ErrorKind::RateLimited),
        ("internal_error", ErrorKind::Broken),
    ] {
        let error = json!({"error_code": code, "error_message": "It is so.", "retry_after": 2.5});
        fake.next_lines(&json!({"npc_id": "NPC", "message": "", "error": error}).to_string());
        let error = failure(&service, said("Hello")).await;
        assert_eq!((error.kind, error.retry_after), (kind, Some(Duration::from_millis(2500))), "{code}");
    }
    // The NPC is still the same one.
    assert_eq!(fake.spawned().len(), 1);
}

#[tokio::test]
async fn refusals_have_their_kind_wherever_they_come() {
    let text = [("content-type", "text/plain")];
    let wait = [("retry-after", "3")];
    let cases = [
        ("402 Payment Required", &text, "Insufficient joules", ErrorKind::Quota),
        ("402 Payment Required", &text, "", ErrorKind::Quota),
        ("429 Too Many Requests", &wait, "\"Too many requests\"", ErrorKind::RateLimited),
        ("401 Unauthorized", &text, "", ErrorKind::Unauthorized),
        ("500 Internal Server Error", &text, "", ErrorKind::Broken),
        ("503 Service Unavailable", &text, "<html>", ErrorKind::Overloaded),
        ("400 Bad Request", &text, "{\"message\":\"missing field\"}", ErrorKind::BadRequest),
    ];
    for (status, headers, body, kind) in cases {
        let transcript = || Transcript::answer(status, headers.as_slice(), body);
        let fake = FakePlayer2::start_cloud().await;
        let service = cloud(&fake, FakePlayer2::KEY);
        fake.next_spawn(transcript());
        assert_eq!(failure(&service, said("Hello")).await.kind, kind, "spawn: {status}");
        fake.next_chat(transcript());
        assert_eq!(failure(&service, said("Hello")).await.kind, kind, "chat: {status}");
        fake.next_stream(transcript());
        assert_eq!(failure(&service, said("Hello")).await.kind, kind, "responses: {status}");
        let chunks = reply(&service, said("Hello")).await;
        assert!(text_of(&chunks).contains("you said “Hello”"));
    }
}

#[tokio::test]
async fn keys_and_ids_that_make_no_sense_are_refused_and_not_shown() {
    let fake = FakePlayer2::start_cloud().await;
    let key = "p2-key-9876543210";
    let error = failure(&cloud(&fake, key), said("Hello")).await;
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert_secret(key, &error);
    for id in ["", "\"\"", "<html>not an id</html>", "../../kill", "{\"id\":1}"] {
        fake.next_spawn(Transcript::answer("200 OK", &[], id));
        let error = failure(&cloud(&fake, FakePlayer2::KEY), said("Hello")).await;
        assert_eq!(error.kind, ErrorKind::Protocol, "{id}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_or_makes_no_sense_is_an_error_and_the_next_turn_works() {
    let fake = FakePlayer2::start_app().await;
    let service = app(&fake);
    let endless = Transcript::answer("200 OK", &[], &"x".repeat(2 << 20));
    let cases = [
        (Transcript::answer("200 OK", &[], ""), ErrorKind::Network),
        (Transcript::answer("200 OK", &[], "\u{0}\u{1}{{{\n\n[1,2\n"), ErrorKind::Network),
        (endless, ErrorKind::Protocol),
    ];
    for (transcript, kind) in cases {
        fake.next_stream(transcript);
        // Nobody answers on the real stream, because there is none.
        assert_eq!(failure(&service, said("Hello")).await.kind, kind);
        let chunks = reply(&service, said("Hello")).await;
        assert!(text_of(&chunks).contains("you said “Hello”"));
    }
    fake.next_lines(" ");
    let breaking = async {
        fake.wait_for_open(1).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        fake.break_stream();
    };
    let (error, ()) = tokio::join!(failure(&service, said("Hello")), breaking);
    assert_eq!(error.kind, ErrorKind::Network);
}

#[tokio::test]
async fn answers_may_come_as_events_and_slowly() {
    let fake = FakePlayer2::start_cloud().await;
    let service = cloud(&fake, FakePlayer2::KEY);
    let events = Transcript::parse(
        "HTTP/1.1 200 OK\ncontent-type: text/event-stream\n\n: hello\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n\
         @pause 100\nid: 1\nevent: npc_response\ndata: {\"npc_id\":\"00000000-0000-4000-8000-000000000001\",\n@join\n\
         @pause 100\n\"message\":\"Slowly.\"}\n\n@hang\n",
    );
    fake.next_stream(events.unwrap());
    let chunks = reply(&service, said("Hello")).await;
    assert_eq!(text_of(&chunks), "Slowly.");
    fake.wait_for_open(0).await.unwrap();
}

#[tokio::test]
async fn a_cut_closes_the_stream_and_what_was_not_heard_is_not_remembered() {
    let fake = FakePlayer2::start_app().await;
    let service = app(&fake);
    reply(&service, said("I am Ada")).await;
    fake.next_lines(" ");
    let cancel = CancellationToken::new();
    let cancelled = cancel.clone();
    let (waiting, ()) = tokio::join!(service.stream(said("Tell me everything"), cancel), async {
        fake.wait_for_open(1).await.unwrap();
        // The words have arrived there.
        while fake.chats().len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cancelled.cancel();
    });
    assert!(matches!(waiting, Err(error) if error.kind == ErrorKind::Cancelled));
    fake.wait_for_open(0).await.unwrap();
    let chunks = reply(&service, said("Never mind")).await;
    assert_eq!(text_of(&chunks), "Turn 1: you said “Never mind”.");
    let prompt = fake.spawned()[1]["system_prompt"].as_str().unwrap().to_owned();
    assert!(prompt.contains("I am Ada") && !prompt.contains("everything"), "{prompt}");
}

#[tokio::test]
async fn two_conversations_share_one_stream() {
    let fake = FakePlayer2::start_app().await;
    let service = app(&fake);
    let other = ServiceRequest { conversation: "talk-2".into(), ..said("Me") };
    let (one, two) = tokio::join!(reply(&service, said("I")), reply(&service, other));
    assert_eq!(text_of(&one), "Turn 1: you said “I”.");
    assert_eq!(text_of(&two), "Turn 1: you said “Me”.");
    fake.wait_for_open(0).await.unwrap();
}

#[tokio::test]
async fn a_player_logs_in_by_a_code() {
    let fake = FakePlayer2::start_cloud().await;
    let base = fake.base_url();
    let login = device_login(http(), Some(&base), FakePlayer2::GAME).await.unwrap();
    assert_eq!(login.user_code, "ABCD-EFGH");
    assert_eq!(login.verification_uri, "https://player2.example/device");
    assert_eq!(login.interval, Duration::from_secs(1));
    assert!(!format!("{login:?}").contains("device-code"));
    assert!(matches!(login.poll().await.unwrap(), LoginState::Pending));
    fake.approve();
    let LoginState::Done(key) = login.poll().await.unwrap() else { panic!("still pending") };
    assert_eq!(key.expose(), FakePlayer2::KEY);
    assert_eq!(login.wait(&CancellationToken::new()).await.unwrap().expose(), FakePlayer2::KEY);
    let cancel = CancellationToken::new();
    cancel.cancel();
    assert_eq!(login.wait(&cancel).await.unwrap_err().kind, ErrorKind::Cancelled);
}

#[tokio::test]
async fn logins_that_cannot_work_say_so() {
    let fake = FakePlayer2::start_cloud().await;
    let base = fake.base_url();
    let error = device_login(http(), Some(&base), "another game").await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadRequest);
    fake.next_spawn(Transcript::answer("200 OK", &[], "{\"deviceCode\":\"x\"}"));
    let error = device_login(http(), Some(&base), FakePlayer2::GAME).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Protocol);
    let login = device_login(http(), Some(&base), FakePlayer2::GAME).await.unwrap();
    for (status, body, kind) in [
        ("400 Bad Request", "{\"message\":\"expired_token\"}", ErrorKind::Timeout),
        ("400 Bad Request", "{\"message\":\"access_denied\"}", ErrorKind::Unauthorized),
        ("500 Internal Server Error", "", ErrorKind::Broken),
        ("200 OK", "{\"p2Key\":\"\"}", ErrorKind::Protocol),
    ] {
        fake.next_chat(Transcript::answer(status, &[], body));
        assert_eq!(login.poll().await.unwrap_err().kind, kind, "{status} {body}");
    }
    fake.next_spawn(Transcript::answer(
        "200 OK",
        &[],
        "{\"deviceCode\":\"device-code-0123456789\",\"userCode\":\"A\",\"verificationUri\":\"https://x\",\"expiresIn\":0}",
    ));
    let late = device_login(http(), Some(&base), FakePlayer2::GAME).await.unwrap();
    assert_eq!(late.poll().await.unwrap_err().kind, ErrorKind::Timeout);
}

#[tokio::test]
async fn the_app_logs_its_player_in() {
    let fake = FakePlayer2::start_app().await;
    let key = app_login(http(), Some(&fake.base_url()), FakePlayer2::GAME).await.unwrap();
    assert_eq!(key.expose(), FakePlayer2::KEY);
    let nobody = FakePlayer2::start_new_app().await;
    let error = app_login(http(), Some(&nobody.base_url()), FakePlayer2::GAME).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    let base = fake.base_url();
    drop(fake);
    let error = app_login(http(), Some(&base), FakePlayer2::GAME).await.unwrap_err();
    assert!(matches!(error.kind, ErrorKind::Network | ErrorKind::Timeout));
}
