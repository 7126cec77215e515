//! What a reply may be: how long, in which language, and whose words.

use meddah_engine::prompt::Form;
use meddah_engine::reply::{EARLIER_REPLIES_MAX, GuardRules, ReplyRules};

use super::Turn;
use super::mind::Mind;

/// Facts of the scene, by the last word of their name (`combat`, `in_combat`), that leave no time for talk.
const URGENT_FACTS: [&str; 7] = ["urgent", "combat", "fight", "battle", "danger", "attack", "alarm"];
/// Words of a reply when there is no time.
const URGENT_WORDS_MAX: usize = 14;
/// Tokens that a word takes at most, on the whole, and tokens for what is no word.
const TOKENS_PER_WORD: u32 = 2;
const TOKENS_BESIDES: u32 = 16;

impl Turn {
    /// The game says that there is no time for talk.
    pub fn is_urgent(&self) -> bool {
        let is_name = |fact: &&String| !fact.trim().contains(char::is_whitespace);
        let last_word =
            |fact: &String| fact.rsplit(['_', '-', ':']).next().unwrap_or_default().to_lowercase();
        self.scene.facts.iter().filter(is_name).any(|fact| URGENT_FACTS.contains(&last_word(fact).as_str()))
    }

    /// The longest reply in words; 0 for no limit.
    fn words_max(&self) -> usize {
        let own = self.character.speech.words_max.map_or(0, |words| words as usize);
        match (self.is_urgent(), own) {
            (true, 0) => URGENT_WORDS_MAX,
            (true, own) => own.min(URGENT_WORDS_MAX),
            (false, own) => own,
        }
    }

    /// The longest reply in tokens: what the settings allow, or less if the character speaks little.
    pub fn reply_tokens_max(&self) -> u32 {
        let most = self.settings.reply_tokens_max;
        match u32::try_from(self.words_max()).unwrap_or(u32::MAX) {
            0 => most,
            words => most.min(words.saturating_mul(TOKENS_PER_WORD).saturating_add(TOKENS_BESIDES)),
        }
    }
}

/// How the text of a reply is read.
pub(super) fn reply_rules(turn: &Turn, form: &Form) -> ReplyRules {
    let lines_max = if turn.is_urgent() { 1 } else { turn.settings.lines_max.min(form.lines_max()) as usize };
    let mut rules = ReplyRules::new(&turn.character.name, turn.partner_name(), lines_max);
    rules.other_names.extend(others(turn));
    // Who is not there has no part either.
    let all = turn.world.characters.values().map(|other| &other.name);
    let absent = all.filter(|name| **name != turn.character.name && !rules.other_names.contains(name));
    let absent: Vec<String> = absent.cloned().collect();
    rules.other_names.extend(absent);
    rules
}

/// What its lines must not be. `unsaid` are sentences of the prompt.
pub(super) fn guard_rules(turn: &Turn, mind: &Mind<'_>, unsaid: Vec<String>) -> GuardRules {
    let character = &turn.character;
    let mut own_texts =
        vec![character.description.clone(), character.role.clone(), character.speech.style.clone()];
    own_texts.extend(character.speech.samples.iter().map(|sample| sample.reply.clone()));
    own_texts.extend(mind.character.knows.iter().map(|fact| fact.text.clone()));
    let turns = &mind.past.turns;
    let earlier = &turns[turns.len().saturating_sub(EARLIER_REPLIES_MAX)..];
    GuardRules {
        language: turn.spoken_language().to_owned(),
        names: turn.world.characters.values().map(|other| other.name.clone()).chain(player(turn)).collect(),
        others: others(turn).chain(player(turn)).collect(),
        own_texts,
        unsaid,
        asked: turn.cause.text().to_owned(),
        earlier: earlier.iter().map(|turn| (turn.record.text.clone(), turn.answer().into_owned())).collect(),
        words_max: turn.words_max(),
    }
}

/// Names of everybody else who is there.
fn others(turn: &Turn) -> impl Iterator<Item = String> {
    let present = turn.scene.present.iter().filter_map(|id| turn.world.characters.get(id));
    let names = present.map(|other| other.name.clone()).chain([turn.player.name.clone()]);
    names.filter(|name| *name != turn.character.name)
}

fn player(turn: &Turn) -> [String; 2] {
    [turn.player.name.clone(), turn.partner_name().to_owned()]
}
