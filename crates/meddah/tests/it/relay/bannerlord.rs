//! The Bannerlord mod.

use std::time::Duration;

use meddah_engine::prompt;
use meddah_inference::scripted::{Script, ScriptedReply};
use serde_json::{Value, json};

use super::{Link, call, shown, start};
use crate::rig::{Rig, check_error, script};

const FACE: &str = "bannerlord-relay";
const LORD: &str = "0b9a1f52-6a3c-4b0e-9d10-2f6f5e0a77aa";
const REPLY: &str = "Welcome to the Lantern. Sit down by the fire. What will it be?";

/// As the mod joins it.
fn lord(id: &str, name: &str, description: &str, facts: &[&str]) -> String {
    let facts: String = facts.iter().map(|fact| format!("\"{fact}\",")).collect();
    format!(
        "{{\"id\": \"{id}\", \"name\": \"{name}\",\"description\": \"{description}\", \"isFemale\": true, \"age\": 34, \
         \"facts\": [ {} ], \"personality\": {{ \"positive\": -40, \"peaceful\": 0, \"open\": 70, \"extravert\": 5 }}}}",
        facts.trim_end_matches(',')
    )
}

async fn create(port: u16, name: &str) {
    let body = lord(LORD, name, "A lady of Vlandia.", &["{Character} owns a grey horse"]);
    let (status, answer) = call(port, "POST", "/createNewCharacter", &body).await;
    assert_eq!((status, &answer["isSuccess"]), (200, &json!(true)), "{answer}");
}

async fn connect(port: u16, character: &str, player: &str) -> Link {
    let mut link = Link::open(port, "/chatWithCharacter").await;
    let connect = format!(
        "{{ \"type\": \"connect\", \"characterId\": \"{character}\", \"gameDate\": \"7-7-1084\",  \"playerName\": \"{player}\" }}"
    );
    link.send(&connect).await;
    link
}

async fn chat(link: &mut Link, text: &str) {
    link.send(&format!("{{\"type\": \"chat\",\"message\": \"{text}\"}}")).await;
}

/// What the mod shows of a reply of three sentences, and the face it makes before the first.
async fn hear(link: &mut Link) -> (String, String) {
    let first = link.next().await;
    assert_eq!(first["type"], "emotion", "the face comes first: {first}");
    let mut text = String::new();
    for _ in 0..3 {
        let piece = link.next().await;
        assert_eq!(piece["type"], "text", "{piece}");
        text.push_str(piece["message"].as_str().unwrap());
    }
    (first["emotion"]["behavior"].as_str().unwrap().to_owned(), text)
}

async fn leave(mut link: Link) {
    link.send("{ \"type\": \"endchat\"}").await;
    link.close().await;
}

async fn ask(rig: &Rig, port: u16, text: &str) -> String {
    let mut link = connect(port, LORD, "Ayla").await;
    chat(&mut link, text).await;
    hear(&mut link).await;
    leave(link).await;
    shown(rig)
}

#[tokio::test]
async fn an_evening_in_the_hall() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    let port = ports[0];
    assert_eq!(call(port, "GET", "/", "").await.0, 200);
    let war = "{ \"type\": \"war\", \"information\": [\"Vlandia and Sturgia are at war\",\"Vlandia is currently ruled by Derthert from dey Meroc clan\"] }";
    assert_eq!(call(port, "POST", "/updateCommonKnowledge", war).await.0, 200);
    assert_eq!(
        call(port, "POST", "/createSave", "{ \"id\": \"save-a\" }").await,
        (200, json!({"isMatch": true}))
    );
    let scene = "{ \"type\": \"scene\", \"information\": [\"Today is day 7 of season Spring.\", \"This is <a style=Link href=event:town_V1><b>Sargot</b></a>.\"] }";
    assert_eq!(call(port, "POST", "/updateCommonKnowledge", scene).await.0, 200);
    let asked = format!("{{\"characters\": [\"{LORD}\", \"nobody\", \"unique-villager-fact\"]}}");
    assert_eq!(call(port, "POST", "/checkCharacters", &asked).await, (200, json!([LORD, "nobody"])));
    create(port, "Liena").await;
    assert_eq!(
        call(port, "POST", "/checkCharacter", &format!("{{\"character\": \"{LORD}\"}}")).await.1,
        json!([])
    );
    let update = json!({"id": LORD, "motivation": "{Character} wants to keep her dey Meroc clan members safe.",
        "temporaryFacts": ["You are in the keep room of Sargot", "{Player} is wearing a red cloak"],
        "personality": {"positive": 0, "peaceful": -80, "open": 0, "extravert": 0},
        "initialMood": {"joy": -30, "fear": 0, "trust": -30, "surprise": 0}});
    let updated = call(port, "POST", "/updateCharacter", &update.to_string()).await;
    assert_eq!(updated, (200, json!({"isSuccess": true})));
    let stranger = call(port, "POST", "/updateCharacter", "{\"id\": \"nobody\"}").await;
    assert_eq!((stranger.0, &stranger.1["isSuccess"]), (200, &json!(false)));

    let mut link = connect(port, LORD, "Ayla").await;
    for turn in 0..10 {
        chat(&mut link, &format!("Turn {turn}. Is Vlandia at war?")).await;
        assert_eq!(hear(&mut link).await, ("JOY".to_owned(), REPLY.to_owned()));
    }
    leave(link).await;
    let shown = shown(&rig);
    for told in [
        "The world: Calradia.",
        "You are Liena.",
        "34 years old",
        "Liena owns a grey horse",
        "Ayla is wearing a red cloak",
        "very quick to anger",
        "Liena wants to keep her dey Meroc clan members safe.",
        "You do not trust them.",
        "This is Sargot.",
        "Vlandia and Sturgia are at war",
        "day 7 of the season, year 1084",
        "You talk with Ayla.",
    ] {
        assert!(shown.contains(told), "{told} in {shown}");
    }
    assert_eq!(shown.matches("The time: day 7").count(), 1, "{shown}");
    // An update replaces what held for the moment, and nothing else.
    let later = json!({"id": LORD, "temporaryFacts": ["It is midnight"]});
    call(port, "POST", "/updateCharacter", &later.to_string()).await;
    let shown = ask(&rig, port, "And now?").await;
    assert!(
        shown.contains("It is midnight") && shown.contains("grey horse") && !shown.contains("red cloak"),
        "{shown}"
    );
    rig.stop().await;
}

#[tokio::test]
async fn what_is_broken_is_answered_and_nothing_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    let port = ports[0];
    for path in [
        "/createNewCharacter",
        "/updateCharacter",
        "/checkCharacters",
        "/updateCommonKnowledge",
        "/createSave",
    ] {
        for body in ["{", "nonsense", "[]", "{\"id\": \"x\" \"name\": }", "{}"] {
            check_error(&call(port, "POST", path, body).await, 400, "invalid_request");
        }
    }
    check_error(&call(port, "POST", "/elsewhere", "{}").await, 404, "not_found");
    // What has one meaning only is understood.
    let broken = lord(LORD, "Liena", "She said \"no\".\nHer\thouse is C:\\old.", &["One", "Two"])
        .replace("\"Two\"", "\"Two\",");
    assert_eq!(call(port, "POST", "/createNewCharacter", &broken).await.0, 200);
    let mut link = connect(port, LORD, "Ayla").await;
    for junk in [
        "",
        "junk",
        "{\"type\": ",
        "[]",
        "{\"type\": 7}",
        "{\"type\": \"dance\"}",
        "{\"type\": \"chat\", \"message\": \"\"}",
    ] {
        link.send(junk).await;
    }
    link.send_sound(vec![0; 5000]).await;
    link.send(&"x".repeat(2 * 1024 * 1024)).await;
    chat(&mut link, "Over \\ there\n\"my\" friend").await;
    // Three of them and the long one were no messages, and are told to the player; the rest is passed over.
    let mut asides = 0;
    let face = loop {
        let message = link.next().await;
        if message["type"] == "emotion" {
            break message;
        }
        assert!(message["message"].as_str().unwrap().starts_with("(Meddah: that "), "{message}");
        asides += 1;
    };
    assert_eq!((asides, &face["emotion"]["behavior"]), (5, &json!("JOY")));
    assert!(
        shown(&rig).contains("Over \\ there \"my\" friend")
            || shown(&rig).contains("Over \\ there\n\"my\" friend"),
        "{}",
        shown(&rig)
    );
    assert!(shown(&rig).contains("She said \"no\". Her house is C:\\old."), "{}", shown(&rig));
    leave(link).await;
    rig.stop().await;
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    assert_eq!(
        call(ports[0], "POST", "/createSave", "{ \"id\": \"save-a\" }").await.1,
        json!({"isMatch": true})
    );
    create(ports[0], "Liena").await;
    for news in ["siege of Ortysia ended", "battle near Pravend"] {
        let body = format!("{{ \"type\": \"event\", \"information\": \"In 1084, {news}\" }}");
        assert_eq!(call(ports[0], "POST", "/updateCommonKnowledge", &body).await.0, 200);
    }
    ask(&rig, ports[0], "My dog is called Rex.").await;
    rig.stop().await;

    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    assert_eq!(
        call(ports[0], "POST", "/createSave", "{ \"id\": \"save-a\" }").await.1,
        json!({"isMatch": true})
    );
    let shown = ask(&rig, ports[0], "What of Ortysia?").await;
    for told in ["Rex", "grey horse", "siege of Ortysia ended", "The world: Calradia."] {
        assert!(shown.contains(told), "{told} in {shown}");
    }
    rig.stop().await;
}

#[tokio::test]
async fn two_campaigns_know_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    let port = ports[0];
    let play = async |save: &str| {
        call(port, "POST", "/createSave", &format!("{{ \"id\": \"{save}\" }}")).await.1["isMatch"].clone()
    };
    let war = async |who: &str| {
        let body = format!("{{ \"type\": \"war\", \"information\": [\"{who} and Sturgia are at war\"] }}");
        assert_eq!(call(port, "POST", "/updateCommonKnowledge", &body).await.0, 200);
    };
    war("Vlandia").await;
    assert_eq!(play("a").await, true);
    create(port, "Liena").await;
    ask(&rig, port, "My dog is called Rex.").await;

    // A new campaign tells of its wars, then asks. The player may begin anew or not; both come out the same.
    war("Battania").await;
    assert_eq!(play("b").await, false);
    let mut link = connect(port, LORD, "Borin").await;
    let aside = link.next().await;
    assert!(aside["message"].as_str().unwrap().contains("not known yet"), "{aside}");
    leave(link).await;
    create(port, "Liena").await;
    let shown = ask(&rig, port, "Who is at war with Sturgia, and do you know my dog?").await;
    assert!(
        shown.contains("Battania and Sturgia") && !shown.contains("Vlandia and") && !shown.contains("Rex"),
        "{shown}"
    );
    ask(&rig, port, "My cat is called Tom.").await;
    assert_eq!(play("b").await, true);

    assert_eq!(play("a").await, true);
    let shown = ask(&rig, port, "Who is at war with Sturgia?").await;
    assert!(shown.contains("Rex") && shown.contains("Vlandia and Sturgia"), "{shown}");
    assert!(!shown.contains("Tom") && !shown.contains("Battania"), "{shown}");

    // Beginning anew leaves what was.
    let (status, said) = call(port, "POST", "/freshStart", "").await;
    assert_eq!((status, said.is_string()), (200, true), "{said}");
    assert_eq!(play("a").await, true);
    create(port, "Liena").await;
    assert!(!ask(&rig, port, "Do you know me?").await.contains("Rex"));
    for method in ["POST", "DELETE"] {
        assert_eq!(call(port, method, "/deleteEverything", "").await.0, 200);
    }
    let worlds: Vec<String> = rig.sidecar.worlds.list().iter().map(|world| world.id.clone()).collect();
    assert_eq!(worlds, ["bannerlord", "bannerlord-2", "bannerlord-3", "tavern"]);
    let gone = format!("{{\"name\": \"{LORD}\"}}");
    assert_eq!(
        call(port, "DELETE", "/deleteCharacter", &gone).await.1["isSuccess"],
        false,
        "a new campaign has nobody"
    );
    assert_eq!(play("b").await, true);
    assert_eq!(call(port, "DELETE", "/deleteCharacter", &gone).await.1["isSuccess"], true);
    rig.stop().await;
}

#[tokio::test]
async fn each_townsman_is_somebody_else() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    let port = ports[0];
    let talk = async |player: &str, text: &str| {
        let mut link = connect(port, "unique-villager-fact", player).await;
        chat(&mut link, text).await;
        hear(&mut link).await;
        leave(link).await;
        shown(&rig)
    };
    assert!(
        talk("stranger", "Good day!").await.contains("a plain villager")
            || shown(&rig).contains("A plain villager")
    );
    let update = |name: &str| {
        format!(
            "{{\"id\": \"unique-villager-fact\", \"name\": \"{name}\", \"age\": \"50\",\"description\": \"{name} is 50 years old. Living in Marathea\", \
             \"pronoun\": \"PRONOUN_MALE\", \"temporaryFacts\": [\"Currently its noon\",\"{{Player}} is wearing rags\"], \"motivation\": \"{name} just wants to work.\", \
             \"exampleDialog\": \"Player: Greetings.\\nCharacter: Oi, milord!\", \"exampleDialogStyle\": \"EXAMPLE_DIALOG_STYLE_BLUNT\", \"lifeStage\": \"LIFE_STAGE_LATE_ADULTHOOD\", \
             \"hobbyOrInterests\": [ \"farming\" ], \"characterRole\": \"villager\", \"changeGenderVoice\": true, \"gender\": \"male\" }}"
        )
    };
    assert_eq!(call(port, "POST", "/updateCharacter", &update("Ulf")).await.1, json!({"isSuccess": true}));
    let first = talk("stranger", "My dog is called Rex.").await;
    assert!(
        first.contains("You are Ulf, villager.")
            && first.contains("Oi, milord!")
            && !first.contains("Good day"),
        "{first}"
    );
    assert!(
        first.contains("the stranger is wearing rags") && first.contains("You talk with stranger."),
        "{first}"
    );
    assert!(talk("stranger", "And you?").await.contains("Rex"), "it is the same man");
    call(port, "POST", "/updateCharacter", &update("Orm")).await;
    assert!(!talk("stranger", "Do you know me?").await.contains("Rex"), "it is another");
    rig.stop().await;
}

#[tokio::test]
async fn a_new_word_cuts_the_old_one_and_so_does_going_away() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(100, 8), &[FACE], folder.path()).await;
    create(ports[0], "Liena").await;
    let mut link = connect(ports[0], LORD, "Ayla").await;
    chat(&mut link, "First").await;
    assert_eq!(link.next().await["type"], "emotion");
    assert_eq!(link.next().await["message"], "Welcome to the Lantern.");
    chat(&mut link, "Second").await;
    // Whatever was on its way may still come, but not the end of the first reply.
    let mut text = String::new();
    while !text.ends_with(REPLY) {
        let message = link.next().await;
        text.push_str(message["message"].as_str().unwrap_or_default());
    }
    assert!(text.matches("What will it be?").count() == 1, "{text}");
    chat(&mut link, "Third").await;
    assert_eq!(link.next().await["type"], "emotion");
    assert_eq!(link.next().await["message"], "Welcome to the Lantern.");
    link.vanish();

    // A reply takes more than a second; whoever comes back is answered at once, and the rest was never said.
    let mut link = connect(ports[0], LORD, "Ayla").await;
    chat(&mut link, "Fourth").await;
    assert_eq!(link.next().await["type"], "emotion");
    let shown = shown(&rig);
    assert_eq!(shown.matches("What will it be?").count(), 1, "{shown}");
    link.vanish();
    tokio::time::timeout(Duration::from_secs(5), rig.stop()).await.unwrap();
}

#[tokio::test]
async fn a_model_that_fails_is_no_silence() {
    let failing = ScriptedReply {
        fail: "the model broke".into(),
        decide: [(prompt::EMOTION_DECISION.to_owned(), "joy".to_owned())].into(),
        ..ScriptedReply::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let failing = Script { reply: vec![failing], ..Script::default() };
    let (rig, ports) = start(failing, &[FACE], folder.path()).await;
    create(ports[0], "Liena").await;
    let mut link = connect(ports[0], LORD, "Ayla").await;
    chat(&mut link, "Hello?").await;
    assert_eq!(link.next().await["type"], "emotion");
    let said = link.next().await["message"].as_str().unwrap().to_owned();
    let world = rig.sidecar.worlds.find("bannerlord").unwrap();
    assert!(world.characters[LORD].fallback_lines.contains(&said), "{said}");
    leave(link).await;
    rig.stop().await;
}

#[tokio::test]
async fn many_requests_at_once_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (rig, ports) = start(script(0, 0), &[FACE], folder.path()).await;
    let port = ports[0];
    // The mod waits for none of its requests.
    let creating = (0..12).map(|n| async move {
        let body = lord(&format!("id-{n}"), "Somebody", "A lord.", &["One"]);
        call(port, "POST", "/createNewCharacter", &body).await.0
    });
    let telling = (0..12).map(|n| async move {
        let body = format!("{{ \"type\": \"event\", \"information\": \"In 1084, battle won by Clan{n}x\" }}");
        call(port, "POST", "/updateCommonKnowledge", &body).await.0
    });
    let (created, told) =
        tokio::join!(futures::future::join_all(creating), futures::future::join_all(telling));
    assert!(created.iter().chain(&told).all(|status| *status == 200), "{created:?} {told:?}");
    let world = rig.sidecar.worlds.find("bannerlord").unwrap();
    assert_eq!((world.characters.len(), world.lore.len()), (12, 12));
    let wrong: Value = json!({"type": "event"});
    check_error(
        &call(port, "POST", "/updateCommonKnowledge", &wrong.to_string()).await,
        400,
        "invalid_request",
    );
    rig.stop().await;
}
