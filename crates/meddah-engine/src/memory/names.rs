//! Ids and names of beings, as numbers.

use std::collections::HashMap;

use super::words::Words;

/// A being; [`NOBODY`] says nothing and witnesses nothing.
pub(super) type Being = u32;
/// Who "said" what merely happened.
pub(super) const NOBODY: Being = 0;

/// The beings of a timeline, by id and by the words of their names.
pub(super) struct Names {
    by_id: HashMap<Box<str>, Being>,
    shown: Vec<Box<str>>,
    by_stem: HashMap<Box<str>, Vec<Being>>,
}

impl Default for Names {
    fn default() -> Self {
        Names { by_id: HashMap::from([("".into(), NOBODY)]), shown: vec!["".into()], by_stem: HashMap::new() }
    }
}

impl Names {
    /// The number of an id, a new one if need be.
    pub(super) fn number(&mut self, id: &str) -> Being {
        if let Some(being) = self.by_id.get(id) {
            return *being;
        }
        let being = Being::try_from(self.shown.len()).unwrap_or(NOBODY);
        self.by_id.insert(id.into(), being);
        self.shown.push("".into());
        being
    }

    /// The number of an id that is known.
    pub(super) fn find(&self, id: &str) -> Option<Being> {
        self.by_id.get(id).copied()
    }

    /// What a being is called; the first name told counts.
    pub(super) fn call(&mut self, being: Being, name: &str, words: &Words) {
        let Some(shown) = self.shown.get_mut(being as usize).filter(|shown| shown.is_empty()) else { return };
        if being == NOBODY || name.trim().is_empty() {
            return;
        }
        *shown = name.trim().into();
        for stem in words.stems(name) {
            let bearers = self.by_stem.entry(stem.into()).or_default();
            if !bearers.contains(&being) {
                bearers.push(being);
            }
        }
    }

    /// The name of a being; empty if it was never told.
    pub(super) fn shown(&self, being: Being) -> &str {
        self.shown.get(being as usize).map_or("", |name| name)
    }

    /// Those whose name has this stem.
    pub(super) fn bearers(&self, stem: &str) -> &[Being] {
        self.by_stem.get(stem).map_or(&[], Vec::as_slice)
    }
}
