//! Sample exchanges from `mes_example`, or from the greeting where there is none.

use meddah_engine::world::Sample;

use super::{CardNames, PLAYER};
use crate::card::Card;
use crate::limits::*;
use crate::text::{Names, bounded, clip, plain, resolve};

/// What stands for the names while speakers are told apart; taken out of the text before.
const CHARACTER: &str = "\u{1}";
const USER: &str = "\u{2}";
/// What the player says where only the character speaks.
const GO_ON: &str = "Go on.";
/// What the player says before a greeting.
const HELLO: &str = "Hello.";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speaker {
    Player,
    Character,
}

/// The samples of a card.
pub(super) fn samples(card: &Card, names: &CardNames) -> Vec<Sample> {
    let marked = |key: &str| {
        let text = card.text(key).replace(['\u{1}', '\u{2}'], "");
        resolve(bounded(&text), &Names { character: CHARACTER, player: USER })
    };
    let mut samples = Vec::new();
    for block in blocks(&marked("mes_example")) {
        for (player, reply) in exchanges(&block, names) {
            samples.extend(sample(&player, &reply, names));
        }
    }
    if samples.is_empty() {
        samples.extend(sample(HELLO, &marked("first_mes"), names));
    }
    samples.truncate(SAMPLES_TAKEN_MAX);
    samples
}

/// The text of samples as cards write it.
pub(crate) fn example_text(samples: &[Sample]) -> String {
    let blocks = samples
        .iter()
        .map(|sample| format!("<START>\n{{{{user}}}}: {}\n{{{{char}}}}: {}", sample.player, sample.reply));
    blocks.collect::<Vec<_>>().join("\n")
}

/// The parts between `<START>` lines.
fn blocks(text: &str) -> Vec<String> {
    let mut blocks = vec![String::new()];
    for line in text.lines() {
        if line.trim().get(..7).is_some_and(|start| start.eq_ignore_ascii_case("<start>")) {
            blocks.push(line.trim()[7..].to_owned());
        } else if let Some(block) = blocks.last_mut() {
            block.push_str(line);
            block.push('\n');
        }
    }
    blocks
}

/// Question and answer, in turn. Lines without a speaker belong to the one before.
fn exchanges(block: &str, names: &CardNames) -> Vec<(String, String)> {
    let mut said: Vec<(Speaker, String)> = Vec::new();
    for line in block.lines() {
        match (speaker(line, names), said.last_mut()) {
            (Some((who, words)), Some(last)) if last.0 == who => last.1.push_str(&format!("\n{words}")),
            (Some((who, words)), _) => said.push((who, words.to_owned())),
            (None, Some(last)) => last.1.push_str(&format!("\n{line}")),
            (None, None) => {}
        }
    }
    let mut exchanges = Vec::new();
    let mut asked = String::new();
    for (who, words) in said {
        match who {
            Speaker::Player => asked = words,
            Speaker::Character => exchanges.push((std::mem::take(&mut asked), words)),
        }
    }
    exchanges
}

/// Who speaks in a line that begins with a name and a colon.
fn speaker<'l>(line: &'l str, names: &CardNames) -> Option<(Speaker, &'l str)> {
    let (name, words) = line.trim_start().split_once(':')?;
    let name = name.trim().trim_matches('*');
    let is = |other: &str| name.to_lowercase() == other.to_lowercase();
    if name == CHARACTER || is(&names.name) || is(&names.called) {
        return Some((Speaker::Character, words));
    }
    (name == USER || is("you") || is("user")).then_some((Speaker::Player, words))
}

/// In our form: plain, whole sentences, not too long.
fn sample(player: &str, reply: &str, names: &CardNames) -> Option<Sample> {
    let form = |text: &str, bytes_max: usize| {
        let named = text.replace(CHARACTER, &names.called).replace(USER, PLAYER);
        clip(&plain(&named, &names.as_macros()), bytes_max, usize::MAX).fit
    };
    let reply = form(reply, SAMPLE_REPLY_BYTES_MAX);
    let player = Some(form(player, SAMPLE_PLAYER_BYTES_MAX)).filter(|text| !text.is_empty());
    let player = player.unwrap_or_else(|| GO_ON.to_owned());
    (!reply.is_empty()).then_some(Sample { player, reply, ..Sample::default() })
}
