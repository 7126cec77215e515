//! Which campaign is played: each has a world of its own, with its own characters, news and memories.
//!
//! The mod gives a lord the same id in every campaign and tells a campaign apart by an id in the save game. It
//! asks whether that id is the one in play. When it is not, the mod offers the player to begin anew, and either
//! answer is fine here: the other campaign is not touched, and comes back when its save is loaded.

use meddah_protocol::{ErrorCode, WireError};
use serde::{Deserialize, Serialize};

use crate::worlds::Worlds;

/// The world of the first campaign; later ones have a number behind it.
const WORLD: &str = "bannerlord";
/// Campaigns that are kept apart.
const CAMPAIGNS_MAX: usize = 100;

/// One campaign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in super::super) struct Campaign {
    pub world: String,
    /// The id in its save games, once it is known.
    pub save: Option<String>,
    /// What characters call the player.
    pub player: String,
}

/// All of them. The last is never gone from: there is always a current one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Campaigns {
    current: usize,
    list: Vec<Campaign>,
}

impl Default for Campaigns {
    fn default() -> Campaigns {
        Campaigns { current: 0, list: vec![Campaign { world: WORLD.into(), ..Campaign::default() }] }
    }
}

impl Campaigns {
    /// As read from a file; one that makes no sense is begun anew.
    pub fn checked(self) -> Campaigns {
        let fits = self.current < self.list.len() && self.list.iter().all(|one| !one.world.is_empty());
        if fits { self } else { Campaigns::default() }
    }

    pub fn current(&self) -> &Campaign {
        &self.list[self.current]
    }

    pub fn current_mut(&mut self) -> &mut Campaign {
        &mut self.list[self.current]
    }

    /// Plays the campaign with this save id, and says whether it was the one in play or one that is known. A
    /// campaign without an id gets it: it began before it was asked for.
    pub fn play(&mut self, save: &str, worlds: &Worlds) -> Result<bool, WireError> {
        if let Some(known) = self.list.iter().position(|one| one.save.as_deref() == Some(save)) {
            self.current = known;
            return Ok(true);
        }
        let is_first = self.current().save.is_none();
        if !is_first {
            self.begin(worlds)?;
        }
        self.current_mut().save = Some(save.to_owned());
        Ok(is_first)
    }

    /// Begins a campaign of which nothing is known. The former one loses its id: its save now means the new one.
    pub fn begin_anew(&mut self, worlds: &Worlds) -> Result<(), WireError> {
        let former = self.current;
        self.begin(worlds)?;
        self.list[former].save = None;
        Ok(())
    }

    fn begin(&mut self, worlds: &Worlds) -> Result<(), WireError> {
        if self.list.len() >= CAMPAIGNS_MAX {
            return Err(WireError::new(
                ErrorCode::Busy,
                format!("{CAMPAIGNS_MAX} campaigns are kept already"),
            )
            .with_help(
                "Move the folders `relay` and `worlds` of Meddah's data folder away to begin with none.",
            ));
        }
        let number = self.list.len() + 1;
        let names = (number..).map(|number| format!("{WORLD}-{number}"));
        // A world of that name may be left from a time that is not in this list any more.
        let free = names.into_iter().find(|name| worlds.find(name).is_err()).unwrap_or_default();
        self.current = self.list.len();
        self.list.push(Campaign { world: free, ..Campaign::default() });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_save_matches_another_does_not_and_each_has_a_world_of_its_own() {
        let worlds = Worlds::new(Vec::new());
        let mut campaigns = Campaigns::default();
        let mut play = |save: &str| {
            let matches = campaigns.play(save, &worlds).unwrap();
            (matches, campaigns.current().world.clone())
        };
        assert_eq!(play("a"), (true, "bannerlord".into()));
        assert_eq!(play("a"), (true, "bannerlord".into()));
        assert_eq!(play("b"), (false, "bannerlord-2".into()));
        assert_eq!(play("b"), (true, "bannerlord-2".into()));
        assert_eq!(play("a"), (true, "bannerlord".into()));
        campaigns.begin_anew(&worlds).unwrap();
        assert_eq!(campaigns.current().world, "bannerlord-3");
        assert_eq!(campaigns.play("a", &worlds), Ok(true));
        assert_eq!(campaigns.current().world, "bannerlord-3", "its save now means the new one");
        let many = (0..CAMPAIGNS_MAX).map(|_| campaigns.begin_anew(&worlds)).find_map(Result::err);
        assert_eq!(many.map(|error| error.code), Some(ErrorCode::Busy));
    }

    #[test]
    fn a_list_that_makes_no_sense_is_begun_anew() {
        let read = |text: &str| serde_json::from_str::<Campaigns>(text).unwrap().checked();
        assert_eq!(read(r#"{"current": 3, "list": []}"#), Campaigns::default());
        assert_eq!(read(r#"{"current": 0, "list": [{}]}"#), Campaigns::default());
    }
}
