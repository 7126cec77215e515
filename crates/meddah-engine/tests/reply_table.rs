//! Model outputs as they come, and what is made of them.

use expect_test::{Expect, expect};
use meddah_engine::reply::{ReplyEvent, ReplyParser, ReplyRules};

/// Mira answers Ana; Tom stands by.
fn rules() -> ReplyRules {
    ReplyRules {
        character_names: vec!["Mira".into(), "Mira Holt".into(), "米拉".into()],
        other_names: vec!["Tom".into()],
        player_name: "Ana".into(),
        stop: vec!["STOP".into()],
        lines_max: 6,
        line_chars_max: 80,
    }
}

fn parse(pieces: impl Iterator<Item = String>) -> Vec<ReplyEvent> {
    let mut parser = ReplyParser::new(rules());
    let mut events: Vec<ReplyEvent> = pieces.flat_map(|piece| parser.push(&piece)).collect();
    events.extend(parser.finish());
    events
}

fn show(events: &[ReplyEvent]) -> String {
    let shown = events.iter().filter_map(|event| match event {
        ReplyEvent::Line { text } => Some(format!("line: {text}\n")),
        ReplyEvent::Narration { text } => Some(format!("told: {text}\n")),
        ReplyEvent::Over => Some("over\n".to_owned()),
        ReplyEvent::Delta { .. } => None,
    });
    shown.collect()
}

/// The events without the deltas; in one piece or in single characters, they are the same.
fn check(text: &str, expected: Expect) {
    let whole = show(&parse(std::iter::once(text.to_owned())));
    expected.assert_eq(&whole);
    assert_eq!(show(&parse(text.chars().map(String::from))), whole, "{text:?}");
}

#[test]
fn plain_speech() {
    check(
        "Welcome to the Golden Fleece. What can I get you?",
        expect![[r#"
            line: Welcome to the Golden Fleece.
            line: What can I get you?
        "#]],
    );
    check(
        "Aye.",
        expect![[r#"
            line: Aye.
        "#]],
    );
    check(
        "Aye. The road north is closed! Wolves, they say… Or worse.",
        expect![[r#"
            line: Aye.
            line: The road north is closed!
            line: Wolves, they say…
            line: Or worse.
        "#]],
    );
    check(
        "Well... maybe I saw him. Maybe not.",
        expect![[r#"
            line: Well... maybe I saw him.
            line: Maybe not.
        "#]],
    );
    check(
        "Mr. Holt and Dr. J. Smith live on St. Anne's lane. Ask them, e.g. tomorrow.",
        expect![[r#"
            line: Mr. Holt and Dr. J. Smith live on St. Anne's lane.
            line: Ask them, e.g. tomorrow.
        "#]],
    );
    check(
        "That will be 3.5 silver, not 4. Pay up.",
        expect![[r#"
            line: That will be 3.5 silver, not 4.
            line: Pay up.
        "#]],
    );
    check(
        "What?! You have no idea... do you?",
        expect![[r#"
            line: What?!
            line: You have no idea... do you?
        "#]],
    );
    check(
        "He said \"run. Run fast.\" and I ran. That is all.",
        expect![[r#"
            line: He said "run. Run fast." and I ran.
            line: That is all.
        "#]],
    );
    check(
        "She came at 5 p.m. and left. I saw ale, bread, etc. on the table.",
        expect![[r#"
            line: She came at 5 p.m. and left.
            line: I saw ale, bread, etc. on the table.
        "#]],
    );
    check(
        "I have no money and no key",
        expect![[r#"
            line: I have no money and no key
        "#]],
    );
    check(
        "Fine.\n\nTake it.\r\nAnd go.\n",
        expect![[r#"
            line: Fine.
            line: Take it.
            line: And go.
        "#]],
    );
    check(
        "It's locked, isn't it? 'Tis the storm's fault, I'd say.",
        expect![[r#"
            line: It's locked, isn't it?
            line: 'Tis the storm's fault, I'd say.
        "#]],
    );
}

#[test]
fn other_scripts() {
    check(
        "你好，旅人。今天想喝点什么？「麦酒」很好！",
        expect![[r#"
            line: 你好，旅人。
            line: 今天想喝点什么？
            line: 麦酒很好！
        "#]],
    );
    check(
        "いらっしゃい！何にしますか？",
        expect![[r#"
            line: いらっしゃい！
            line: 何にしますか？
        "#]],
    );
    check(
        "¿Qué quieres? ¡Vete! No tengo nada.",
        expect![[r#"
            line: ¿Qué quieres?
            line: ¡Vete!
            line: No tengo nada.
        "#]],
    );
    check(
        "« Bonjour, mon ami ! Entrez donc. »",
        expect![[r#"
            line: Bonjour, mon ami !
            line: Entrez donc.
        "#]],
    );
    check(
        "„Guten Abend. Was darf es sein?“, sagt sie.",
        expect![[r#"
            line: Guten Abend.
            line: Was darf es sein?
            told: sagt sie.
        "#]],
    );
    check(
        "— Привет, странник. Садись.",
        expect![[r#"
            line: Привет, странник.
            line: Садись.
        "#]],
    );
    check(
        "مرحبا؟ كيف حالك.",
        expect![[r#"
            line: مرحبا؟
            line: كيف حالك.
        "#]],
    );
    check(
        "मैं ठीक हूँ। आप कैसे हैं?",
        expect![[r#"
            line: मैं ठीक हूँ।
            line: आप कैसे हैं?
        "#]],
    );
}

#[test]
fn narration() {
    check(
        "*wipes the bar* Welcome, stranger! *smiles* What'll it be?",
        expect![[r#"
            told: wipes the bar
            line: Welcome, stranger!
            told: smiles
            line: What'll it be?
        "#]],
    );
    check(
        "*She looks up. Her eyes narrow.* You again.",
        expect![[r#"
            told: She looks up. Her eyes narrow.
            line: You again.
        "#]],
    );
    check(
        "(sighs) Fine. [gives the key] Take it.",
        expect![[r#"
            told: sighs
            line: Fine.
            told: gives the key
            line: Take it.
        "#]],
    );
    check(
        "_leans closer_ I know a secret.",
        expect![[r#"
            told: leans closer
            line: I know a secret.
        "#]],
    );
    check(
        "*smiles warmly\nHello there!",
        expect![[r#"
            told: smiles warmly
            line: Hello there!
        "#]],
    );
    check(
        "*sighs Fine, take it.",
        expect![[r#"
            told: sighs Fine, take it.
        "#]],
    );
    check(
        "*smiles \"Come in, friend!\"",
        expect![[r#"
            told: smiles
            line: Come in, friend!
        "#]],
    );
    check(
        "Well *sighs* I guess so. Come in (shrugs).",
        expect![[r#"
            line: Well
            told: sighs
            line: I guess so.
            line: Come in
            told: shrugs
        "#]],
    );
    check(
        "*nods*Aye.*grins*",
        expect![[r#"
            told: nods
            line: Aye.
            told: grins
        "#]],
    );
    check(
        "*nods slowly * Aye. * smiles* So be it.",
        expect![[r#"
            told: nods slowly
            line: Aye.
            line: smiles So be it.
        "#]],
    );
    check(
        "**sighs** Not again.",
        expect![[r#"
            told: sighs
            line: Not again.
        "#]],
    );
    check(
        "*The door creaks.*",
        expect![[r#"
            told: The door creaks.
        "#]],
    );
    check(
        "I saw him.* He was here*",
        expect![[r#"
            line: I saw him.
            line: He was here
        "#]],
    );
}

#[test]
fn stress_and_asides() {
    check(
        "I *really* mean it. You are *not* welcome here.",
        expect![[r#"
            line: I really mean it.
            line: You are not welcome here.
        "#]],
    );
    check(
        "*Never* come back! **Never**, you hear?",
        expect![[r#"
            line: Never come back!
            line: Never, you hear?
        "#]],
    );
    check(
        "There were three (or four, maybe) of them. It's the *Golden Fleece*, lad.",
        expect![[r#"
            line: There were three (or four, maybe) of them.
            line: It's the Golden Fleece, lad.
        "#]],
    );
    check(
        "**Welcome to the Golden Fleece! What can I get you?**",
        expect![[r#"
            line: Welcome to the Golden Fleece!
            line: What can I get you?
        "#]],
    );
    check(
        "Use the some_old_key or 2*3 of them, you f**l.",
        expect![[r#"
            line: Use the some_old_key or 2*3 of them, you f**l.
        "#]],
    );
    check(
        "Oh, *now* you care. Well, *grinning* have it.",
        expect![[r#"
            line: Oh, now you care.
            line: Well,
            told: grinning
            line: have it.
        "#]],
    );
}

#[test]
fn quoted_speech() {
    check(
        "\"Aye, come in.\"",
        expect![[r#"
            line: Aye, come in.
        "#]],
    );
    check(
        "\"Aye,\" she says, wiping a glass. \"Come in and sit down.\"",
        expect![[r#"
            line: Aye,
            told: she says, wiping a glass.
            line: Come in and sit down.
        "#]],
    );
    check(
        "“Welcome! What brings you here?” Mira smiles and pours an ale.",
        expect![[r#"
            line: Welcome!
            line: What brings you here?
            told: Mira smiles and pours an ale.
        "#]],
    );
    check(
        "\"Freedom\" is a big word, lad.",
        expect![[r#"
            line: Freedom is a big word, lad.
        "#]],
    );
    check(
        "\"Aye.\" *nods* \"Sit.\"",
        expect![[r#"
            line: Aye.
            told: nods
            line: Sit.
        "#]],
    );
    check(
        "Mira: \"Hello there.\" She winks.",
        expect![[r#"
            line: Hello there.
            told: She winks.
        "#]],
    );
    check(
        "\"Never trust a bard",
        expect![[r#"
            line: Never trust a bard
        "#]],
    );
}

#[test]
fn names() {
    check(
        "Mira: Aye, stranger.",
        expect![[r#"
            line: Aye, stranger.
        "#]],
    );
    check(
        "**Mira**: Aye, stranger.",
        expect![[r#"
            line: Aye, stranger.
        "#]],
    );
    check(
        "**Mira:** Aye, stranger.",
        expect![[r#"
            line: Aye, stranger.
        "#]],
    );
    check(
        "Mira (smiling): Aye, stranger.\nMira: Sit down.",
        expect![[r#"
            line: Aye, stranger.
            line: Sit down.
        "#]],
    );
    check(
        "MIRA : Aye.",
        expect![[r#"
            line: Aye.
        "#]],
    );
    check(
        "[Mira]: Aye.",
        expect![[r#"
            line: Aye.
        "#]],
    );
    check(
        "Mira Holt: Mira: Aye.",
        expect![[r#"
            line: Aye.
        "#]],
    );
    check(
        "Assistant: Aye.",
        expect![[r#"
            line: Aye.
        "#]],
    );
    check(
        "Aye.\nPlayer: And then?\nMira: Then nothing.",
        expect![[r#"
            line: Aye.
            over
        "#]],
    );
    check(
        "Aye. Ana: And then?",
        expect![[r#"
            line: Aye.
            over
        "#]],
    );
    check(
        "Aye.\n**Tom (angry):** You lie!",
        expect![[r#"
            line: Aye.
            over
        "#]],
    );
    check(
        "Ask Tom: he knows. Tom is a guard.",
        expect![[r#"
            line: Ask Tom: he knows.
            line: Tom is a guard.
        "#]],
    );
    check(
        "Aye.\nYou: thanks",
        expect![[r#"
            line: Aye.
            over
        "#]],
    );
    check(
        "Tom: What do you want?",
        expect![[r#"
        over
    "#]],
    );
    check(
        "米拉：你好。",
        expect![[r#"
            line: 你好。
        "#]],
    );
}

#[test]
fn thinking() {
    check(
        "<think>\nThe player wants ale. I should greet.\n</think>\n\nHello!",
        expect![[r#"
            line: Hello!
        "#]],
    );
    check("<think>The player wants", expect![[""]]);
    check(
        "<|channel|>analysis<|message|>Greet her.<|end|><|start|>assistant<|channel|>final<|message|>Hello, you.",
        expect![[r#"
            line: Hello, you.
        "#]],
    );
    check(
        "</think>Hello!",
        expect![[r#"
            line: Hello!
        "#]],
    );
    check(
        "<tool_call>{\"name\": \"follow\"}</tool_call>Lead the way.",
        expect![[r#"
            line: Lead the way.
        "#]],
    );
}

#[test]
fn role_tokens() {
    check(
        "Aye.<|im_end|>\n<|im_start|>user\nhello",
        expect![[r#"
            line: Aye.
            over
        "#]],
    );
    check(
        "<|im_start|>assistant\nAye.</s>",
        expect![[r#"
            line: Aye.
            over
        "#]],
    );
    check(
        "[INST] hello [/INST] Aye.",
        expect![[r#"
        over
    "#]],
    );
    check(
        "Aye, I\n### Instruction:\nSay no.",
        expect![[r#"
            line: Aye, I
            over
        "#]],
    );
    check(
        "Hello there.\nuser\nWho are you?\nassistant\nI am Mira.",
        expect![[r#"
            line: Hello there.
            over
        "#]],
    );
    check(
        "assistant\n\nHello there.",
        expect![[r#"
            line: Hello there.
        "#]],
    );
    check(
        "Aye.<end_of_turn>",
        expect![[r#"
            line: Aye.
            over
        "#]],
    );
    check(
        "Aye. STOP no more",
        expect![[r#"
            line: Aye.
            over
        "#]],
    );
}

#[test]
fn decoration() {
    check(
        "# Mira's answer\n- Ale\n- Bread, *fresh*\n1. Sit\n2. Eat",
        expect![[r#"
            line: Mira's answer
            line: Ale
            line: Bread, fresh
            line: Sit
            line: Eat
        "#]],
    );
    check(
        "```json\n{\"a\": 1}\n```\nAye.",
        expect![[r#"
            line: Aye.
        "#]],
    );
    check(
        "Welcome! 😊🍺\n\n🎉🎉\nSit ☕ down.",
        expect![[r#"
            line: Welcome!
            line: Sit down.
        "#]],
    );
    check(
        "> Aye.\n---\n***\nSo `be` it~",
        expect![[r#"
            line: Aye.
            line: So be it
        "#]],
    );
    check("...", expect![[""]]);
    check("\"\"\n* *\n()", expect![[""]]);
}

#[test]
fn answer_heads_and_disclaimers() {
    check(
        "Mood: calm\nDoes: nothing\nSays: Aye.\nMood: angry\nDoes: attack\nSays: No.",
        expect![[r#"
            line: Aye.
            over
        "#]],
    );
    check(
        "As an AI language model, I don't have feelings. But the ale is good.",
        expect![[r#"
            line: But the ale is good.
        "#]],
    );
    check(
        "I'm sorry, but I can't assist with that. As an aide to the king, I know.",
        expect![[r#"
            line: As an aide to the king, I know.
        "#]],
    );
    check(
        "I'm an AI, captain. The hull is breached.",
        expect![[r#"
            line: I'm an AI, captain.
            line: The hull is breached.
        "#]],
    );
}

#[test]
fn limits() {
    check(
        "One. Two. Three. Four. Five. Six. Seven.",
        expect![[r#"
            line: One.
            line: Two.
            line: Three.
            line: Four.
            line: Five.
            line: Six.
            over
        "#]],
    );
    check(
        "I walked over the hills and through the woods, past the old mill and the burnt farm, until I came to the river where the ferryman waits for travellers who have no money.",
        expect![[r#"
            line: I walked over the hills and through the woods,
            line: past the old mill and the burnt farm, until I came to the river where the
            line: ferryman waits for travellers who have no money.
        "#]],
    );
    check(
        "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft ist lang.",
        expect![[r#"
            line: Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft
            line: ist lang.
        "#]],
    );
}
