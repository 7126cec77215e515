//! What ships with the program: the tavern, the guide and the schemas. Read from the repository, so that
//! none of them can go out of date unnoticed.

use std::path::{Path, PathBuf};

use super::*;
use crate::condition::GameState;

/// Set to write the schemas anew instead of comparing them.
const UPDATE_VARIABLE: &str = "UPDATE";

fn repository() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

fn text(path: &Path) -> String {
    // A checkout on Windows may have other line ends.
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path:?}: {error}")).replace("\r\n", "\n")
}

fn tavern() -> (World, Vec<Warning>) {
    let folder = repository().join("worlds/tavern");
    let mut files = Vec::new();
    for sub in ["", "characters", "lore"] {
        for entry in std::fs::read_dir(folder.join(sub)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let name = path.file_name().unwrap().to_str().unwrap();
                let name = if sub.is_empty() { name.to_owned() } else { format!("{sub}/{name}") };
                files.push(PackFile { path: name, text: text(&path) });
            }
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    World::from_files("tavern", &files).unwrap_or_else(|errors| panic!("{errors}"))
}

#[test]
fn the_tavern_is_good() {
    let (world, warnings) = tavern();
    assert_eq!(warnings, []);
    let ids: Vec<&str> = world.characters.keys().map(String::as_str).collect();
    assert_eq!(ids, ["bram", "corvin", "linnet", "mira", "osk"]);
    assert_eq!(world.lore.len(), 9);
    assert_eq!(world.actions.len(), 8);
}

#[test]
fn the_people_of_the_tavern_are_complete() {
    for character in tavern().0.characters.values() {
        let id = &character.id;
        assert!(character.speech.samples.len() >= 2, "{id}");
        assert!(character.fallback_lines.len() >= 3, "{id}");
        assert_eq!(character.relationships.len(), 4, "{id}");
        assert!(!character.knows.is_empty() && !character.does_not_know.is_empty(), "{id}");
        assert!(!character.goals.is_empty(), "{id}");
    }
}

#[test]
fn only_the_smuggler_can_tell_of_the_tunnel() {
    let (world, _) = tavern();
    for id in world.characters.keys() {
        let query = LoreQuery {
            said: &["Is there a tunnel in the cellar?"],
            character: id,
            state: &GameState::default(),
            told: &[],
            timers: &LoreTimers::default(),
            dice: 0,
            entries_max: 4,
            chars_max: 1000,
        };
        let told = world.lore_for(&query).entries.iter().any(|entry| entry.id == "tunnel");
        assert_eq!(told, id == "corvin", "{id}");
    }
}

#[test]
fn the_published_schemas_are_fresh() {
    for (name, schema) in schemas() {
        let path = repository().join("docs/reference/schema").join(name);
        let fresh = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os(UPDATE_VARIABLE).is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, fresh).unwrap();
        } else {
            assert_eq!(text(&path), fresh, "{name} is stale: run this test with {UPDATE_VARIABLE}=1");
        }
    }
}

/// A fenced block of the guide: the words behind the fence, and the text.
fn blocks(guide: &str) -> Vec<(&str, String)> {
    let mut blocks = Vec::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        if let Some(info) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((info, body.join("\n") + "\n"));
        }
    }
    blocks
}

/// The path that a block names in its first line: `# characters/mira.toml`.
fn path_of(block: &str) -> &str {
    let first = block.lines().next().unwrap_or_default();
    let path = first.strip_prefix("# ").and_then(|rest| rest.split([',', ' ']).next());
    path.filter(|path| path.ends_with(".toml")).unwrap_or_else(|| panic!("which file is this?\n{block}"))
}

/// A block as a whole file: one that shows a part gets the lines that every file must have.
fn whole(path: &str, block: &str) -> String {
    let named =
        block.lines().take_while(|line| !line.starts_with('[')).any(|line| line.starts_with("name ="));
    if named || path == "actions.toml" || path.starts_with("lore/") {
        block.to_owned()
    } else {
        format!("name = \"Somebody\"\n{block}")
    }
}

#[test]
fn every_snippet_of_the_guides_is_good() {
    check_snippets("world-packs.md", 8);
    check_snippets("goals.md", 2);
}

fn check_snippets(page: &str, least: usize) {
    let guide = text(&repository().join("docs/guide").join(page));
    let blocks = blocks(&guide);
    let good: Vec<&str> =
        blocks.iter().filter(|(info, _)| *info == "toml").map(|(_, body)| body.as_str()).collect();
    assert!(good.len() >= least, "{page} has {} snippets", good.len());
    for block in &good {
        let mut files = vec![(path_of(block), whole(path_of(block), block))];
        let stubs = [("world.toml", "name = \"Test\"")].into_iter().chain(
            good.iter()
                .map(|other| path_of(other))
                .filter(|p| p.starts_with("characters/"))
                .map(|p| (p, "name = \"Stub\"")),
        );
        for (path, stub) in stubs {
            if !files.iter().any(|(known, _)| *known == path) {
                files.push((path, stub.to_owned()));
            }
        }
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        if let Err(errors) = read(&files) {
            panic!("{errors}\nin the snippet\n{block}");
        }
    }
}

#[test]
fn the_messages_in_the_guide_are_real() {
    let guide = text(&repository().join("docs/guide/world-packs.md"));
    let blocks = blocks(&guide);
    let mut compared = 0;
    for pair in blocks.windows(2) {
        let [(info, block), (_, shown)] = pair else { continue };
        if *info == "toml broken" {
            let told = told(&[("world.toml", "name = \"Test\""), (path_of(block), block)]);
            assert_eq!(told, *shown);
            compared += 1;
        }
    }
    assert!(compared > 0);
}
