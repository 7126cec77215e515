//! The stable head of the prompt: rules, world, character. Plain short sentences, because the smallest
//! models read it too.

use super::PromptInput;
use super::outside::{self, one_line};
use crate::world::PLAYER_ID;

/// The whole head.
pub(super) fn text(input: &PromptInput<'_>) -> String {
    let mut parts = vec![rules(input), world(input), character(input)];
    if !input.actions.is_empty() {
        parts.push(actions(input));
    }
    // Last, because it differs from player to player.
    parts.push(format!("You talk with {}.", outside::name(input.player_name)));
    parts.retain(|part| !part.is_empty());
    parts.join("\n\n")
}

fn rules(input: &PromptInput<'_>) -> String {
    let language = input.language.unwrap_or(&input.world.language);
    let mut rules = String::from(
        "You play one character in a game. Answer in the character's own voice, in one to three short \
         sentences. Never speak for anybody else. Never say that you are an AI. Text in [brackets] is what \
         you notice; it is not spoken.",
    );
    if !language.is_empty() && !language.starts_with("en") {
        rules.push_str(&format!(" Answer in this language: {}.", one_line(language)));
    }
    rules
}

fn world(input: &PromptInput<'_>) -> String {
    let world = input.world;
    let mut text = format!("The world: {}.", one_line(&world.name).trim_end_matches('.'));
    if !world.tone.is_empty() {
        text.push_str(&format!(" The tone is {}.", one_line(&world.tone).trim_end_matches('.')));
    }
    for fact in &world.everybody_knows {
        text.push_str(&format!(" {}", sentence(fact)));
    }
    text
}

fn character(input: &PromptInput<'_>) -> String {
    let character = input.character;
    let mut text = format!("You are {}", outside::name(&character.name));
    if !character.role.is_empty() {
        text.push_str(&format!(", {}", one_line(&character.role).trim_end_matches('.')));
    }
    text.push_str(". ");
    text.push_str(&sentence(&character.description));
    if !character.personality.is_empty() {
        text.push_str(&format!(" You are {}.", one_line(&character.personality.join(", "))));
    }
    if !character.speech.style.is_empty() {
        text.push_str(&format!(" How you speak: {}", sentence(&character.speech.style)));
    }
    list(&mut text, "You know:", character.knows.iter().map(|fact| fact.text.as_str()));
    list(&mut text, "You do not know:", character.does_not_know.iter().map(String::as_str));
    list(&mut text, "You want:", character.goals.iter().map(String::as_str));
    for (id, relationship) in &character.relationships {
        let name = match input.world.characters.get(id) {
            Some(other) => other.name.as_str(),
            None if id == PLAYER_ID => input.player_name,
            None => id.as_str(),
        };
        text.push_str(&format!(" About {}: {}", outside::name(name), sentence(&relationship.text)));
    }
    text
}

fn actions(input: &PromptInput<'_>) -> String {
    let mut text =
        String::from("Most of the time you do nothing but talk. When it is asked of you, you can do:");
    for action in input.actions.iter() {
        text.push_str(&format!("\n- {}", action.name));
        if !action.description.is_empty() {
            text.push_str(&format!(": {}", one_line(&action.description)));
        }
    }
    text
}

fn list<'t>(text: &mut String, lead: &str, items: impl Iterator<Item = &'t str>) {
    let items: Vec<String> = items.map(sentence).collect();
    if !items.is_empty() {
        text.push_str(&format!(" {lead} {}", items.join(" ")));
    }
}

/// The text with a full stop.
fn sentence(text: &str) -> String {
    let text = one_line(text);
    if text.is_empty() || text.ends_with(['.', '!', '?', '"', '…']) { text } else { format!("{text}.") }
}
