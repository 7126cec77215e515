//! What is wrong with an answer.

use meddah_engine::condition::{Condition, GameState};
use meddah_engine::reply::{fits_language, is_sentence_end};
use meddah_engine::world::{Character, World, gives_away};
use meddah_protocol::WireError;
use serde::Serialize;

use super::file::CheckLine;

/// A line in marks of speech or brackets ends inside them.
const CLOSERS: [char; 6] = ['"', '”', '»', '*', ')', '\''];

/// What came of a line of the player.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// What was heard, and whether it was told instead of spoken.
    pub lines: Vec<(String, bool)>,
    /// Names of actions that the game was told to carry out.
    pub actions: Vec<String>,
    /// Ids of goals that were reached.
    pub goals: Vec<String>,
    /// How the character felt.
    pub emotion: Option<String>,
    /// The wait for the first line.
    pub first_line_ms: Option<f64>,
    /// Which model answered.
    pub model: String,
    /// The character's own file answered.
    pub canned: bool,
    /// The first answer was not usable.
    pub asked_again: bool,
    /// Why no model answered.
    pub failed: Option<WireError>,
    /// What the model read.
    pub read: Vec<String>,
}

impl Answer {
    /// All that was heard.
    pub fn text(&self) -> String {
        self.lines.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Problem {
    /// A stable word: `leak`, `secret_in_prompt`, `name_before_line`, `spoke_for_others`, `wrong_language`, `broke_off`,
    /// `gave_itself_away`, `not_expected`, `action`, `goal`, `emotion`, `slow`, `no_answer`.
    pub code: &'static str,
    /// What the player said.
    pub player: String,
    /// For a person.
    pub message: String,
}

impl Problem {
    /// It is about the character and not about what its author expected.
    pub fn is_broken_character(&self) -> bool {
        const CODES: [&str; 5] =
            ["name_before_line", "spoke_for_others", "wrong_language", "broke_off", "gave_itself_away"];
        CODES.contains(&self.code)
    }

    /// Something was told, or could have been, that is closed.
    pub fn is_leak(&self) -> bool {
        matches!(self.code, "leak" | "secret_in_prompt")
    }
}

/// Judges the answers of one talk.
pub struct Judge<'j> {
    world: &'j World,
    character: &'j Character,
    player_name: &'j str,
    /// Secrets and lore that the character must not tell now.
    closed: Vec<&'j str>,
    /// What it may tell.
    open: String,
    names: Vec<String>,
}

/// Sentences that a character never says. Not the list that replies are cleaned with: a check checks that too.
const MODEL_WORDS: [&str; 6] =
    ["language model", "as an ai", "ai assistant", "how can i assist", "sprachmodell", "yapay zeka model"];

impl<'j> Judge<'j> {
    /// For an answer; `states` are what held right before it and right after. What is closed in all of them must not
    /// be told.
    pub fn new(
        world: &'j World,
        character: &'j Character,
        states: &[GameState],
        player_name: &'j str,
    ) -> Judge<'j> {
        let is_open = |condition: &Condition| states.iter().any(|state| condition.holds(state));
        let (open_facts, closed_facts): (Vec<_>, Vec<_>) =
            character.knows.iter().partition(|fact| fact.condition.as_ref().is_none_or(is_open));
        let secrets = character.secrets.iter();
        let (open_secrets, closed_secrets): (Vec<_>, Vec<_>) =
            secrets.partition(|secret| is_open(&secret.condition));
        let (open_lore, closed_lore): (Vec<_>, Vec<_>) = world
            .lore
            .iter()
            .partition(|entry| states.iter().any(|state| entry.open_to(&character.id, state)));
        let mut open: Vec<&str> = vec![&character.description, &character.role];
        open.extend(open_facts.iter().map(|fact| fact.text.as_str()));
        open.extend(world.everybody_knows.iter().map(String::as_str));
        open.extend(character.speech.samples.iter().map(|sample| sample.reply.as_str()));
        open.extend(open_secrets.iter().map(|secret| secret.text.as_str()));
        open.extend(open_lore.iter().map(|entry| entry.text.as_str()));
        let mut closed: Vec<&str> = closed_secrets.iter().map(|secret| secret.text.as_str()).collect();
        closed.extend(closed_facts.iter().map(|fact| fact.text.as_str()));
        closed.extend(closed_lore.iter().map(|entry| entry.text.as_str()));
        let names = world.characters.values().map(|other| other.name.clone());
        Judge {
            world,
            character,
            player_name,
            closed,
            open: open.join("\n"),
            names: names.chain([player_name.to_owned()]).collect(),
        }
    }

    /// Everything that is wrong with an answer.
    pub fn problems(&self, line: &CheckLine, answer: &Answer) -> Vec<Problem> {
        let mut found: Vec<(&'static str, String)> = Vec::new();
        if let Some(error) = &answer.failed {
            found.push(("no_answer", format!("no model answered: {}", error.message)));
        }
        self.leaks(line, answer, &mut found);
        self.broken_character(answer, &mut found);
        self.expectations(line, answer, &mut found);
        let problem = |(code, message)| Problem { code, player: line.player.clone(), message };
        found.into_iter().map(problem).collect()
    }

    fn leaks(&self, line: &CheckLine, answer: &Answer, found: &mut Vec<(&'static str, String)>) {
        let text = answer.text();
        let known = format!("{}\n{}", self.open, line.player);
        for secret in &self.closed {
            if gives_away(&text, secret, &known) {
                found.push(("leak", format!("{text:?} tells: {secret}")));
            }
            if answer.read.iter().any(|part| part.contains(secret)) {
                found.push(("secret_in_prompt", format!("the model read: {secret}")));
            }
        }
    }

    fn broken_character(&self, answer: &Answer, found: &mut Vec<(&'static str, String)>) {
        let language = &self.world.language;
        for (text, narration) in &answer.lines {
            let lower = text.to_lowercase();
            let before_colon = lower.split(':').next().unwrap_or_default().trim_matches(['*', '"', ' ']);
            let is_name = |name: &str| before_colon == name.to_lowercase();
            if lower.contains(':') && is_name(&self.character.name) {
                found.push(("name_before_line", format!("{text:?} begins with a name")));
            } else if lower.contains(':') && self.names.iter().any(|name| is_name(name)) {
                found.push(("spoke_for_others", format!("{text:?} is a line of somebody else")));
            }
            if lower.contains(&format!("{}: ", self.player_name.to_lowercase()))
                && !lower.starts_with(&self.player_name.to_lowercase())
            {
                found.push(("spoke_for_others", format!("{text:?} holds a line of the player")));
            }
            if MODEL_WORDS
                .iter()
                .any(|words| lower.contains(words) && !self.open.to_lowercase().contains(words))
            {
                found.push(("gave_itself_away", format!("{text:?} speaks as a model")));
            }
            if !narration && !fits_language(text, language, &self.names) {
                found.push(("wrong_language", format!("{text:?} is not in the language {language:?}")));
            }
        }
        match answer.lines.last() {
            Some((text, false)) if !is_sentence_end(text.trim_end_matches(CLOSERS)) => {
                found.push(("broke_off", format!("{text:?} does not end")));
            }
            _ => {}
        }
        if answer.lines.is_empty() && answer.failed.is_none() {
            found.push(("no_answer", "nothing was said".into()));
        }
    }

    fn expectations(&self, line: &CheckLine, answer: &Answer, found: &mut Vec<(&'static str, String)>) {
        let text = answer.text();
        let lower = text.to_lowercase();
        let has = |part: &String| lower.contains(&part.to_lowercase());
        if !line.expect_any.is_empty() && !line.expect_any.iter().any(has) {
            found.push(("not_expected", format!("{text:?} has none of {:?}", line.expect_any)));
        }
        if let Some(part) = line.expect_none.iter().find(|part| has(part)) {
            found.push(("not_expected", format!("{text:?} has {part:?}")));
        }
        let reached = answer.goals.join(", ");
        match &line.goal {
            Some(goal) if !answer.goals.contains(goal) => {
                let instead = if reached.is_empty() { "none" } else { &reached };
                found.push(("goal", format!("goal {goal} was to be reached, {instead} was")));
            }
            None if line.no_goal && !reached.is_empty() => {
                found.push(("goal", format!("goal {reached} was reached, none was to be")));
            }
            _ => {}
        }
        let called = || answer.actions.join(", ");
        match &line.action {
            Some(action) if !answer.actions.contains(action) => {
                let instead = if answer.actions.is_empty() { "nothing".to_owned() } else { called() };
                found.push(("action", format!("{action} was expected, {instead} was done")));
            }
            None if line.no_action && !answer.actions.is_empty() => {
                found.push(("action", format!("{} was done, nothing was expected", called())));
            }
            _ => {}
        }
        if let Some(emotion) = &line.emotion
            && answer.emotion.as_ref() != Some(emotion)
        {
            let felt = answer.emotion.as_deref().unwrap_or("nothing");
            found.push(("emotion", format!("{emotion} was expected, {felt} was felt")));
        }
        if let (Some(most), Some(took)) = (line.first_line_ms_max, answer.first_line_ms)
            && took > most
        {
            found.push(("slow", format!("the first line took {took:.0} ms, {most:.0} are allowed")));
        }
    }
}

#[cfg(test)]
mod tests {
    use meddah_engine::world::Secret;

    use super::*;

    fn world() -> World {
        let secret = Secret {
            text: "Osk hid the silver bell under the ferry.".into(),
            condition: "osk_trusts".into(),
        };
        let osk = Character {
            id: "osk".into(),
            name: "Osk".into(),
            description: "Osk cooks.".into(),
            secrets: vec![secret],
            ..Character::default()
        };
        World { language: "en".into(), characters: [("osk".to_owned(), osk)].into(), ..World::default() }
    }

    fn codes(line: &CheckLine, lines: &[&str], facts: &[&str]) -> Vec<&'static str> {
        let world = world();
        let states = [GameState::of_facts(facts)];
        let answer = Answer {
            lines: lines.iter().map(|&text| (text.to_owned(), false)).collect(),
            actions: vec!["follow".into()],
            goals: vec!["pay".into()],
            ..Answer::default()
        };
        let judge = Judge::new(&world, &world.characters["osk"], &states, "Ann");
        judge.problems(line, &answer).into_iter().map(|problem| problem.code).collect()
    }

    #[test]
    fn each_kind_of_problem_is_found() {
        let plain = CheckLine { player: "Hello.".into(), ..CheckLine::default() };
        assert!(codes(&plain, &["Good evening.", "Sit down!"], &[]).is_empty());
        assert_eq!(codes(&plain, &["I hid the silver bell under the ferry."], &[]), ["leak"]);
        assert!(codes(&plain, &["I hid the silver bell under the ferry."], &["osk_trusts"]).is_empty());
        assert_eq!(codes(&plain, &["Osk: Good evening."], &[]), ["name_before_line"]);
        assert_eq!(codes(&plain, &["Ann: And you?"], &[]), ["spoke_for_others"]);
        assert_eq!(codes(&plain, &["As an AI I cannot cook."], &[]), ["gave_itself_away"]);
        assert_eq!(codes(&plain, &["你好，旅行者。"], &[]), ["wrong_language"]);
        assert_eq!(codes(&plain, &["Well, I would"], &[]), ["broke_off"]);
        assert_eq!(codes(&plain, &[], &[]), ["no_answer"]);
        let expects = CheckLine {
            expect_any: vec!["soup".into()],
            no_action: true,
            goal: Some("rest".into()),
            emotion: Some("joy".into()),
            ..plain.clone()
        };
        assert_eq!(codes(&expects, &["Stew."], &[]), ["not_expected", "goal", "action", "emotion"]);
        let none = CheckLine { no_goal: true, ..plain };
        assert_eq!(codes(&none, &["Stew."], &[]), ["goal"]);
    }
}
