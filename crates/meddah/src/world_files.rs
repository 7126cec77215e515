//! A world pack's folder, read from disk.
//!
//! Packs are downloaded from strangers, so reading one never leaves its folder (links are not followed)
//! and stops at fixed sizes. And packs are written by people who do not program, so whatever is wrong
//! with a file on disk (its encoding, its name, its size) is told together with what is wrong inside.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use meddah_engine::world::{
    FILE_BYTES_MAX, FILES_MAX, PACK_BYTES_MAX, PackFile, Position, Warning, World, WorldError, WorldErrors,
};
use meddah_speech::Lexicon;

/// Folders within folders that are looked into; a pack needs one.
const DEPTH_MAX: usize = 3;
/// Files and folders that are looked at, whatever their kind.
const ENTRIES_MAX: usize = 4 * FILES_MAX;

/// What was found in the folder. A file with an error is listed too, with as much text as could be had:
/// others may refer to it, and should not be told that it is missing.
#[derive(Default)]
struct Found {
    files: Vec<PackFile>,
    errors: Vec<WorldError>,
    bytes: usize,
    entries: usize,
}

/// Reads the world in `folder`. Its id is the folder's name.
pub fn load(folder: &Path) -> Result<(World, Vec<Warning>), WorldErrors> {
    let shown = folder.display().to_string();
    let problem = |error: io::Error| {
        WorldError::of_file(
            shown.clone(),
            format!("the folder cannot be read: {error}"),
            "check the path; it must be the folder that holds world.toml",
        )
    };
    let folder = folder.canonicalize().map_err(problem)?;
    if folder.is_file() {
        let help = "give the folder that holds world.toml, not a file in it";
        return Err(WorldError::of_file(shown, "this is a file", help).into());
    }
    let Some(id) = folder.file_name().and_then(OsStr::to_str) else {
        let help = "give the folder a name of plain letters: it is the id of the world";
        return Err(WorldError::of_file(shown, "the folder's name cannot be an id", help).into());
    };
    let mut found = Found::default();
    found.read_folder(&folder, "", 0);
    let Found { mut files, mut errors, .. } = found;
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let result = World::from_files(id, &files);
    if errors.is_empty() {
        return result.and_then(|(world, warnings)| {
            check_pronunciation(&world)?;
            Ok((world, warnings))
        });
    }
    if let Err(WorldErrors(inside)) = result {
        let known: Vec<String> = errors.iter().map(|error| error.file.clone()).collect();
        errors.extend(inside.into_iter().filter(|error| !known.contains(&error.file)));
    }
    errors.sort_by(|a, b| a.file.cmp(&b.file));
    Err(WorldErrors(errors))
}

/// How names are said is for the voices to understand.
fn check_pronunciation(world: &World) -> Result<(), WorldErrors> {
    let mistakes = world.pronunciation.iter().filter_map(|(name, sound)| {
        let error = Lexicon::new([(name.as_str(), sound.as_str())]).err()?;
        Some(WorldError::of_file("world.toml", error.to_string(), error.help))
    });
    let mistakes: Vec<WorldError> = mistakes.collect();
    if mistakes.is_empty() { Ok(()) } else { Err(WorldErrors(mistakes)) }
}

impl Found {
    /// Reads all files below `folder`; `prefix` is its path within the pack, ending in `/`.
    fn read_folder(&mut self, folder: &Path, prefix: &str, depth: usize) {
        let mut entries = match fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => return self.error(prefix, format!("the folder cannot be read: {error}"), ""),
        };
        // Disks list files in no order; the same pack is to give the same messages.
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            if self.is_full() {
                return;
            }
            self.entries += 1;
            let name = entry.file_name();
            let Some(name) = name.to_str() else {
                let shown = format!("{prefix}{}", name.display());
                self.error(&shown, "the name is not valid text", "rename it with plain letters");
                continue;
            };
            // .git, .vscode, .DS_Store: the tools' business.
            if name.starts_with('.') {
                continue;
            }
            let path = format!("{prefix}{name}");
            match entry.file_type() {
                Ok(kind) if kind.is_symlink() && (is_toml(name) || entry.path().is_dir()) => {
                    let help = "put a copy in its place: a pack must be complete in itself";
                    self.error(&path, "this is a link to another place", help);
                }
                Ok(kind) if kind.is_dir() && depth < DEPTH_MAX => {
                    self.read_folder(&entry.path(), &format!("{path}/"), depth + 1);
                }
                Ok(kind) if kind.is_file() => self.read_file(&entry.path(), path),
                Ok(_) => {}
                Err(error) => self.error(&path, format!("the file cannot be read: {error}"), ""),
            }
        }
    }

    fn read_file(&mut self, file: &Path, path: String) {
        if let Some(meant) = hidden_ending(&path) {
            let help = format!(
                "rename it to {meant}; in Windows Explorer, View > File name extensions shows the real name"
            );
            return self.error(&path, "the file's name has one ending too many", help);
        }
        if !is_toml(&path) {
            return;
        }
        let path = with_small_ending(path);
        let (text, error) = match read_limited(file) {
            Ok(bytes) if bytes.len() > FILE_BYTES_MAX => {
                let message = format!("the file is larger than {} KB", FILE_BYTES_MAX / 1024);
                (String::new(), Some((None, message, "split it into several files")))
            }
            Ok(bytes) => decode(bytes),
            Err(error) => (String::new(), Some((None, format!("the file cannot be read: {error}"), ""))),
        };
        if let Some((at, message, help)) = error {
            self.errors.push(WorldError { at, ..WorldError::of_file(path.clone(), message, help) });
        }
        self.bytes += text.len();
        self.files.push(PackFile { path, text });
    }

    /// Tells once that nothing more is read.
    fn is_full(&mut self) -> bool {
        let full =
            self.files.len() >= FILES_MAX || self.entries >= ENTRIES_MAX || self.bytes > PACK_BYTES_MAX;
        let said = self.errors.last().is_some_and(|error| error.file == "the pack");
        if full && !said {
            let message = format!(
                "the folder holds more than {FILES_MAX} files or {} MB of text",
                PACK_BYTES_MAX / (1024 * 1024)
            );
            self.error(
                "the pack",
                message,
                "check that it is the right folder, or split it into several worlds",
            );
        }
        full
    }

    fn error(&mut self, path: &str, message: impl Into<String>, help: impl Into<String>) {
        self.errors.push(WorldError::of_file(path, message, help));
    }
}

fn is_toml(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"))
}

fn with_small_ending(path: String) -> String {
    let stem = path.len() - ".toml".len();
    format!("{}.toml", &path[..stem])
}

/// `mira.toml.txt`: what Notepad makes of `mira.toml` while Windows hides the ending.
fn hidden_ending(path: &str) -> Option<&str> {
    let (meant, ending) = path.rsplit_once('.')?;
    (is_toml(meant) && ending.eq_ignore_ascii_case("txt")).then_some(meant)
}

/// The file's bytes, up to one more than is allowed.
fn read_limited(file: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

type Trouble = (Option<Position>, String, &'static str);

/// The text, as good as it can be had, and what is wrong with its encoding.
fn decode(bytes: Vec<u8>) -> (String, Option<Trouble>) {
    const HELP: &str = "save it again as UTF-8 (in Notepad: Save as, Encoding: UTF-8)";
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return (String::new(), Some((None, "the file is saved as UTF-16".to_owned(), HELP)));
    }
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..good]).into_owned();
            let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
            let at = Position {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
            };
            let message = "from here on the file is not UTF-8 text".to_owned();
            (String::from_utf8_lossy(error.as_bytes()).into_owned(), Some((Some(at), message, HELP)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pack with a good world and character, and these files besides.
    fn pack(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let good: [(&str, &[u8]); 2] = [
            ("world.toml", b"name = \"Test\""),
            ("characters/mira.toml", b"name = \"Mira\"\ndescription = \"Runs the inn.\""),
        ];
        for (path, bytes) in good.iter().chain(files) {
            let path = folder.path().join("pack").join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    fn told(folder: &tempfile::TempDir) -> String {
        match load(&folder.path().join("pack")) {
            Ok((world, warnings)) => {
                let ids: Vec<&String> = world.characters.keys().collect();
                format!("{} {ids:?} {} lore, {warnings:?}", world.id, world.lore.len())
            }
            Err(errors) => errors.to_string(),
        }
    }

    #[track_caller]
    fn check(files: &[(&str, &[u8])], expected: &str) {
        assert_eq!(told(&pack(files)), expected);
    }

    #[test]
    fn a_folder_is_a_world() {
        let lore = b"[[lore]]\nid = \"mill\"\ntext = \"It burned.\"\nkeys = [\"mill\"]";
        check(&[("lore/town.toml", lore)], "pack [\"mira\"] 1 lore, []");
    }

    #[test]
    fn what_is_not_toml_or_is_hidden_is_left_alone() {
        let others: [(&str, &[u8]); 4] =
            [("README.md", b"Hi"), ("map.png", &[0xff]), (".git/x.toml", b"?"), ("characters/.x.toml", b"?")];
        check(&others, "pack [\"mira\"] 0 lore, []");
    }

    #[test]
    fn a_toml_file_in_a_wrong_place_is_reported() {
        check(
            &[("character/tom.toml", b""), ("characters/north/tom.toml", b"")],
            "character/tom.toml: the file has no place in a world pack\n  help: should it be \
             characters/tom.toml?\ncharacters/north/tom.toml: the file has no place in a world pack\n  help: \
             should it be characters/tom.toml?",
        );
    }

    #[test]
    fn latin_1_is_told_with_its_place() {
        check(
            &[("characters/zoe.toml", b"name = \"Zoe\"\r\nrole = \"K\xf6chin\"")],
            "characters/zoe.toml, line 2, column 10: from here on the file is not UTF-8 text\n  help: save it \
             again as UTF-8 (in Notepad: Save as, Encoding: UTF-8)",
        );
    }

    #[test]
    fn utf_16_is_told() {
        check(
            &[("characters/zoe.toml", b"\xff\xfen\0a\0m\0e\0")],
            "characters/zoe.toml: the file is saved as UTF-16\n  help: save it again as UTF-8 (in Notepad: \
             Save as, Encoding: UTF-8)",
        );
    }

    #[test]
    fn a_byte_order_mark_is_welcome() {
        check(
            &[("characters/zoe.toml", b"\xef\xbb\xbfname = \"Zoe\"\r\ndescription = \"Cooks.\"\r\n")],
            "pack [\"mira\", \"zoe\"] 0 lore, []",
        );
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_each_once() {
        check(
            &[
                ("characters/zoe.toml", b"name = \"Zo\xeb\""),
                ("characters/bram.toml", b"nme = \"Bram\"\n[relationships]\nzoe = \"A friend.\""),
                ("characters/tom.toml.txt", b"name = \"Tom\""),
            ],
            "characters/bram.toml, line 1, column 1: unknown key `nme`\n  help: did you mean `name`?\n\
             characters/tom.toml.txt: the file's name has one ending too many\n  help: rename it to \
             characters/tom.toml; in Windows Explorer, View > File name extensions shows the real name\n\
             characters/zoe.toml, line 1, column 11: from here on the file is not UTF-8 text\n  help: save it \
             again as UTF-8 (in Notepad: Save as, Encoding: UTF-8)",
        );
    }

    #[test]
    fn an_ending_in_capitals_is_the_same_ending() {
        check(
            &[("characters/zoe.TOML", b"name = \"Zoe\"\ndescription = \"Cooks.\"")],
            "pack [\"mira\", \"zoe\"] 0 lore, []",
        );
    }

    #[test]
    fn a_huge_file_is_refused_unread() {
        let folder = pack(&[]);
        let path = folder.path().join("pack/characters/zoe.toml");
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        assert_eq!(
            told(&folder),
            "characters/zoe.toml: the file is larger than 256 KB\n  help: split it into several files"
        );
    }

    #[test]
    fn a_folder_of_many_files_is_refused() {
        let folder = pack(&[]);
        let lore = folder.path().join("pack/lore");
        fs::create_dir(&lore).unwrap();
        for number in 0..=FILES_MAX {
            fs::write(lore.join(format!("{number}.toml")), "").unwrap();
        }
        assert!(
            told(&folder).starts_with("the pack: the folder holds more than 16384 files or 64 MB of text")
        );
    }

    #[test]
    fn a_folder_without_a_world_is_told() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("pack")).unwrap();
        assert!(told(&folder).starts_with("world.toml: the file is missing"), "{}", told(&folder));
        let missing = load(&folder.path().join("nowhere")).unwrap_err();
        assert!(missing.0[0].message.starts_with("the folder cannot be read: "));
        fs::write(folder.path().join("file"), "").unwrap();
        let file = load(&folder.path().join("file")).unwrap_err();
        assert_eq!(file.0[0].message, "this is a file");
    }

    #[cfg(unix)]
    #[test]
    fn links_out_of_the_pack_are_refused() {
        let folder = pack(&[]);
        let outside = folder.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("secret.toml"), "name = \"Secret\"").unwrap();
        let pack = folder.path().join("pack");
        std::os::unix::fs::symlink(outside.join("secret.toml"), pack.join("characters/spy.toml")).unwrap();
        std::os::unix::fs::symlink(&outside, pack.join("lore")).unwrap();
        let told = told(&folder);
        assert!(told.contains("characters/spy.toml: this is a link to another place"), "{told}");
        assert!(told.contains("lore: this is a link to another place"), "{told}");
        assert!(!told.contains("Secret"));
    }
}
