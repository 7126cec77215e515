//! The tavern that comes with the program, so that the first talk needs no other file.

use include_dir::{Dir, DirEntry, include_dir};
use meddah_engine::world::{Character, PackFile, World};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/../../worlds/tavern");
/// What games call it.
const ID: &str = "tavern";

/// The world.
pub fn world() -> World {
    let files: Vec<PackFile> = files().map(|(path, text)| PackFile { path, text: text.to_owned() }).collect();
    let (world, _) = World::from_files(ID, &files).expect("the built-in tavern is checked by a test");
    world
}

/// Its files: path with `/` between folders, text.
pub fn files() -> impl Iterator<Item = (String, &'static str)> {
    let mut files = Vec::new();
    collect(&FILES, &mut files);
    files.into_iter()
}

/// Whom a player meets first: the innkeeper of the tavern, elsewhere the first in the alphabet.
pub fn first_character(world: &World) -> Option<&Character> {
    world.characters.get("mira").or(world.characters.values().next())
}

fn collect(folder: &'static Dir<'static>, files: &mut Vec<(String, &'static str)>) {
    for entry in folder.entries() {
        match entry {
            DirEntry::Dir(inner) => collect(inner, files),
            DirEntry::File(file) => {
                let path = file.path().to_string_lossy().replace('\\', "/");
                files.extend(file.contents_utf8().map(|text| (path, text)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_tavern_has_five_characters() {
        assert_eq!(super::world().characters.len(), 5);
    }
}
