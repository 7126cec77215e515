//! `checks/*.toml` of a world pack: talks that an author writes down, with what has to come of them.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The folder within a pack.
pub const FOLDER: &str = "checks";
/// Files of one run.
const FILES_MAX: usize = 256;
/// A larger file is no list of talks, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Talks of one file, lines of one talk, repetitions of one talk.
const CHECKS_MAX: usize = 256;
const LINES_MAX: usize = 64;
const REPEAT_MAX: u32 = 20;

/// A file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckFile {
    #[serde(default)]
    check: Vec<Check>,
}

/// A talk.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// What is checked, for the report.
    #[serde(default)]
    pub name: String,
    /// Who is talked with.
    pub character: String,
    /// How often the talk is held, each time from the beginning.
    #[serde(default = "once")]
    pub repeat: u32,
    /// How often it must go well; 0: each time.
    #[serde(default)]
    pub at_least: u32,
    /// Where and when it is held.
    #[serde(default)]
    pub scene: CheckScene,
    /// What is said.
    pub line: Vec<CheckLine>,
}

fn once() -> u32 {
    1
}

/// The scene of a talk.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckScene {
    /// Where.
    #[serde(default)]
    pub place: Option<String>,
    /// When.
    #[serde(default)]
    pub time: Option<String>,
    /// Ids of those who are there.
    #[serde(default)]
    pub present: Vec<String>,
    /// What is so, conditions of secrets and lore among them.
    #[serde(default)]
    pub facts: Vec<String>,
}

/// A line of the player, and what has to come of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckLine {
    /// What the player says.
    pub player: String,
    /// At least one of these is in the answer.
    #[serde(default)]
    pub expect_any: Vec<String>,
    /// None of these is in the answer.
    #[serde(default)]
    pub expect_none: Vec<String>,
    /// This action is called.
    #[serde(default)]
    pub action: Option<String>,
    /// No action is called.
    #[serde(default)]
    pub no_action: bool,
    /// This goal of the character is reached.
    #[serde(default)]
    pub goal: Option<String>,
    /// No goal of the character is reached.
    #[serde(default)]
    pub no_goal: bool,
    /// The character feels this.
    #[serde(default)]
    pub emotion: Option<String>,
    /// The first line is there after so many milliseconds.
    #[serde(default)]
    pub first_line_ms_max: Option<f64>,
    /// The moment after this line is saved.
    #[serde(default)]
    pub save: bool,
    /// Before this line the saved moment is loaded; without one, the beginning of the talk.
    #[serde(default)]
    pub after_load: bool,
}

/// A file that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{place}: {message}\n  help: {help}")]
pub struct CheckFileError {
    /// The file.
    pub place: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// The files in a pack's folder, in order of their names. None if there is no such folder.
pub fn files_of(pack: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(pack.join(FOLDER)) else { return Vec::new() };
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut files: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|ending| ending == "toml"))
        .take(FILES_MAX)
        .collect();
    files.sort();
    files
}

/// Reads a file.
///
/// # Errors
/// It is too large, no TOML, has an unknown key, or asks for too much.
pub fn read(file: &Path) -> Result<Vec<Check>, CheckFileError> {
    let place = file.display().to_string();
    let wrong =
        |message: String, help: &str| CheckFileError { place: place.clone(), message, help: help.to_owned() };
    let length = std::fs::metadata(file).map(|metadata| metadata.len());
    match length {
        Err(error) => {
            return Err(wrong(error.to_string(), "check the path; it must be a file of [[check]] entries"));
        }
        Ok(length) if length > FILE_BYTES_MAX => {
            return Err(wrong(
                format!("it has more than {FILE_BYTES_MAX} bytes"),
                "split it into several files",
            ));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(file)
        .map_err(|error| wrong(error.to_string(), "save it as a text file in UTF-8"))?;
    parse(&text).map_err(|(message, help)| wrong(message, help))
}

fn parse(text: &str) -> Result<Vec<Check>, (String, &'static str)> {
    let file: CheckFile = toml::from_str(text).map_err(|error| {
        let message = error.to_string().trim_end().to_owned();
        (message, "docs/guide/check.md shows all keys; a talk is [[check]], its lines are [[check.line]]")
    })?;
    if file.check.len() > CHECKS_MAX {
        return Err((format!("it has more than {CHECKS_MAX} talks"), "split it into several files"));
    }
    for check in &file.check {
        let name = if check.name.is_empty() { &check.character } else { &check.name };
        if check.line.is_empty() || check.line.len() > LINES_MAX {
            return Err((
                format!("`{name}` needs 1 to {LINES_MAX} lines"),
                "add [[check.line]] entries, or split the talk",
            ));
        }
        if !(1..=REPEAT_MAX).contains(&check.repeat) || check.at_least > check.repeat {
            let message =
                format!("`{name}`: `repeat` is 1 to {REPEAT_MAX}, and `at_least` no more than that");
            return Err((message, "a talk repeated 5 times tells enough"));
        }
        if let Some(line) = check.line.iter().find(|line| line.no_action && line.action.is_some()) {
            let message = format!("`{name}`, {:?}: both `action` and `no_action`", line.player);
            return Err((message, "keep the one that is meant"));
        }
    }
    Ok(file.check)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_talk_is_read_with_all_its_keys() {
        let text = r#"
            [[check]]
            name = "Prices"
            character = "mira"
            repeat = 5
            at_least = 4
            [check.scene]
            facts = ["helped_mira"]
            [[check.line]]
            player = "How much is a bed?"
            expect_any = ["two coppers"]
            expect_none = ["gold"]
            no_action = true
            emotion = "joy"
            first_line_ms_max = 2000
            save = true
            [[check.line]]
            player = "An ale, please."
            action = "give_item"
            after_load = true
        "#;
        let checks = parse(text).unwrap();
        assert_eq!((checks.len(), checks[0].line.len(), checks[0].at_least), (1, 2, 4));
        assert_eq!(checks[0].line[0].first_line_ms_max, Some(2000.0));
    }

    fn check(text: &str, part: &str) {
        let (message, help) = parse(text).unwrap_err();
        assert!(message.contains(part) && !help.is_empty(), "{message}");
    }

    #[test]
    fn a_mistake_is_named() {
        check("[[check]]\ncharacter = \"mira\"\nline = []", "1 to 64 lines");
        check("[[check]]\ncharacter = \"mira\"\n[[check.line]]\nplayer = \"Hi\"\nexpect = [\"x\"]", "expect");
        let both =
            "[[check]]\ncharacter = \"m\"\n[[check.line]]\nplayer = \"Hi\"\naction = \"a\"\nno_action = true";
        check(both, "both `action` and `no_action`");
        check(
            "[[check]]\ncharacter = \"m\"\nrepeat = 99\n[[check.line]]\nplayer = \"Hi\"",
            "`repeat` is 1 to 20",
        );
    }
}
