//! Files that are broken or mean harm.

use meddah_cards::import::{Options, Present, plan};
use meddah_cards::limits::*;
use meddah_cards::{CardError, read};
use serde_json::json;

use crate::cards::*;

/// The error that a file as a whole gives.
#[track_caller]
fn refused(name: &str, bytes: &[u8]) -> String {
    match read(name, bytes) {
        Err(error) => told(&error),
        Ok(mut found) if found.len() == 1 => told(&found.remove(0).unwrap_err()),
        Ok(found) => panic!("{} were read", found.len()),
    }
}

fn told(error: &CardError) -> String {
    assert!(!error.help.is_empty() && !error.file.is_empty());
    error.to_string()
}

#[track_caller]
fn check(name: &str, bytes: &[u8], expected: &str) {
    let told = refused(name, bytes);
    assert!(told.starts_with(expected), "{told}");
}

#[test]
fn json_that_is_none_is_told_with_its_place() {
    check(
        "a.json",
        b"{\"spec\": \"chara_card_v2\",\n \"data\": {\"name\": \"x\"",
        "a.json, line 2, column 21: this is not JSON: EOF",
    );
    check("a.json", b"{\"a\": 1e999}", "a.json, line 1, column 11: this is not JSON: number out of range");
    check(
        "a.json",
        &[b"[".repeat(100_000), b"]".repeat(100_000)].concat(),
        "a.json, line 1, column 128: this is not JSON: recursion limit",
    );
    check("a.json", b"{\"name\": \"\xff\"}", "a.json, line 1: from here on the file is not UTF-8 text");
    check("a.json", b"\xff\xfe{\0", "a.json: the file is saved as UTF-16");
    check("a.json", b"  \n", "a.json: the file is empty");
    check("a.json", b"hello", "a.json: this is no character card");
    check(
        "a.json",
        b"{\"dependencies\": {}, \"version\": 1}",
        "a.json: the JSON is neither a character card nor a lorebook; it has: dependencies, version",
    );
    check("a.json", &b" ".repeat(JSON_BYTES_MAX + 2), "a.json: the file is empty");
    let large = format!("{{\"name\": \"x\", \"description\": \"{}\"}}", "x".repeat(JSON_BYTES_MAX));
    check("a.json", large.as_bytes(), "a.json: there are 16 MB of JSON, at most 16 are read");
    check("a.jpg", b"\xff\xd8\xff\xe0", "a.jpg: this is a JPEG picture");
    check("a.bin", &vec![b'{'; FILE_BYTES_MAX + 1], "a.bin: the file has 64 MB");
}

#[test]
fn fields_of_wrong_types_are_left_out_and_kept() {
    let card = json!({"spec": "chara_card_v2", "data": {"name": "X", "description": {"a": 1}, "personality": 5,
        "mes_example": ["{{char}}: Hi."], "first_mes": null, "tags": "x", "character_book": {"entries": [1, null, {"keys": 5}]},
        "extensions": [], "creation_date": 9_007_199_254_740_993_u64}});
    let shelf = Shelf::of(&import_one("a.json", card.to_string().as_bytes()));
    assert_eq!(shelf.character.personality, ["5"]);
    assert_eq!(shelf.character.speech.samples[0].reply, "Hi.");
    assert_eq!(serde_json::Value::from(shelf.original.unwrap().json().clone()), card);
    check_plan_error(&json!({"name": " \u{202e} ", "description": "x"}), "a.json: the character has no name");
}

fn check_plan_error(card: &serde_json::Value, expected: &str) {
    let plan = planned("a.json", card.to_string().as_bytes());
    assert!(plan.imported.is_empty());
    assert!(told(&plan.errors[0]).starts_with(expected));
}

#[test]
fn damaged_pictures() {
    let good = png_with(&[(b"tEXt", base64_chunk("chara", &v2()))]);
    check("a.png", &png_with(&[]), "a.png: there is no character card in this picture");
    check("a.png", &good[..good.len() / 2], "a.png: the picture ends before its end, and no card was found");
    check("a.png", &good[..8], "a.png: the picture ends before its end");
    check(
        "a.png",
        &png_with(&[(b"tEXt", b"chara\0!!!".to_vec())]),
        "a.png, chunk `chara`: the text is not base64",
    );
    check(
        "a.png",
        &png_with(&[(b"tEXt", base64_chunk("ccv3", &json!([1])))]),
        "a.png, chunk `ccv3`: the JSON in it is no character card",
    );
    check(
        "a.png",
        &png_with(&[(b"tEXt", base64_chunk("ccv3", &json!({"a": 1})))]),
        "a.png: the JSON in this file is no character card",
    );
    // The end is missing, the card is not.
    assert_eq!(json_in("a.png", &good[..good.len() - 12]), v2());
    // A wrong checksum alone does no harm.
    let mut wrong = good.clone();
    let end = wrong.len();
    wrong[end - 13] ^= 1;
    assert_eq!(json_in("a.png", &wrong), v2());
    wrong[end - 60] = b'!';
    check("a.png", &wrong, "a.png, chunk `chara`: the text is not base64 (its checksum is wrong too");
    // A length beyond the end.
    let mut long = good;
    long[8] = 0xff;
    check("a.png", &long, "a.png: the picture ends before its end");
}

#[test]
fn other_kinds_of_text_in_pictures_are_read() {
    let packed = |text: &[u8]| {
        use std::io::Write as _;
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let base64 = base64_chunk("chara", &v2())[6..].to_vec();
    let pictures = [
        png_with(&[(b"zTXt", [b"chara\0\0".to_vec(), packed(&base64)].concat())]),
        png_with(&[(b"iTXt", [b"chara\0\0\0en\0\0".to_vec(), base64.clone()].concat())]),
        png_with(&[(b"iTXt", [b"chara\0\x01\0\0\0".to_vec(), packed(&base64)].concat())]),
        png_with(&[(b"tEXt", [b"Chara\0".to_vec(), v2().to_string().into_bytes()].concat())]),
        // Base64 without its padding, over several lines.
        png_with(&[(
            b"tEXt",
            [b"chara\0".to_vec(), base64.chunks(60).collect::<Vec<_>>().join(&b'\n')]
                .concat()
                .into_iter()
                .filter(|byte| *byte != b'=')
                .collect(),
        )]),
        // The better version counts, wherever it stands; a broken one does not.
        png_with(&[(b"tEXt", base64_chunk("ccv3", &v2())), (b"tEXt", base64_chunk("chara", &v1()))]),
        png_with(&[(b"tEXt", b"ccv3\0broken".to_vec()), (b"tEXt", base64_chunk("chara", &v2()))]),
    ];
    for (number, picture) in pictures.iter().enumerate() {
        assert_eq!(json_in("a.png", picture), v2(), "{number}");
    }
    // 64 MB of spaces in a few kilobytes.
    let bomb = png_with(&[(b"zTXt", [b"chara\0\0".to_vec(), packed(&vec![b' '; 64 << 20])].concat())]);
    check("a.png", &bomb, "a.png, chunk `chara`: the card in the picture is too large");
}

#[test]
fn archives_that_mean_harm() {
    let card = v3().to_string();
    let with = |path: &str| zip_of(&[("card.json", card.as_bytes()), (path, b"x")]);
    for path in ["../evil", "a/../../evil", "/etc/evil", "C:/evil", "a\\..\\evil", &"x".repeat(300)] {
        let told = refused("a.charx", &with(path));
        assert!(told.contains("leads out of the archive"), "{path}: {told}");
    }
    check("a.charx", &zip_of(&[("other.json", b"{}")]), "a.charx: there is no card.json in this archive");
    check(
        "a.charx",
        &zip_of(&[("card.json", b"{")]),
        "a.charx, card.json, line 1, column 1: this is not JSON",
    );
    check("a.charx", &zip_of(&[("card.json", b"[]")]), "a.charx: card.json is no character card");
    let good = charx();
    check("a.charx", &good[..good.len() - 30], "a.charx: the CHARX cannot be read");
    let many: Vec<(String, &[u8])> = (0..=ZIP_ENTRIES_MAX).map(|n| (format!("{n}"), &b""[..])).collect();
    let many: Vec<(&str, &[u8])> = many.iter().map(|(path, bytes)| (path.as_str(), *bytes)).collect();
    check("a.charx", &zip_of(&many), "a.charx: the CHARX has 2049 files");
    // A megabyte of zeros packs to a kilobyte.
    let zeros = vec![0; 4 << 20];
    check(
        "a.charx",
        &zip_of(&[("card.json", card.as_bytes()), ("zeros", &zeros)]),
        "a.charx: the CHARX would unpack to 4 MB",
    );
    // A header that lies about the size of the card.
    let mut lies = zip_of(&[(
        "card.json",
        &[b"{\"name\": \"".to_vec(), vec![b'x'; 64 << 10], b"\", \"description\": \"y\"}".to_vec()].concat(),
    )]);
    let entry = lies.windows(4).rposition(|window| window == b"PK\x01\x02").unwrap();
    lies[entry + 24..entry + 28].copy_from_slice(&5_u32.to_le_bytes());
    let _ = read("a.charx", &lies);
    // An archive in the archive stays closed.
    let nested = zip_of(&[("card.json", card.as_bytes()), ("inner.zip", &with("../evil"))]);
    assert_eq!(json_in("a.charx", &nested), v3());
}

#[test]
fn links_in_archives_are_refused() {
    use std::io::Write as _;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("card.json", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(v3().to_string().as_bytes()).unwrap();
    zip.add_symlink("assets/x", "/etc/passwd", zip::write::SimpleFileOptions::default()).unwrap();
    let told = refused("a.charx", &zip.finish().unwrap().into_inner());
    assert!(told.contains("link to another place"), "{told}");
}

#[test]
fn tables_with_mistakes_go_on() {
    check("a.csv", b"", "a.csv: the table is empty");
    check("a.csv", b"foo,bar\n1,2\n", "a.csv, row 1: no column holds the names; the columns are: foo, bar");
    let table = format!(
        "name,bio\nAnn,\"She\n\nswims.\"\n,nameless\n\nBob\nCid,x,y,z\nDan,\"{}\"\n",
        "x".repeat(CELL_BYTES_MAX + 1)
    );
    let plan = planned("a.csv", table.as_bytes());
    let names: Vec<&str> = plan.imported.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["Ann", "Bob", "Cid"]);
    let errors: Vec<String> = plan.errors.iter().map(told).collect();
    assert!(errors[0].starts_with("a.csv, row 3: the row has no name"), "{errors:?}");
    assert!(errors[1].contains("a cell has 262145 bytes"), "{errors:?}");
    assert_eq!(errors.len(), 2);
    let latin = b"name,bio\nAnn,caf\xe9\n";
    check("a.csv", latin, "a.csv, line 2: from here on the file is not UTF-8 text");
}

#[test]
fn one_bad_card_of_many_does_not_stop_the_others() {
    let cards = json!([v1(), 5, {"x": 1}, v2()]);
    let plan = planned("a.json", cards.to_string().as_bytes());
    assert_eq!(plan.imported.len(), 2);
    let errors: Vec<String> = plan.errors.iter().map(told).collect();
    assert!(errors[0].starts_with("a.json, entry 2: this is no character card"), "{errors:?}");
    assert!(errors[1].starts_with("a.json, entry 3: the JSON is neither"), "{errors:?}");
}

#[test]
fn ids_are_never_taken_from_somebody() {
    let bytes = v1().to_string();
    let import = |present: &mut Present, options: &Options| {
        plan("a.json", read("a.json", bytes.as_bytes()).unwrap(), present, options)
    };
    let mut present = Present::default();
    let with_id = |id: &str, replace| Options { id: Some(id.to_owned()), replace };
    assert_eq!(import(&mut present, &Options::default()).imported[0].id, "oda");
    assert_eq!(import(&mut present, &Options::default()).imported[0].id, "oda_2");
    assert!(
        told(&import(&mut present, &with_id("oda", false)).errors[0])
            .contains("has a character `oda` already")
    );
    assert_eq!(import(&mut present, &with_id("oda", true)).imported[0].id, "oda");
    for id in ["../x", "a/b", "CON", "player", ""] {
        assert!(
            told(&import(&mut present, &with_id(id, true)).errors[0]).contains("cannot be an id"),
            "{id}"
        );
    }
    let paths: Vec<String> = import(&mut present, &with_id("fresh", false))
        .imported
        .remove(0)
        .files
        .into_iter()
        .map(|file| file.path)
        .collect();
    assert_eq!(paths, ["characters/fresh.toml", "characters/fresh.card.json"]);
}
