//! Which entries a moment calls up: one pass over what was said, then over what those entries say.
//!
//! Pure: the dice are a seed, so the same moment calls up the same entries each time it is asked.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use super::timers::Phase;
use super::{AlsoRule, LoreEntry, LoreTimers};
use crate::condition::GameState;
use crate::prompt::one_line;
use crate::world::keys::FoldedText;

/// How often entries may lead to further entries.
pub const CHAIN_STEPS_MAX: usize = 8;

/// Whose turn it is, what is being talked about, and how much knowledge fits.
#[derive(Clone, Copy, Debug)]
pub struct LoreQuery<'a> {
    /// What was said of late, the newest last.
    pub said: &'a [&'a str],
    /// The id of the character who would know.
    pub character: &'a str,
    /// What the game says of the moment.
    pub state: &'a GameState,
    /// What the character was told of late, word for word: what stands there need not be told again.
    pub told: &'a [&'a str],
    /// How far the talk has come, with what is said now.
    pub timers: &'a LoreTimers,
    /// Chances and draws follow from it.
    pub dice: u64,
    /// Entries at most.
    pub entries_max: usize,
    /// Characters of text at most, over all entries.
    pub chars_max: usize,
}

/// What a moment calls up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CalledUp<'l> {
    /// To be told, in this order.
    pub entries: Vec<&'l LoreEntry>,
    /// As the timers are after it.
    pub timers: LoreTimers,
}

/// An entry that came up, and how much spoke for it.
#[derive(Clone, Copy)]
struct Found<'l> {
    entry: &'l LoreEntry,
    /// How many of its keys were said, and where the last of them stands.
    keys: usize,
    last: usize,
    step: usize,
    stays: bool,
}

/// The entries that the talk calls up.
///
/// Room is given to those that are always told, then by priority, then to what was said itself before what
/// other entries led to, then to those with more of their keys, then to those mentioned last. An entry that
/// does not fit any more is left out in favour of a shorter one behind it.
pub fn call_up<'l>(lore: &'l [LoreEntry], query: &LoreQuery<'_>) -> CalledUp<'l> {
    let found = search(lore, query);
    let mut timers = query.timers.clone();
    let chosen = within_budget(found, query);
    timers.note(lore, chosen.iter().map(|found| found.entry));
    let mut told: Vec<&Found<'_>> = chosen.iter().filter(|found| !is_told(found.entry, query)).collect();
    told.sort_by_key(|found| found.entry.order);
    CalledUp { entries: told.into_iter().map(|found| found.entry).collect(), timers }
}

/// All that comes up, in as many steps as entries lead on.
fn search<'l>(lore: &'l [LoreEntry], query: &LoreQuery<'_>) -> Vec<Found<'l>> {
    let mut texts = Texts { said: query.said, by_depth: HashMap::new() };
    let mut found: Vec<Found<'l>> = Vec::new();
    // Rolled once for each entry: who had no luck does not get another try in the next step.
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    let direct = |entry: &&LoreEntry| entry.only_led_to == 0;
    let mut new: Vec<Found<'l>> = lore
        .iter()
        .filter(|entry| entry.enabled)
        .filter(direct)
        .filter_map(|entry| by_talk(entry, query, &mut texts))
        .collect();
    let mut levels: Vec<u32> =
        lore.iter().map(|entry| entry.only_led_to).filter(|level| *level > 0).collect();
    levels.sort_unstable();
    levels.dedup();
    let mut levels_open = usize::from(!levels.is_empty());
    let mut leading = String::new();
    for step in 0..=CHAIN_STEPS_MAX {
        new.retain(|candidate| settled.insert(&candidate.entry.id) && is_lucky(candidate, query));
        let new_ones = one_of_each_group(std::mem::take(&mut new), &found, query);
        let leads_on = new_ones.iter().filter(|found| found.entry.leads_on);
        let texts_before = leading.len();
        leads_on.for_each(|found| leading.extend([found.entry.text.as_str(), "\n"]));
        found.extend(new_ones);
        if leading.is_empty() || (leading.len() == texts_before && levels_open >= levels.len()) {
            break;
        }
        if leading.len() == texts_before {
            levels_open += 1;
        }
        let level_max = levels.get(..levels_open).and_then(<[u32]>::last).copied().unwrap_or(0);
        let text = FoldedText::new(&leading);
        let candidates = lore.iter().filter(|entry| entry.enabled && !settled.contains(entry.id.as_str()));
        new = candidates
            .filter(|entry| !entry.only_from_talk && entry.only_led_to <= level_max)
            .filter(|entry| query.timers.phase(entry) == Phase::Free)
            .filter_map(|entry| by_keys(entry, &text, step + 1))
            .filter(|found| found.entry.open_to(query.character, query.state))
            .collect();
    }
    found
}

/// What was said, made ready once for each depth that entries ask for.
struct Texts<'q> {
    said: &'q [&'q str],
    by_depth: HashMap<u32, FoldedText>,
}

impl Texts<'_> {
    fn of(&mut self, depth: u32) -> &FoldedText {
        let said = self.said;
        self.by_depth.entry(depth).or_insert_with(|| {
            let from = said.len().saturating_sub(depth as usize);
            FoldedText::new(&said[from..].join("\n"))
        })
    }
}

/// The entry, if what was said calls it up. Whether a key was said is asked first: of a large lore, it rules
/// out nearly all.
fn by_talk<'l>(entry: &'l LoreEntry, query: &LoreQuery<'_>, texts: &mut Texts<'_>) -> Option<Found<'l>> {
    let stays = query.timers.phase(entry) == Phase::Stays;
    let found = if stays || entry.always {
        Found { entry, keys: 0, last: 0, step: 0, stays }
    } else {
        by_keys(entry, texts.of(entry.scan), 0)?
    };
    let may = query.timers.phase(entry) != Phase::Waits && entry.open_to(query.character, query.state);
    may.then_some(found)
}

fn by_keys<'l>(entry: &'l LoreEntry, text: &FoldedText, step: usize) -> Option<Found<'l>> {
    let place = |key: &super::LoreKey| key.found_in(text, entry.find, entry.match_case);
    let (keys, last) =
        entry.keys.iter().filter_map(place).fold((0, 0), |(count, last), at| (count + 1, at.max(last)));
    if keys == 0 {
        return None;
    }
    let also = entry.also.iter().filter(|key| place(key).is_some()).count();
    let fits = entry.also.is_empty()
        || match entry.also_rule {
            AlsoRule::Any => also > 0,
            AlsoRule::All => also == entry.also.len(),
            AlsoRule::None => also == 0,
            AlsoRule::NotAll => also < entry.also.len(),
        };
    let counted = if matches!(entry.also_rule, AlsoRule::Any | AlsoRule::All) { keys + also } else { keys };
    fits.then_some(Found { entry, keys: counted, last, step, stays: false })
}

/// Whether the chance of an entry came out. What stays is not asked again.
fn is_lucky(found: &Found<'_>, query: &LoreQuery<'_>) -> bool {
    let chance = f64::from(found.entry.chance);
    found.stays || chance >= 100.0 || draw(query.dice, &["chance", &found.entry.id]) * 100.0 < chance
}

/// Of the new entries that share a group, one; none if the group has its entry already.
fn one_of_each_group<'l>(
    mut new: Vec<Found<'l>>,
    found: &[Found<'l>],
    query: &LoreQuery<'_>,
) -> Vec<Found<'l>> {
    let groups: BTreeSet<&str> = new.iter().flat_map(|f| f.entry.groups.iter().map(String::as_str)).collect();
    for group in groups {
        let is_in = |found: &Found<'_>| found.entry.groups.iter().any(|name| name == group);
        let mut members: Vec<Found<'l>> = new.iter().copied().filter(is_in).collect();
        if members.is_empty() {
            continue; // another group took its last one
        }
        let taken = found.iter().any(is_in);
        if members.iter().any(|member| member.stays) {
            members.retain(|member| member.stays);
        }
        if members.iter().any(|member| member.entry.group_by_keys) {
            let most = members.iter().map(|member| member.keys).max().unwrap_or(0);
            members.retain(|member| !member.entry.group_by_keys || member.keys == most);
        }
        let winner = (!taken).then(|| winner(&members, group, query.dice)).map(|found| &found.entry.id);
        new.retain(|found| !is_in(found) || Some(&found.entry.id) == winner);
    }
    new
}

fn winner<'m, 'l>(members: &'m [Found<'l>], group: &str, dice: u64) -> &'m Found<'l> {
    let first = members.iter().filter(|member| member.entry.group_first);
    if let Some(first) = first.min_by_key(|member| Reverse(member.entry.order)) {
        return first;
    }
    let weight = |member: &Found<'_>| f64::from(member.entry.group_weight.max(0));
    let mut left = draw(dice, &["group", group]) * members.iter().map(weight).sum::<f64>();
    let drawn = members.iter().find(|member| {
        left -= weight(member);
        left < 0.0
    });
    drawn.unwrap_or(&members[members.len() - 1])
}

fn within_budget<'l>(mut found: Vec<Found<'l>>, query: &LoreQuery<'_>) -> Vec<Found<'l>> {
    found.sort_by_key(|found| {
        let entry = found.entry;
        let priority = entry.priority.unwrap_or(entry.order);
        (!entry.always, Reverse(priority), found.step, Reverse(found.keys), Reverse(found.last))
    });
    let (mut entries_left, mut chars_left) = (query.entries_max, query.chars_max);
    found.retain(|found| {
        if is_told(found.entry, query) {
            return true; // it stands in the prompt already
        }
        let chars = found.entry.text.chars().count();
        let fits = entries_left > 0 && chars <= chars_left;
        if fits {
            entries_left -= 1;
            chars_left -= chars;
        }
        fits
    });
    found
}

fn is_told(entry: &LoreEntry, query: &LoreQuery<'_>) -> bool {
    let text = one_line(&entry.text);
    query.told.iter().any(|told| told.contains(&text))
}

/// A number from 0 to 1 that follows from the seed and the words alone (FNV-1a, then the finaliser of
/// SplitMix64, so that seeds which are next to each other do not give like numbers).
fn draw(seed: u64, words: &[&str]) -> f64 {
    let mut hash = 0xcbf2_9ce4_8422_2325 ^ seed;
    for byte in words.iter().flat_map(|word| word.bytes().chain([0])) {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^= hash >> 31;
    (hash >> 11) as f64 / (1_u64 << 53) as f64
}
