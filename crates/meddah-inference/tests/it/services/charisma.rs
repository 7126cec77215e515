//! Charisma.ai: stories over a game server.

use meddah_fakes::services::{FakeCharisma, StoryStep as Step};
use meddah_inference::Key;

use super::*;

fn config(fake: &FakeCharisma, given: Value, character: Option<&str>) -> ServiceConfig {
    let mut settings = options(json!({"story_id": FakeCharisma::STORY, "quiet_ms": 400}));
    settings.extend(options(given));
    ServiceConfig {
        name: "story".into(),
        service: "charisma".into(),
        base_url: Some(fake.base_url().to_owned()),
        characters: character.map(|id| ("mirela".to_owned(), id.to_owned())).into_iter().collect(),
        options: settings,
        ..Default::default()
    }
}

fn service(fake: &FakeCharisma, given: Value) -> Service {
    opened(config(fake, given, None))
}

/// One line of somebody.
fn says(name: Option<&str>, text: &str) -> Value {
    let character = name.map_or(Value::Null, |name| json!({"id": 20, "name": name, "avatar": null}));
    json!({"type": "character", "message": {"text": text, "character": character, "metadata": {}}, "emotions": []})
}

fn tell(text: &str) -> Step {
    Step::Tell("message", says(Some("Ted Baker"), text))
}

fn with(mut message: Value, name: &str, value: Value) -> Step {
    message[name] = value;
    Step::Tell("message", message)
}

fn sent(fake: &FakeCharisma) -> Vec<String> {
    fake.told().into_iter().map(|(event, _)| event).collect()
}

#[tokio::test]
async fn a_story_greets_answers_feels_and_acts() {
    let fake = FakeCharisma::start().await;
    let service = service(&fake, json!({}));
    let mut request = said("Do you have a map?");
    request.actions.push(ServiceAction {
        name: "give".into(),
        targets: vec!["map".into()],
        ..Default::default()
    });
    let chunks = reply(&service, request).await;
    let expected = [
        Chunk::Text("Greetings and good day.".into()),
        Chunk::Decided { decision: "emotion".into(), choice: "joy".into(), arguments: None },
        Chunk::Text(" You said “Do you have a map?”.".into()),
        Chunk::Decided {
            decision: "action".into(),
            choice: "give".into(),
            arguments: Some(json!({"target": "map"})),
        },
        done(),
    ];
    assert_eq!(chunks, expected);
    let reply_event = &fake.told()[1];
    assert_eq!(reply_event.0, "reply");
    let payload =
        json!({"text": "Do you have a map?", "inputType": "keyboard", "conversationUuid": "conversation-1"});
    assert_eq!(reply_event.1, payload);
}

#[tokio::test]
async fn a_second_turn_continues_the_playthrough_in_the_same_room_and_forgetting_begins_another() {
    let fake = FakeCharisma::start().await;
    let service = service(&fake, json!({}));
    reply(&service, said("One")).await;
    // Longer than the server waits for answers to its pings.
    tokio::time::sleep(Duration::from_millis(2200)).await;
    assert_eq!(text_of(&reply(&service, said("Two")).await), "You said “Two”.");
    assert_eq!(fake.asked(), ["token", "conversation", "joinOrCreate"]);
    assert_eq!(sent(&fake), ["start", "reply", "reply"]);
    service.forget("talk-1").await;
    assert_eq!(text_of(&reply(&service, said("Three")).await), "Greetings and good day. You said “Three”.");
    assert_eq!(fake.asked()[3..], ["token", "conversation", "joinOrCreate"]);
    fake.wait_for_open(1).await.unwrap();
    drop(service);
    fake.wait_for_open(0).await.unwrap();
}

#[tokio::test]
async fn a_story_whose_room_was_left_is_resumed_if_it_is_wanted() {
    for (resume, expected) in
        [(false, ["start", "reply", "reply"].as_slice()), (true, &["start", "reply", "resume", "reply"])]
    {
        let fake = FakeCharisma::start().await;
        let service = service(&fake, json!({"resume": resume}));
        fake.next_script(vec![]);
        fake.next_script(vec![tell("One."), Step::Pause(Duration::from_millis(1500)), Step::Close(4000)]);
        assert_eq!(text_of(&reply(&service, said("Hello")).await), "One.");
        fake.wait_for_open(0).await.unwrap();
        assert_eq!(text_of(&reply(&service, said("Again")).await), "You said “Again”.");
        assert_eq!(sent(&fake), expected);
        assert_eq!(fake.asked()[2..], ["joinOrCreate", "joinOrCreate"]);
    }
}

#[tokio::test]
async fn a_character_may_be_talked_to_outside_its_story() {
    let fake = FakeCharisma::start().await;
    let id = FakeCharisma::CHARACTER.to_string();
    let service = opened(config(&fake, json!({}), Some(&id)));
    assert_eq!(text_of(&reply(&service, said("Hello")).await), "You said “Hello”.");
    assert_eq!(fake.asked(), ["token", "conversation/character", "joinOrCreate"]);
    assert_eq!(sent(&fake), ["reply"]);
    let stranger = opened(config(&fake, json!({}), Some("21")));
    assert_eq!(failure(&stranger, said("Hello")).await.kind, ErrorKind::UnknownModel);
}

#[tokio::test]
async fn narration_and_others_stand_between_asterisks() {
    let fake = FakeCharisma::start().await;
    let service = opened(config(&fake, json!({"start": "cellar", "scene": 2}), Some("Ted Baker")));
    fake.next_script(vec![Step::Tell("message", says(Some("narrator"), "A *dark* cellar."))]);
    fake.next_script(vec![
        Step::Tell("message", says(None, "Drip, drip.")),
        Step::Tell("message", says(Some("Ann"), "Who is there?")),
        Step::Tell("message", json!({"type": "panel", "message": {"media": {}}})),
        tell("It is me."),
    ]);
    let chunks = reply(&service, said("Hello")).await;
    assert_eq!(text_of(&chunks), "*A dark cellar.* *Drip, drip.* *Ann: “Who is there?”* It is me.");
    let start = &fake.told()[0].1;
    let expected =
        json!({"startGraphReferenceId": "cellar", "sceneIndex": 2, "conversationUuid": "conversation-1"});
    assert_eq!(start, &expected);
}

#[tokio::test]
async fn taps_are_given_until_the_story_waits_for_the_player() {
    let fake = FakeCharisma::start().await;
    let service = service(&fake, json!({}));
    let tapped = |text| with(says(Some("Ted Baker"), text), "tapToContinue", true.into());
    fake.next_script(vec![]);
    fake.next_script(vec![tapped("One."), Step::AwaitTap, tapped("Two."), Step::AwaitTap, tell("Three.")]);
    let mut request = said("Go on");
    request.heard = Heard::Happened("opens-door".into());
    assert_eq!(text_of(&reply(&service, request).await), "One. Two. Three.");
    assert_eq!(sent(&fake), ["start", "action", "tap", "tap"]);
    assert_eq!(fake.told()[1].1["action"], "opens-door");
}

#[tokio::test]
async fn a_story_that_ends_begins_anew_with_the_next_word() {
    let fake = FakeCharisma::start().await;
    let service = service(&fake, json!({}));
    fake.next_script(vec![]);
    fake.next_script(vec![with(says(Some("Ted Baker"), "Farewell."), "endStory", true.into())]);
    assert_eq!(text_of(&reply(&service, said("Bye")).await), "Farewell.");
    assert_eq!(text_of(&reply(&service, said("Hi")).await), "Greetings and good day. You said “Hi”.");
    assert_eq!(fake.asked().iter().filter(|asked| *asked == "token").count(), 2);
}

#[tokio::test]
async fn memories_are_written_when_they_change() {
    let fake = FakeCharisma::start().await;
    let names = json!({"memories": {"place": "location", "player": "player_name", "memories": "past", "knowledge": "x"}});
    let service = service(&fake, names);
    reply(&service, said("One")).await;
    let pair = |name: &str, value: &str| json!({"recallValue": name, "saveValue": value});
    let first =
        [pair("location", "The tavern"), pair("past", "Ada owes two coins."), pair("player_name", "Ada")];
    assert_eq!(fake.memories(), first);
    reply(&service, said("Two")).await;
    assert_eq!(fake.memories().len(), 3);
    let mut request = said("Three");
    request.scene.place = "The yard".into();
    reply(&service, request).await;
    assert_eq!(fake.memories()[3..], [pair("location", "The yard")]);
}

#[tokio::test]
async fn a_lost_connection_is_made_again_and_nothing_is_missed_or_told_twice() {
    // How it is lost, and what is asked to get back.
    let cases = [
        (Step::Cut, vec!["joinById", "event-history"]),
        (Step::Close(4010), vec!["joinById", "event-history"]),
        (Step::Close(4000), vec!["joinOrCreate", "event-history"]),
        (Step::EndRoom, vec!["joinById", "joinOrCreate", "event-history"]),
        (Step::Raw(vec![12]), vec!["joinOrCreate", "event-history"]),
    ];
    // All at once, because each waits for silence.
    let played = cases.map(|(loss, expected)| async move {
        let fake = FakeCharisma::start().await;
        let service = service(&fake, json!({}));
        fake.next_script(vec![]);
        fake.next_script(vec![tell("One."), Step::Miss(says(Some("Ted Baker"), "Two.")), loss.clone()]);
        let chunks = reply(&service, said("Count")).await;
        assert_eq!(text_of(&chunks), "One. Two.", "{loss:?}");
        assert_eq!(fake.asked()[3..], expected, "{loss:?}");
        assert_eq!(text_of(&reply(&service, said("On")).await), "You said “On”.");
    });
    futures::future::join_all(played).await;
}

#[tokio::test]
async fn a_connection_that_is_lost_over_and_over_is_an_error() {
    let fake = FakeCharisma::start().await;
    let service = service(&fake, json!({}));
    reply(&service, said("Hello")).await;
    fake.next_script(vec![tell("One."), Step::Cut]);
    fake.refuse_join(json!({"code": 4212, "error": "room \"room-1\" not found"}));
    assert_eq!(text_of(&reply(&service, said("Count")).await), "One.");
    assert_eq!(fake.asked()[3..], ["joinById", "joinOrCreate", "event-history"]);
    // Neither way leads back.
    fake.next_script(vec![tell("Two."), Step::Cut]);
    fake.refuse_join(json!({"code": 4214, "error": "session expired: seat-2"}));
    fake.refuse_join(json!({"code": 4216, "error": "The service is at capacity"}));
    assert_eq!(failure(&service, said("Count")).await.kind, ErrorKind::Overloaded);
}

#[tokio::test]
async fn refusals_have_their_kind_wherever_they_come() {
    let fake = FakeCharisma::start().await;
    let unknown = opened(config(&fake, json!({"story_id": 5}), None));
    assert_eq!(failure(&unknown, said("Hello")).await.kind, ErrorKind::UnknownModel);
    let key = "charisma-key-9876543210";
    let wrong = opened(ServiceConfig { key: Some(Key::new(key)), ..config(&fake, json!({}), None) });
    let error = failure(&wrong, said("Hello")).await;
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert_secret(key, &error);
    let draft = config(&fake, json!({"version": -1}), None);
    assert!(refused(draft.clone()).help.contains("API key"));
    let draft = opened(ServiceConfig { key: Some(Key::new(FakeCharisma::KEY)), ..draft });
    reply(&draft, said("Hello")).await;
    for (refusal, kind) in [
        (json!({"code": 4210, "error": "provided room name \"chat\" not defined"}), ErrorKind::Protocol),
        (json!({"code": 4215, "error": "Invalid token"}), ErrorKind::Unauthorized),
        (json!({"error": "Playthrough not found"}), ErrorKind::UnknownModel),
        (json!({"code": 4213}), ErrorKind::Protocol),
        (json!({"room": {"roomId": "../x", "processId": "p"}, "sessionId": "s"}), ErrorKind::Protocol),
        (json!([]), ErrorKind::Protocol),
    ] {
        fake.refuse_join(refusal.clone());
        let service = service(&fake, json!({}));
        assert_eq!(failure(&service, said("Hello")).await.kind, kind, "{refusal}");
    }
    fake.refuse_auth();
    let error = failure(&service(&fake, json!({})), said("Hello")).await;
    assert_eq!(error.kind, ErrorKind::Unauthorized);
    assert_eq!(error.message, "Charisma.ai refused: onAuth failed (4215)");
}

#[tokio::test]
async fn problems_of_the_story_are_errors_after_what_was_said() {
    for (problem, kind) in [
        (json!({"code": "no-path", "error": "No pathway found."}), ErrorKind::BadRequest),
        (json!({"code": "credits", "error": "You have run out of credits."}), ErrorKind::Quota),
        (json!({"code": null, "error": null}), ErrorKind::BadRequest),
    ] {
        let fake = FakeCharisma::start().await;
        let service = service(&fake, json!({}));
        fake.next_script(vec![tell("Good day.")]);
        fake.next_script(vec![Step::Tell("problem", problem)]);
        let chunks = told(&service, said("Xyzzy")).await;
        assert!(matches!(&chunks[0], Ok(Chunk::Text(text)) if text == "Good day."));
        assert_eq!(chunks[1].as_ref().unwrap_err().kind, kind);
        assert_eq!(text_of(&reply(&service, said("Hello")).await), "You said “Hello”.");
    }
    let fake = FakeCharisma::start().await;
    let service = service(&fake, json!({}));
    // Code 4216 as an error frame in mid-talk.
    fake.next_script(vec![Step::Raw(b"\x0b\xcd\x78\x10\xa4oops".to_vec())]);
    let error = failure(&service, said("Hello")).await;
    assert_eq!(error.message, "Charisma.ai refused: oops (4216)");
}

#[tokio::test]
async fn garbage_echoes_and_other_conversations_are_passed_over() {
    let fake = FakeCharisma::start().await;
    let service = service(&fake, json!({}));
    let elsewhere = with(says(Some("Ann"), "Elsewhere."), "conversationUuid", "another".into());
    fake.next_script(vec![
        Step::Raw(vec![]),
        Step::Raw(vec![13]),
        Step::Raw(vec![13, 0xa7, b'm']),
        Step::Raw(b"\x0d\xa7message\xc1".to_vec()),
        Step::Raw(b"\x0d\xa7message\xdd\xff\xff\xff\xff".to_vec()),
        Step::Raw(vec![255, 1, 2, 3]),
        Step::Raw(vec![14, 0x80]),
        Step::Tell("reply", json!({"text": "somebody else's words", "eventId": "1"})),
        Step::Tell("message", json!("not a message")),
        Step::Tell("message", Value::Null),
        elsewhere,
        tell("Here."),
    ]);
    assert_eq!(text_of(&reply(&service, said("Hello")).await), "Here. You said “Hello”.");
}

#[tokio::test]
async fn a_frame_beyond_all_bounds_ends_the_connection_and_not_the_program() {
    let fake = FakeCharisma::start().await;
    let service = service(&fake, json!({}));
    fake.next_script(vec![]);
    fake.next_script(vec![tell("One."), Step::Raw(vec![13; 2 << 20])]);
    assert_eq!(text_of(&reply(&service, said("Hello")).await), "One.");
    assert!(fake.asked().contains(&"event-history".to_owned()));
}

#[tokio::test]
async fn slow_stories_are_waited_for_and_a_cut_closes_the_socket() {
    let fake = FakeCharisma::start().await;
    let service = service(&fake, json!({}));
    let pause = || Step::Pause(Duration::from_millis(300));
    fake.next_script(vec![]);
    fake.next_script(vec![
        Step::Tell("start-typing", json!({})),
        pause(),
        tell("One."),
        Step::Tell("start-typing", json!({})),
        pause(),
        Step::Tell("stop-typing", json!({})),
        tell("Two."),
    ]);
    assert_eq!(text_of(&reply(&service, said("Slowly")).await), "One. Two.");
    fake.next_script(vec![tell("I was"), Step::Pause(PATIENCE)]);
    let cancel = CancellationToken::new();
    let mut stream = service.stream(said("Tell me"), cancel.clone()).await.unwrap();
    assert_eq!(stream.next().await.unwrap().unwrap(), Chunk::Text("I was".into()));
    cancel.cancel();
    assert_eq!(stream.next().await.unwrap().unwrap_err().kind, ErrorKind::Cancelled);
    // The story itself goes on.
    let chunks = reply(&service, said("And now?")).await;
    assert_eq!(text_of(&chunks), "You said “And now?”.");
    assert_eq!(fake.asked().iter().filter(|asked| *asked == "token").count(), 1);
}
