//! Cards, lorebooks and files that the tests are about. All written for them.

use std::io::{Cursor, Write as _};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use meddah_cards::export::{Current, Form, export, lore_entries};
use meddah_cards::import::{Imported, Options, OutFile, Plan, Present, plan};
use meddah_cards::{Card, ContainerKind, Found, read};
use meddah_engine::world::{Character, LoreEntry, PackFile, World};
use serde_json::{Value, json};

pub fn v1() -> Value {
    json!({
        "name": "Oda",
        "description": "{{char}} mends nets by the river. She is sixty.",
        "personality": "patient, dry, stubborn",
        "scenario": "{{user}} comes to buy a net.",
        "first_mes": "*looks up* What do you want, {{user}}?",
        "mes_example": "<START>\n{{user}}: How much?\n{{char}}: Four coppers. Not three.\n<START>\n{{char}}: Sit down.",
        "x_unknown": {"deep": [1, 2.5, null, "ü"]},
    })
}

pub fn v2() -> Value {
    json!({
        "spec": "chara_card_v2",
        "spec_version": "2.0",
        "x_top": true,
        "data": {
            "name": "Bram",
            "description": "<p>Bram is a <b>guard</b> at the gate.</p>He likes order &amp; soup.",
            "personality": "Bram seldom laughs. He forgives slowly.",
            "scenario": "",
            "first_mes": "Halt. Who goes there?",
            "mes_example": "{{user}}: May I pass?\n{{char}}: With a pass, yes.\nWithout one, no.",
            "creator_notes": "SECRET NOTES",
            "system_prompt": "SYSTEM {{original}}",
            "post_history_instructions": "AFTER",
            "alternate_greetings": ["Evening.", "You again?"],
            "tags": ["TAG"],
            "creator": "SOMEBODY",
            "character_version": "VERSION 1.2",
            "extensions": {"other_program": {"depth_prompt": {"depth": 4, "prompt": "x"}}},
            "x_inner": ["kept"],
            "character_book": {
                "name": "Gate",
                "scan_depth": 2,
                "x_book": 1,
                "extensions": {},
                "entries": [
                    {"keys": ["gate", "portcullis"], "content": "The gate closes at dusk.", "enabled": true,
                     "insertion_order": 10, "extensions": {"position": 4}, "x_entry": "kept", "name": "Gate"},
                    {"keys": ["old key"], "content": "Switched off.", "enabled": false, "insertion_order": 11, "extensions": {}},
                    {"keys": ["/gu(a|e)rd/i"], "content": "By pattern.", "enabled": true, "insertion_order": 12, "extensions": {}},
                    {"keys": ["Garrison"], "content": "{{char}} serves with twelve others. ".repeat(30), "enabled": true,
                     "insertion_order": 13, "extensions": {}},
                ],
            },
        },
    })
}

pub fn v3() -> Value {
    let mut card = v2();
    card["spec"] = "chara_card_v3".into();
    card["spec_version"] = "3.0".into();
    let data = &mut card["data"];
    data["name"] = "Ysolde of the Reeds".into();
    data["nickname"] = "Ysolde".into();
    data["description"] =
        "{{char}} gathers reeds. {{// a note }}{{hidden_key:reeds}}She has {{roll:d6}} goats.".into();
    data["mes_example"] = "<START>\n{{user}}: Reeds?\nYsolde: Plenty.".into();
    data["group_only_greetings"] = json!(["Hello all."]);
    data["creator_notes_multilingual"] = json!({"de": "Notiz"});
    data["source"] = json!(["made up"]);
    data["creation_date"] = 1_700_000_000.into();
    data["assets"] = json!([
        {"type": "icon", "uri": "embeded://assets/icon/images/face.png", "name": "main", "ext": "png"},
        {"type": "x_song", "uri": "embeded://assets/other/audio/song.mp3", "name": "song", "ext": "mp3"},
    ]);
    data["character_book"]["entries"] = json!([
        {"keys": ["reed"], "content": "@@depth 4\n@@new_order x\n@@@additional_keys marsh, bog\nReeds burn badly.", "enabled": true,
         "insertion_order": 1, "extensions": {}, "use_regex": false, "constant": false, "id": 7},
        {"keys": ["secret"], "content": "@@dont_activate\nNever told.", "enabled": true, "insertion_order": 2,
         "extensions": {}, "use_regex": false},
    ]);
    card
}

/// SillyTavern's own form of a lorebook: a map, and other names.
pub fn world_info() -> Value {
    json!({
        "entries": {
            "0": {"uid": 0, "key": ["mill"], "keysecondary": [], "comment": "The mill", "content": "The mill burned down.",
                  "constant": false, "selective": true, "order": 100, "position": 0, "disable": false, "sticky": 3},
            "5": {"uid": 5, "key": ["ford"], "comment": "", "content": "The ford is deep.", "disable": false, "x_unknown": [1]},
            "9": {"uid": 9, "key": ["gone"], "content": "Switched off.", "disable": true},
        },
        "x_unknown": "kept",
    })
}

pub fn lorebook_v3() -> Value {
    json!({"spec": "lorebook_v3", "x_top": 1, "data": {"name": "River", "extensions": {}, "entries": [
        {"keys": ["river"], "content": "@@additional_keys stream\nThe river is wide.", "enabled": true, "insertion_order": 1,
         "use_regex": false, "extensions": {"a": 1}},
    ]}})
}

/// The smallest picture, with these chunks before its end.
pub fn png_with(chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, 2, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&[9, 8, 7, 6, 5, 4])).unwrap();
    insert_chunks(picture, chunks)
}

/// A picture that moves: two frames.
pub fn apng() -> Vec<u8> {
    let mut picture = Vec::new();
    let mut encoder = png::Encoder::new(&mut picture, 2, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_animated(2, 0).unwrap();
    let mut writer = encoder.write_header().unwrap();
    for frame in [[9, 8, 7, 6, 5, 4], [4, 5, 6, 7, 8, 9]] {
        writer.write_image_data(&frame).unwrap();
    }
    writer.finish().unwrap();
    picture
}

pub fn insert_chunks(picture: Vec<u8>, chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
    let end = picture.len() - 12;
    let mut out = picture[..end].to_vec();
    for (kind, data) in chunks {
        let body: Vec<u8> = kind.iter().copied().chain(data.iter().copied()).collect();
        out.extend((data.len() as u32).to_be_bytes());
        out.extend(&body);
        out.extend(crc32fast::hash(&body).to_be_bytes());
    }
    out.extend(&picture[end..]);
    out
}

pub fn base64_chunk(keyword: &str, json: &Value) -> Vec<u8> {
    [keyword.as_bytes(), b"\0", BASE64_STANDARD.encode(json.to_string()).as_bytes()].concat()
}

pub fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        zip.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

pub fn charx() -> Vec<u8> {
    let face = png_with(&[]);
    let card = v3().to_string();
    zip_of(&[
        ("card.json", card.as_bytes()),
        ("assets/icon/images/face.png", &face),
        ("assets/other/audio/song.mp3", b"not really a song"),
        ("module.json", b"{}"),
    ])
}

/// What is in a file, planned for an empty world.
pub fn planned(name: &str, bytes: &[u8]) -> Plan {
    let found = read(name, bytes).unwrap_or_else(|error| panic!("{error}"));
    plan(name, found, &mut Present::default(), &Options::default())
}

/// The only character in a file.
pub fn import_one(name: &str, bytes: &[u8]) -> Imported {
    let mut plan = planned(name, bytes);
    assert_eq!(plan.errors, [], "{name}");
    assert_eq!(plan.imported.len(), 1, "{name}");
    plan.imported.remove(0)
}

/// What lies in the folder of a world after an import.
pub struct Shelf {
    pub character: Character,
    pub lore: Option<Vec<LoreEntry>>,
    pub original: Option<Card>,
}

impl Shelf {
    pub fn of(imported: &Imported) -> Shelf {
        let world = load(&imported.files);
        let file = |ending: &str| imported.files.iter().find(|file| file.path.ends_with(ending));
        let json = serde_json::from_slice(&file(".card.json").unwrap().bytes).unwrap();
        let mut original = Card::from_json(json).unwrap();
        for kind in [ContainerKind::Png, ContainerKind::Charx] {
            if let Some(file) = file(&format!(".card.{}", kind.extension())) {
                original = original.with_container(kind, file.bytes.clone());
            }
        }
        let lore = file(".card.toml")
            .map(|file| lore_entries("lore", std::str::from_utf8(&file.bytes).unwrap()).unwrap());
        Shelf { character: world.characters[&imported.id].clone(), lore, original: Some(original) }
    }

    pub fn export(&self, form: Form) -> Vec<u8> {
        let id = self.character.id.clone();
        let current = Current {
            character: &self.character,
            lore: self.lore.as_deref(),
            original: self.original.as_ref(),
            known: &|other| other == id,
        };
        export(&current, form, None).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the form of the character and its lore say, whatever the id.
    pub fn content(&self) -> (Value, Vec<Value>) {
        let text = |value: Value| value.to_string().replace(&self.character.id, "ID");
        let lore = self.lore.iter().flatten().map(|entry| text(entry.to_json()).into()).collect();
        (text(self.character.to_json()).into(), lore)
    }
}

/// The files as a world. There must be nothing wrong with them.
pub fn load(files: &[OutFile]) -> World {
    let read = |file: &OutFile| PackFile {
        path: file.path.clone(),
        text: String::from_utf8(file.bytes.clone()).unwrap(),
    };
    let mut pack: Vec<PackFile> =
        files.iter().filter(|file| file.path.ends_with(".toml")).map(read).collect();
    pack.push(PackFile { path: "world.toml".into(), text: "name = \"Test\"".into() });
    World::from_files("test", &pack).unwrap_or_else(|errors| panic!("{errors}")).0
}

/// The JSON of the only card in a file.
pub fn json_in(name: &str, bytes: &[u8]) -> Value {
    match read(name, bytes).unwrap_or_else(|error| panic!("{error}")).remove(0).unwrap() {
        Found::Card(card) => card.json().clone().into(),
        Found::Book(book) => book.json().clone().into(),
    }
}
