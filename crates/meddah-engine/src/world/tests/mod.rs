//! Packs good, broken and hostile, as their authors see them.

mod data;
mod hostile;
mod lore;
mod lore_rules;
mod mistakes;
mod shipped;

use expect_test::Expect;

use super::*;

/// A pack of the given files, and what its author is told about it.
fn check(files: &[(&str, &str)], expect: Expect) {
    expect.assert_eq(&told(files));
}

/// As [`check`], for one file beside an otherwise good pack with the characters `mira` and `bram`.
fn check_file(path: &str, text: &str, expect: Expect) {
    let mut files = vec![
        ("world.toml", "name = \"Test\""),
        ("characters/mira.toml", "name = \"Mira\"\ndescription = \"Runs the inn.\""),
        ("characters/bram.toml", "name = \"Bram\"\ndescription = \"Guards the gate.\""),
    ];
    files.retain(|(other, _)| *other != path);
    files.push((path, text));
    check(&files, expect);
}

fn told(files: &[(&str, &str)]) -> String {
    match read(files) {
        Ok((_, warnings)) if warnings.is_empty() => "good\n".into(),
        Ok((_, warnings)) => warnings.iter().map(|warning| format!("warning: {warning}\n")).collect(),
        Err(errors) => format!("{errors}\n"),
    }
}

fn read(files: &[(&str, &str)]) -> Result<(World, Vec<Warning>), WorldErrors> {
    let files: Vec<PackFile> =
        files.iter().map(|(path, text)| PackFile { path: (*path).into(), text: (*text).into() }).collect();
    World::from_files("test", &files)
}

fn world(files: &[(&str, &str)]) -> World {
    read(files).unwrap_or_else(|errors| panic!("{errors}")).0
}
