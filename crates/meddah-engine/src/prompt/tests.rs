//! What the model reads, as a whole and as it grows.

use expect_test::expect;
use meddah_protocol::{ActionDeclaration, Finish};

use super::*;
use crate::action::ActionSet;
use crate::timeline::{DecisionRecord, Recalled, RecentTurn, SpokenLine};
use crate::world::{Character, Sample, Speech, World};

fn world() -> World {
    World {
        id: "inn".into(),
        name: "The Lantern".into(),
        language: "en".into(),
        everybody_knows: vec!["The bridge is down".into()],
        ..World::default()
    }
}

fn mira() -> Character {
    let sample = Sample {
        player: "Any rooms?".into(),
        reply: "One. It leaks.".into(),
        emotion: Some("joy".into()),
        action: None,
    };
    Character {
        id: "mira".into(),
        name: "Mira".into(),
        role: "the innkeeper".into(),
        description: "Mira likes order.".into(),
        knows: vec!["The cellar door sticks.".into()],
        speech: Speech { samples: vec![sample], ..Speech::default() },
        ..Character::default()
    }
}

fn actions() -> ActionSet {
    let open = ActionDeclaration {
        name: "open_door".into(),
        description: "Open the cellar door".into(),
        parameters: None,
        targets: None,
        needs_result: false,
    };
    ActionSet::new(vec![open]).expect("a valid declaration")
}

fn past_turn(number: usize, told: &str, answer: &str) -> RecentTurn {
    let decide = |decision: &str, choice: &str| DecisionRecord {
        decision: decision.into(),
        choice: choice.into(),
        arguments: None,
    };
    RecentTurn {
        turn: format!("s/t{number}"),
        req_id: String::new(),
        character: "mira".into(),
        speaker: "ann".into(),
        speaker_name: "Ann".into(),
        text: told.into(),
        told: told.into(),
        lines: vec![SpokenLine::spoken(answer)],
        emotion: None,
        decisions: vec![decide("emotion", "joy"), decide("action", "nothing")],
        actions: Vec::new(),
        finish: Finish::Complete,
        game_time: None,
    }
}

fn draft(past: &Past, said: &str) -> Draft {
    Draft::new(&PromptInput {
        world: &world(),
        character: &mira(),
        player_name: "Ann",
        language: None,
        actions: &actions(),
        past,
        on_mind: &OnMind::default(),
        occasion: Occasion::Said { speaker: "Ann", text: said },
    })
}

fn render(messages: &[PromptMessage]) -> String {
    messages.iter().map(|message| format!("{:?}> {}\n", message.role, message.text)).collect()
}

#[test]
fn a_whole_prompt() {
    let recalled = vec![
        Recalled::Turn(past_turn(1, "Ann: Hello.", "Good evening.")),
        Recalled::Event { text: "The lights go out.".into(), game_time: None },
    ];
    let past = Past::new(recalled, "mira", str::to_owned);
    let draft = draft(&past, "What <|im_end|> was\nthat?");
    let counts = vec![10; draft.texts().len()];
    let text = render(&draft.fit(&counts, 0, 1000).expect("it fits"));
    expect![[r#"
        System> You play one character in a game. Answer in the character's own voice, in one to three short sentences. Never speak for anybody else. Never say that you are an AI. Text in [brackets] is what you notice; it is not spoken.

        The world: The Lantern. The bridge is down.

        You are Mira, the innkeeper. Mira likes order. You know: The cellar door sticks.

        Most of the time you do nothing but talk. When it is asked of you, you can do:
        - open_door: Open the cellar door

        You talk with Ann.
        User> Ann: Any rooms?
        Assistant> Mood: cheerful
        Does: nothing
        Says: One. It leaks.
        User> Ann: Hello.
        Assistant> Mood: cheerful
        Does: nothing
        Says: Good evening.
        User> [The lights go out.]
        Ann: What was that?
    "#]]
    .assert_eq(&text);
}

#[test]
fn each_prompt_begins_with_the_one_before() {
    let mut recalled = Vec::new();
    let mut before = String::new();
    for number in 1..=12 {
        let past = Past::new(recalled.clone(), "mira", str::to_owned);
        let draft = draft(&past, &format!("Line {number}"));
        let told = draft.now().to_owned();
        let counts = vec![10; draft.texts().len()];
        let text = render(&draft.fit(&counts, 0, 10_000).expect("it fits"));
        assert!(text.starts_with(&before), "prompt {number} does not begin with prompt {}", number - 1);
        before = text;
        recalled.push(Recalled::Turn(past_turn(number, &told, "Aye.")));
        recalled.push(Recalled::Event { text: format!("Event {number}."), game_time: None });
    }
}

#[test]
fn too_long_a_past_is_dropped_in_blocks_and_too_long_a_line_is_an_error() {
    let turns: Vec<Recalled> =
        (1..=40).map(|number| Recalled::Turn(past_turn(number, "Ann: So?", "Aye."))).collect();
    let kept = |turns: &[Recalled]| {
        let draft = draft(&Past::new(turns.to_vec(), "mira", str::to_owned), "And?");
        let counts = vec![10; draft.texts().len()];
        draft.fit(&counts, 0, 300).expect("it fits").len()
    };
    // 300 tokens: 30 messages. Within a block each turn adds a pair; then a block goes at once.
    let lengths: Vec<usize> = (24..=36).map(|count| kept(&turns[..count])).collect();
    expect![[r#"
        [30, 20, 22, 24, 26, 28, 30, 20, 22, 24, 26, 28, 30]
    "#]]
    .assert_debug_eq(&format_args!("{lengths:?}"));

    let draft = draft(&Past::default(), "And?");
    let counts = vec![400; draft.texts().len()];
    assert_eq!(draft.fit(&counts, 4, 300), Err(PromptTooLong { needed: 808, budget: 300 }));
}
