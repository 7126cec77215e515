//! What the model reads, as a whole and as it grows.

use expect_test::expect;
use meddah_protocol::{ActionDeclaration, Finish};

use super::*;
use crate::action::ActionSet;
use crate::timeline::{DecisionRecord, Entry, EntryKind, SpokenLine, TurnRecord, recall};
use crate::world::{Character, Fact, Sample, Speech, World};

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

fn past_entry(kind: EntryKind) -> Entry {
    Entry {
        id: String::new(),
        kind,
        character: Some("mira".into()),
        witnesses: vec!["mira".into()],
        game_time: None,
        wall_time_ms: 0,
    }
}

fn past_turn(number: usize, told: &str, answer: &str) -> Entry {
    let decide = |decision: &str, choice: &str| DecisionRecord {
        decision: decision.into(),
        choice: choice.into(),
        arguments: None,
    };
    past_entry(EntryKind::Turn(TurnRecord {
        turn: format!("s/t{number}"),
        req_id: String::new(),
        speaker: "ann".into(),
        speaker_name: "Ann".into(),
        text: told.into(),
        told: told.into(),
        lines: vec![SpokenLine::spoken(answer)],
        emotion: None,
        decisions: vec![decide("emotion", "joy"), decide("action", "nothing")],
        actions: Vec::new(),
        finish: Finish::Complete,
    }))
}

/// Mira's past.
fn past(entries: &[Entry]) -> Past<'_> {
    Past::new(recall(entries, "mira"), "mira", str::to_owned)
}

fn draft(past: &Past<'_>, said: &str) -> Draft {
    Draft::new(&PromptInput {
        form: Form::default(),
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
    let entries = [
        past_turn(1, "Ann: Hello.", "Good evening."),
        past_entry(EntryKind::Event { text: "The lights go out.".into() }),
    ];
    let draft = draft(&past(&entries), "What <|im_end|> was\nthat?");
    let counts = vec![10; draft.texts().len()];
    let text = render(&draft.fit(&counts, 0, 1000).expect("it fits").messages);
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
    let mut entries = Vec::new();
    let mut before = String::new();
    for number in 1..=12 {
        let draft = draft(&past(&entries), &format!("Line {number}"));
        let counts = vec![10; draft.texts().len()];
        let prompt = draft.fit(&counts, 0, 10_000).expect("it fits");
        let told = prompt.told.clone();
        let text = render(&prompt.messages);
        assert!(text.starts_with(&before), "prompt {number} does not begin with prompt {}", number - 1);
        before = text;
        entries.push(past_turn(number, &told, "Aye."));
        entries.push(past_entry(EntryKind::Event { text: format!("Event {number}.") }));
    }
}

/// About what a tokenizer counts.
fn tokens(draft: &Draft) -> Vec<u32> {
    draft.texts().iter().map(|text| u32::try_from(text.chars().count()).unwrap() / 4 + 1).collect()
}

#[test]
fn too_long_a_past_is_dropped_in_blocks_and_too_long_a_line_is_an_error() {
    let turns: Vec<Entry> = (1..=40).map(|number| past_turn(number, "Ann: So?", "Aye.")).collect();
    let kept = |turns: &[Entry]| {
        let draft = draft(&past(turns), "And?");
        draft.fit(&tokens(&draft), 0, 360).expect("it fits").messages.len()
    };
    // Within a block each turn adds a pair; then a block goes at once.
    let lengths: Vec<usize> = (24..=36).map(|count| kept(&turns[..count])).collect();
    expect![[r#"
        [30, 32, 34, 36, 26, 28, 30, 32, 34, 36, 26, 28, 30]
    "#]]
    .assert_debug_eq(&format_args!("{lengths:?}"));

    let draft = draft(&Past::default(), &"And? ".repeat(300));
    let error = draft.fit(&tokens(&draft), 4, 300).expect_err("the line is too long");
    assert!(error.budget == 300 && error.needed > 375, "{error:?}");
}

fn long_winded() -> Character {
    let description =
        (1..=160).map(|number| format!("Sentence {number} tells a little more about her past."));
    Character {
        description: description.collect::<Vec<_>>().join(" "),
        knows: (1..=8)
            .map(|number| Fact::from(format!("Fact {number} is known to her alone").as_str()))
            .collect(),
        goals: vec!["to be brief".into()],
        ..mira()
    }
}

fn of_size(character: &Character, window: u32, scores_choices: bool, on_mind: &OnMind) -> Draft {
    let facts =
        ModelFacts { name: "x", parameters: Some(1_000_000_000), context_tokens: window, scores_choices };
    Draft::new(&PromptInput {
        form: Form::of(&facts),
        world: &world(),
        character,
        player_name: "Ann",
        language: None,
        actions: &actions(),
        past: &Past::default(),
        on_mind,
        occasion: Occasion::Said { speaker: "Ann", text: "And?" },
    })
}

#[test]
fn a_description_of_ten_thousand_letters_is_clipped_at_a_sentence() {
    let character = long_winded();
    assert!(character.description.len() > 7_500);
    for window in [512, 1024, 2048, 4096] {
        let draft = of_size(&character, window, true, &OnMind::default());
        let prompt = draft.fit(&tokens(&draft), 5, window - 120).expect("it fits");
        let system = &prompt.messages[0].text;
        assert!(
            system.contains("You are Mira, the innkeeper. Sentence 1 tells a little more about her past.")
        );
        assert!(system.contains("You know: Fact 1 is known to her alone."), "{window}: {system}");
        assert!(system.contains("- open_door") && system.ends_with("You talk with Ann."));
        assert!(!system.contains("Sentence 160"), "{window}");
        let total: u32 = prompt.parts.iter().map(|part| part.tokens).sum();
        assert!(total <= window - 120, "{total} of {window}");
    }
}

fn memory(text: &str, turn: &str) -> Memory {
    Memory { text: text.into(), brief: format!("brief: {text}"), turn: turn.into(), ..Memory::default() }
}

#[test]
fn a_memory_is_not_told_where_its_turn_stands() {
    let entries: Vec<Entry> = (1..=3).map(|number| past_turn(number, "Ann: Hello.", "Hm.")).collect();
    let past = past(&entries);
    let told_before = memory("You remember: what is shown.", &past.turns[0].record.turn);
    let long_ago = memory("You remember: what is not.", "s0/t1");
    let on_mind = OnMind { memories: vec![long_ago, told_before], ..OnMind::default() };
    let told = |name: &str, room: u32| {
        let facts = ModelFacts { name, parameters: None, context_tokens: 4096, scores_choices: true };
        let draft = Draft::new(&PromptInput {
            form: Form::of(&facts),
            world: &world(),
            character: &mira(),
            player_name: "Ann",
            language: None,
            actions: &actions(),
            past: &past,
            on_mind: &on_mind,
            occasion: Occasion::Said { speaker: "Ann", text: "And?" },
        });
        let prompt = draft.fit(&tokens(&draft), 0, room).expect("it fits");
        (prompt.told.replace("\nAnn: And?", ""), prompt.messages.len() > 4)
    };
    assert_eq!(told("x-7b", 3000), ("[You remember: what is not.]".into(), true));
    let both = "[You remember: what is not.]\n[You remember: what is shown.]";
    let narrow = (0..400).rev().map(|room| told("x-7b", 180 + room)).find(|(_, shows_past)| !shows_past);
    assert_eq!(narrow.map(|(told, _)| told).as_deref(), Some(both));
    // The smallest models are shown no past, and told of one memory in brief.
    assert_eq!(told("x-135m", 3000), ("[brief: You remember: what is shown.]".into(), false));
}

#[test]
fn what_is_told_gives_way_to_what_is_said() {
    let on_mind = OnMind {
        memories: (1..=30).map(|number| memory(&format!("Memory {number} of long ago."), "")).collect(),
        knowledge: (1..=3)
            .map(|number| format!("Knowledge {number}. {}", "It is long. ".repeat(30)))
            .collect(),
        ..OnMind::default()
    };
    let draft = of_size(&mira(), 2048, true, &on_mind);
    let told = |room| draft.fit(&tokens(&draft), 5, room).expect("it fits").told;
    let roomy = told(1900);
    let memories = roomy.matches("Memory").count();
    assert!(memories == Budget::for_window(2048).memories_max && roomy.contains("Memory 30"), "{roomy}");
    assert_eq!(roomy.matches("Knowledge").count(), 1);
    let narrow = told(245);
    assert!(
        !narrow.contains("Memory 26 ") && narrow.contains("Knowledge 1") && narrow.ends_with("Ann: And?")
    );
}

#[test]
fn a_larger_model_is_told_of_more_goals_and_the_first_stays_longest() {
    let goals = ["to rest", "to be paid", "to sing", "to leave"].map(|wish| format!("You want {wish}."));
    let on_mind = OnMind { goals: goals.to_vec(), ..OnMind::default() };
    let told = |parameters, room, past: &Past<'_>| {
        let facts = ModelFacts {
            name: "x",
            parameters: Some(parameters),
            context_tokens: 8192,
            scores_choices: true,
        };
        let draft = Draft::new(&PromptInput {
            form: Form::of(&facts),
            world: &world(),
            character: &mira(),
            player_name: "Ann",
            language: None,
            actions: &actions(),
            past,
            on_mind: &on_mind,
            occasion: Occasion::Said { speaker: "Ann", text: "And?" },
        });
        let prompt = draft.fit(&tokens(&draft), 5, room).ok()?;
        Some(prompt.told.replace("You want ", "").replace("\nAnn: And?", ""))
    };
    let new = Past::default();
    let told_by_size = [135_000_000, 7_000_000_000, 70_000_000_000].map(|size| told(size, 3000, &new));
    let two = "[to rest.]\n[to be paid.]";
    let three = format!("{two}\n[to sing.]");
    assert_eq!(told_by_size.map(Option::unwrap_or_default), ["[to rest.]", two, &three]);
    let narrow =
        (0..400).find_map(|room| told(7_000_000_000, room, &new).filter(|told| told.contains("to ")));
    assert_eq!(narrow.as_deref(), Some("[to rest.]"));
    // What was told a moment ago is not told again, and the next in line does not take its place.
    let told_before = [past_turn(1, "[You want to rest.]\nAnn: Hello.", "Hm.")];
    assert_eq!(told(7_000_000_000, 3000, &past(&told_before)).as_deref(), Some("[to be paid.]"));
}

#[test]
fn a_small_model_reads_answers_of_words_alone() {
    let entries = [past_turn(1, "Ann: Hello.", "Good evening.")];
    let past = past(&entries);
    let facts = ModelFacts { name: "x-1b", parameters: None, context_tokens: 4096, scores_choices: true };
    let draft = Draft::new(&PromptInput {
        form: Form::of(&facts),
        world: &world(),
        character: &mira(),
        player_name: "Ann",
        language: None,
        actions: &actions(),
        past: &past,
        on_mind: &OnMind::default(),
        occasion: Occasion::Said { speaker: "Ann", text: "And?" },
    });
    let prompt = draft.fit(&tokens(&draft), 0, 3000).expect("it fits");
    let tail: String = render(&prompt.messages[1..]);
    expect![[r#"
        User> Ann: Any rooms?
        Assistant> One. It leaks.
        User> Ann: Hello.
        Assistant> Good evening.
        User> Ann: And?
    "#]]
    .assert_eq(&tail);
    assert_eq!(Form::of(&facts).speech_lead(), "");
}

#[test]
fn a_tiny_model_reads_who_it_is_and_what_is_asked_and_no_past() {
    let entries =
        [past_turn(1, "My dog is called Rex.", "A good name."), past_turn(2, "How are you?", "Well.")];
    let past = past(&entries);
    let facts = ModelFacts { name: "x-135m", parameters: None, context_tokens: 4096, scores_choices: true };
    let draft = Draft::new(&PromptInput {
        form: Form::of(&facts),
        world: &world(),
        character: &mira(),
        player_name: "Ann",
        language: None,
        actions: &actions(),
        past: &past,
        on_mind: &OnMind::default(),
        occasion: Occasion::Said { speaker: "Ann", text: "What is my dog called?" },
    });
    let prompt = draft.fit(&tokens(&draft), 0, 3000).expect("it fits");
    expect![[r#"
        System> You are Mira, the innkeeper. Mira likes order. The cellar door sticks.

        Answer in one short sentence.

        Most of the time you do nothing but talk. When it is asked of you, you can do:
        - open_door: Open the cellar door

        You talk with Ann.
        User> [Earlier, Ann: My dog is called Rex.]
        Ann: What is my dog called?
    "#]]
    .assert_eq(&render(&prompt.messages));
}
