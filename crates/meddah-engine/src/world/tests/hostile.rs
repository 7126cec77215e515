//! Files that no author wrote: they cost little, and are refused with the same kind of sentence.

use expect_test::expect;
use proptest::prelude::*;

use super::*;

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_welcome() {
    let text = "\u{feff}name = \"Mira\"\r\ndescription = \"\"\"\r\nRuns the inn.\r\n\"\"\"\r\n";
    check_file(
        "characters/mira.toml",
        text,
        expect![[r#"
        good
    "#]],
    );
}

#[test]
fn a_mistake_behind_a_byte_order_mark_is_in_its_right_column() {
    check_file(
        "characters/mira.toml",
        "\u{feff}nme = \"Mira\"",
        expect![[r#"
        characters/mira.toml, line 1, column 1: unknown key `nme`
          help: did you mean `name`?
    "#]],
    );
}

#[test]
fn a_line_of_a_megabyte_is_refused() {
    let text = format!("name = \"{}\"", "a".repeat(1 << 20));
    check_file(
        "characters/mira.toml",
        &text,
        expect![[r#"
        characters/mira.toml: the file is too large: 1024 KB, at most 256 KB
          help: a character needs a page or two of text; split lore over several files
    "#]],
    );
}

#[test]
fn a_long_key_is_cut_in_the_message() {
    let text = format!("{} = 1", "k".repeat(100_000));
    check_file(
        "world.toml",
        &text,
        expect![[r#"
            world.toml, line 1, column 1: unknown key `kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk…`
              help: known here: `name`, `language`, `tone`, `rating`, `narration`, `everybody_knows`, `pronunciation`, `seconds_per_time_unit`, `ladder`, `rungs`
            world.toml, line 1, column 1: `name` is missing
              help: add a line such as: name = "The Lantern"
        "#]],
    );
}

#[test]
fn deep_nesting_is_refused() {
    check_file(
        "world.toml",
        &format!("a = {}", "[".repeat(100_000)),
        expect![[r#"
        world.toml, line 1, column 85: lists or tables are nested too deep
          help: a world pack needs three levels at most
    "#]],
    );
    check_file(
        "world.toml",
        &format!("{} = 1", vec!["a"; 100_000].join(".")),
        expect![[r#"
        world.toml, line 1, column 200004: lists or tables are nested too deep
          help: a world pack needs three levels at most
    "#]],
    );
}

#[test]
fn a_nul_is_refused() {
    check_file(
        "world.toml",
        "name = \"a\0b\"",
        expect![[r#"
        world.toml, line 1, column 10: there is an invisible character (U+0000)
          help: delete it; if the file came from another program, save it as plain text (UTF-8)
    "#]],
    );
    check_file(
        "world.toml",
        "\0",
        expect![[r#"
        world.toml, line 1, column 1: there is an invisible character (U+0000)
          help: delete it; if the file came from another program, save it as plain text (UTF-8)
    "#]],
    );
    check_file(
        "world.toml",
        "name = \"a\u{85}\u{9b}\"\nx\u{80} = 1",
        expect![[r#"
        world.toml, line 2, column 2: there is an invisible character (U+0080)
          help: delete it; if the file came from another program, save it as plain text (UTF-8)
    "#]],
    );
}

#[test]
fn thousands_of_mistakes_are_counted_not_printed() {
    let text: String = (0..20_000).map(|n| format!("k{n} = 1\n")).collect();
    let told = told(&[("world.toml", &text)]);
    assert_eq!(told.lines().count(), 2 * ERRORS_SHOWN_MAX + 1);
    assert!(told.ends_with("… and 170 more\n"), "{told}");
}

#[test]
fn too_many_files_and_too_much_text_are_refused() {
    let files = vec![PackFile { path: "world.toml".into(), text: "x".repeat(FILE_BYTES_MAX) }; 257];
    let errors = World::from_files("test", &files).unwrap_err();
    expect![[r#"
        the pack: there are 64 MB of text, at most 64 MB
          help: split it into several worlds
    "#]]
    .assert_eq(&format!("{errors}\n"));
    let files = vec![PackFile { path: "world.toml".into(), text: String::new() }; FILES_MAX + 1];
    let errors = World::from_files("test", &files).unwrap_err();
    expect![[r#"
        the pack: there are 16385 files, at most 16384
          help: split it into several worlds
    "#]]
    .assert_eq(&format!("{errors}\n"));
}

#[test]
fn paths_and_ids_from_outside_do_no_harm() {
    let long = format!("characters/{}.toml", "m".repeat(300));
    check_file(
        &long,
        "name = \"M\"",
        expect![[r#"
        characters/mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm….toml: bad file name: `id` must be 1 to 128 bytes without control characters
          help: give the file a short name of letters and digits, such as mira.toml
    "#]],
    );
    check_file(
        "characters/.toml",
        "name = \"M\"",
        expect![[r#"
        characters/.toml: bad file name: `id` must be 1 to 128 bytes without control characters
          help: give the file a short name of letters and digits, such as mira.toml
    "#]],
    );
    check_file(
        "characters/../mira.toml",
        "name = \"M\"",
        expect![[r#"
        characters/../mira.toml: the file has no place in a world pack
          help: should it be characters/mira.toml?
    "#]],
    );
    check_file(
        "../../etc/passwd",
        "root",
        expect![[r#"
        ../../etc/passwd: the file has no place in a world pack
          help: a pack has world.toml, actions.toml, characters/NAME.toml and lore/NAME.toml
    "#]],
    );
    check_file(
        "characters/a\nb.toml",
        "name = \"M\"",
        expect![[r#"
        characters/a\nb.toml: bad file name: `id` must be 1 to 128 bytes without control characters
          help: give the file a short name of letters and digits, such as mira.toml
    "#]],
    );
    check_file(
        "",
        "",
        expect![[r#"
        : the file has no place in a world pack
          help: a pack has world.toml, actions.toml, characters/NAME.toml and lore/NAME.toml
    "#]],
    );
    let errors = World::from_files("", &[]).unwrap_err();
    expect![[r#"
        the pack's folder: `world` must be 1 to 128 bytes without control characters
          help: Give `world` a short name such as "mira".
        world.toml: the file is missing
          help: make a file world.toml in the pack's folder with one line: name = "The name of your world"
    "#]]
    .assert_eq(&format!("{errors}\n"));
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(\\PC|[\\[\\]{}=\"'.,#\n\r\0]){0,200}") {
        for path in ["world.toml", "actions.toml", "characters/mira.toml", "lore/town.toml"] {
            told(&[("world.toml", "name = \"Test\""), (path, &text)]);
        }
    }

    #[test]
    fn a_good_file_with_a_scratch_is_read_or_refused(at in 0usize..2000, scratch in "\\PC{0,3}") {
        let good = include_str!("../../../../../worlds/tavern/characters/mira.toml");
        let mut text: String = good.chars().take(at).collect();
        text.push_str(&scratch);
        text.extend(good.chars().skip(at + 1));
        told(&[("world.toml", "name = \"Test\""), ("characters/mira.toml", &text)]);
    }
}
