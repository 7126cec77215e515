//! Ids made from names: safe as names of files on every system, and each only once.

use std::collections::HashSet;

use meddah_engine::world::PLAYER_ID;

use crate::limits::ID_BYTES_MAX;

/// Names that mean a device on Windows, whatever the ending.
const RESERVED: [&str; 6] = ["con", "prn", "aux", "nul", "com", "lpt"];
/// What a name without letters becomes.
const NAMELESS: &str = "character";

/// The ids that are taken.
#[derive(Clone, Debug, Default)]
pub struct Ids {
    taken: HashSet<String>,
    /// Where the search for a free number begins: a thousand guards would be half a million questions.
    next: std::collections::HashMap<String, usize>,
}

impl Ids {
    /// With those that a world has.
    pub fn new(taken: impl IntoIterator<Item = String>) -> Ids {
        Ids { taken: taken.into_iter().collect(), ..Ids::default() }
    }

    /// Whether the id is taken. Files that differ in capitals only are one on Windows.
    pub fn has(&self, id: &str) -> bool {
        self.taken.contains(id) || self.taken.contains(&id.to_lowercase())
    }

    /// A free id for a name: `guard`, then `guard_2`. It is taken from now on.
    pub fn take(&mut self, name: &str) -> String {
        let base = id_of(name);
        let number = self.next.entry(base.clone()).or_insert(1);
        let id = loop {
            let id = if *number == 1 { base.clone() } else { format!("{base}_{number}") };
            *number += 1;
            if !self.taken.contains(&id) {
                break id;
            }
        };
        self.taken.insert(id.clone());
        id
    }

    /// Takes an id as it is.
    pub fn insert(&mut self, id: &str) {
        self.taken.insert(id.to_lowercase());
    }
}

/// `Ælfrīc the Old` is `aelfric_the_old`.
pub(crate) fn id_of(name: &str) -> String {
    let id = slug(name, ID_BYTES_MAX);
    let device = id.trim_end_matches(|c: char| c.is_ascii_digit());
    match id.as_str() {
        "" => NAMELESS.to_owned(),
        PLAYER_ID => format!("{PLAYER_ID}_character"),
        _ if RESERVED.contains(&device) => format!("{id}_character"),
        _ => id,
    }
}

/// Small letters and digits of the Latin alphabet, with `_` between words.
pub(crate) fn slug(text: &str, bytes_max: usize) -> String {
    let head: String = text.chars().take(4 * bytes_max).collect();
    let latin = deunicode::deunicode(&head).to_ascii_lowercase().replace(['\'', '"', '`'], "");
    let words: Vec<&str> =
        latin.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let joined = words.join("_");
    joined[..joined.len().min(bytes_max)].trim_end_matches('_').to_owned()
}

/// Whether an id that somebody chose can be the name of a file.
pub fn check_id(id: &str) -> Result<(), String> {
    let sound = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if id.is_empty() || id.len() > ID_BYTES_MAX || !id.bytes().all(sound) {
        return Err(format!(
            "`{}` cannot be an id: it may have letters a to z, digits, _ and -, {ID_BYTES_MAX} at most",
            id.chars().take(80).collect::<String>()
        ));
    }
    let lower = id.to_ascii_lowercase();
    if id_of(&lower) != slug(&lower, ID_BYTES_MAX) {
        return Err(format!("`{id}` cannot be an id: the name means something else"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_names_of_files() {
        for (name, id) in [
            ("Ælfrīc the Old", "aelfric_the_old"),
            ("Мира", "mira"),
            ("古い", "gu_i"),
            ("../../etc/passwd", "etc_passwd"),
            ("C:\\Windows\\x", "c_windows_x"),
            ("CON", "con_character"),
            ("com1", "com1_character"),
            ("Player", "player_character"),
            ("Lydia's Friend", "lydias_friend"),
            ("", "character"),
            ("\u{0}\u{202e}", "character"),
        ] {
            assert_eq!(id_of(name), id, "{name}");
        }
        assert!(id_of(&"long name ".repeat(100)).len() <= ID_BYTES_MAX);
        assert!(id_of(&"\u{fdfa}".repeat(100)).len() <= ID_BYTES_MAX);
    }

    #[test]
    fn each_id_is_given_once() {
        let mut ids = Ids::new(["guard_3".to_owned()]);
        let given: Vec<String> = (0..4).map(|_| ids.take("Guard")).collect();
        assert_eq!(given, ["guard", "guard_2", "guard_4", "guard_5"]);
        assert!(ids.has("GUARD_4") && !ids.has("guard_6"));
    }

    #[test]
    fn chosen_ids_are_checked() {
        for id in ["mira", "Mira-2"] {
            assert_eq!(check_id(id), Ok(()));
        }
        for id in ["", "..", "a/b", "con", "NUL", "player", "é", &"x".repeat(49)] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }
}
