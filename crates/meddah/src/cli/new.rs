//! `meddah new`: a world pack of one's own, with one character to fill in and a talk that tries it out. On a terminal
//! it asks; elsewhere it writes an example to change.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::{Path, PathBuf};

use super::{BAD_INPUT, DONE, Failure, WRONG_USAGE, print};
use crate::tavern;

#[derive(clap::Args)]
pub struct NewArguments {
    /// Its folder, which must not exist yet; the folder's name is the world's id
    #[arg(value_name = "NAME")]
    folder: PathBuf,
    /// Ask nothing and write an example
    #[arg(long)]
    example: bool,
    /// Begin with the built-in tavern: a whole world that works, to change bit by bit
    #[arg(long, conflicts_with = "example")]
    tavern: bool,
}

/// Longer answers are cut, in characters.
const ANSWER_CHARS_MAX: usize = 400;
/// Sentences that are asked for.
const FACTS_MAX: usize = 4;

/// What the pack begins with.
struct Beginning {
    world: String,
    name: String,
    role: String,
    description: String,
    style: String,
    knows: Vec<String>,
}

impl Default for Beginning {
    fn default() -> Beginning {
        Beginning {
            world: "The Last Lighthouse".into(),
            name: "Ada".into(),
            role: "keeper of the lighthouse".into(),
            description: "Ada keeps the lamp of the last lighthouse. She is calm and a little lonely.".into(),
            style: "Short, plain sentences.".into(),
            knows: vec![
                "The lamp burns whale oil, and there is oil for nine nights.".into(),
                "The boat to the mainland comes on the first day of each month.".into(),
            ],
        }
    }
}

pub fn run(arguments: NewArguments) -> Result<u8, Failure> {
    let folder = &arguments.folder;
    check_name(folder)?;
    if arguments.tavern {
        write_pack(folder, tavern::files())?;
        print::line(&format!("Talk:  meddah talk --world \"{}\"", folder.display()));
        return Ok(DONE);
    }
    let asks = !arguments.example && std::io::stdin().is_terminal();
    let beginning = if asks && !folder.exists() { ask() } else { Beginning::default() };
    let id = id_of(&beginning.name);
    write_pack(folder, files(&beginning, &id))?;
    let shown = folder.display();
    print::line(&format!("Talk:  meddah talk --world \"{shown}\""));
    print::line(&format!("Check: meddah check --world \"{shown}\""));
    Ok(DONE)
}

/// Writes the files of a pack to a folder that must not exist yet.
fn write_pack<T: AsRef<[u8]>>(
    folder: &Path,
    files: impl IntoIterator<Item = (String, T)>,
) -> Result<(), Failure> {
    if folder.exists() {
        return Err(Failure::new(
            WRONG_USAGE,
            format!("{} is there already\nName a folder that does not exist yet.", folder.display()),
        ));
    }
    for (path, text) in files {
        let file = folder.join(path);
        let parent = file.parent().unwrap_or(folder);
        std::fs::create_dir_all(parent).and_then(|()| std::fs::write(&file, text)).map_err(|error| {
            Failure::new(
                BAD_INPUT,
                format!("cannot write {}: {error}\nChoose another folder.", file.display()),
            )
        })?;
    }
    print::line(&format!("Wrote {}", folder.display()));
    Ok(())
}

/// The name is an id that games use; better to say so now than when the pack is loaded.
fn check_name(folder: &Path) -> Result<(), Failure> {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    meddah_protocol::check_id("world", name).map_err(|error| {
        Failure::new(
            WRONG_USAGE,
            format!("{}\n{}", error.message, "Give the folder a plain name, as in: meddah new my-world"),
        )
    })
}

fn ask() -> Beginning {
    print::aside("A few questions; Enter alone takes what stands in brackets.");
    let usual = Beginning::default();
    let world = question("What is the world called?", &usual.world);
    let name = question("Who lives there? A name.", &usual.name);
    let own = name != usual.name;
    let or = |usual: &str, other: String| if own { other } else { usual.to_owned() };
    let role = question(&format!("What is {name}?"), &or(&usual.role, "a villager".into()));
    let description = question(
        &format!("Tell of {name} in a sentence or two."),
        &or(&usual.description, format!("{name} is {role}.")),
    );
    let style = question(&format!("How does {name} talk?"), &usual.style);
    let mut knows = Vec::new();
    print::aside(&format!(
        "What does {name} know that others may not? One sentence a line, Enter alone ends."
    ));
    while knows.len() < FACTS_MAX {
        match question("-", "") {
            fact if fact.is_empty() => break,
            fact => knows.push(fact),
        }
    }
    if knows.is_empty() && !own {
        knows = usual.knows;
    }
    Beginning { world, name, role, description, style, knows }
}

fn question(text: &str, usual: &str) -> String {
    let shown = if usual.is_empty() { String::new() } else { format!(" [{usual}]") };
    print::prompt(&format!("{text}{shown} "));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).ok(); // without an answer the usual one stands
    let answer: String = answer.trim().chars().take(ANSWER_CHARS_MAX).collect();
    if answer.is_empty() { usual.to_owned() } else { answer }
}

/// The file's name: the first word in small Latin letters, or `character`.
fn id_of(name: &str) -> String {
    let first = name.split_whitespace().next().unwrap_or_default().to_lowercase();
    let id: String = first.chars().filter(|c| c.is_ascii_alphanumeric()).collect();
    if id.is_empty() { "character".into() } else { id }
}

/// Text as TOML writes it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn files(beginning: &Beginning, id: &str) -> Vec<(String, String)> {
    let Beginning { world, name, role, description, style, knows } = beginning;
    let facts: String = knows.iter().map(|fact| format!("  {},\n", quoted(fact))).collect();
    let world = format!(
        "# The world as a whole. Everything behind a # is a note for you.\n\
         name = {}\n\n\
         # The language that the characters speak: \"en\", \"de\", \"tr\", …\n\
         language = \"en\"\n\n\
         # What everybody in this world knows, a sentence each. Keep these few.\n\
         everybody_knows = [\n]\n",
        quoted(world)
    );
    let character = format!(
        "# A character. The id is the name of this file: {id}.\n\
         name = {}\n\
         role = {}\n\n\
         # Who the character is, in two to six plain sentences.\n\
         description = {}\n\n\
         # What the character knows and others may not, a sentence each.\n\
         knows = [\n{facts}]\n\n\
         # What is said when no model can answer.\n\
         fallback_lines = [\n  \"Give me a moment.\",\n  \"Say that again, please.\",\n]\n\n\
         [speech]\n\
         style = {}\n\n\
         # Two or three examples teach more than any description. Take the # away and write your own.\n\
         # [[speech.samples]]\n\
         # player = \"Good evening.\"\n\
         # reply = \"Good evening. Mind the step.\"\n",
        quoted(name),
        quoted(role),
        quoted(description),
        quoted(style)
    );
    let check = format!(
        "# A talk that tries {name} out: meddah check --world DIR\n\
         [[check]]\n\
         name = \"Says who it is\"\n\
         character = {}\n\
         repeat = 3\n\
         at_least = 1\n\n\
         [[check.line]]\n\
         player = \"Hello. Who are you?\"\n\
         expect_any = [{}, {}]\n\
         # More keys: expect_none, action, no_action, emotion, first_line_ms_max, save, after_load.\n",
        quoted(id),
        quoted(name),
        quoted(role.split_whitespace().next_back().unwrap_or(role)),
    );
    vec![
        ("world.toml".into(), world),
        (format!("characters/{id}.toml"), character),
        (format!("checks/{id}.toml"), check),
    ]
}

#[cfg(test)]
mod tests {
    use meddah_engine::world::{PackFile, World};

    use super::*;

    fn check(beginning: &Beginning, id: &str) {
        assert_eq!(id_of(&beginning.name), id);
        let folder = tempfile::tempdir().unwrap();
        let pack = folder.path().join("pack");
        write_pack(&pack, files(beginning, id)).unwrap();
        let read: Vec<PackFile> =
            files(beginning, id).into_iter().map(|(path, text)| PackFile { path, text }).collect();
        let (world, warnings) = World::from_files("pack", &read).unwrap();
        assert_eq!((world.characters[id].name.as_str(), warnings.len()), (beginning.name.as_str(), 0));
        let checks = crate::check::file::files_of(&pack);
        assert_eq!(crate::check::file::read(&checks[0]).unwrap()[0].character, id);
    }

    #[test]
    fn what_is_written_can_be_loaded_and_checked() {
        check(&Beginning::default(), "ada");
        let odd = Beginning {
            world: "\"Quoted\" \\ world".into(),
            name: "Zoë \"Z\" Ünal".into(),
            role: "one who says \"no\"".into(),
            knows: Vec::new(),
            ..Beginning::default()
        };
        check(&odd, "zo");
    }
}
