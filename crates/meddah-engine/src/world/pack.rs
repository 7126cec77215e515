//! From files to a world: which file is what, and the parts put together.
//!
//! Nothing stops at the first mistake. Each file is read as far as it goes, and the checks between files
//! know the names of those that could not be read, so that one typo is reported once.

use std::collections::{BTreeSet, HashMap};

use meddah_protocol::check_id;
use serde::de::DeserializeOwned;

use super::action::{self, ActionsFile};
use super::check::Finding;
use super::cross;
use super::document::Document;
use super::error::{ERRORS_MAX, WARNINGS_MAX, Warning, WorldError, WorldErrors};
use super::limits::{FILES_MAX, PACK_BYTES_MAX};
use super::lore::LoreFile;
use super::schema::{self, FileSchema, locate};
use super::wording::{cut, nearest};
use super::{Character, PackFile, World};

/// How much of a path is repeated in a message, in characters.
const PATH_CHARS_MAX: usize = 120;

/// What a file of a pack is, by its path.
enum Kind<'a> {
    World,
    Actions,
    Character(&'a str),
    Lore,
    /// Talks that try the characters out; no part of the world.
    Check,
}

/// A file that was read, kept with its lines for the checks between files.
pub(super) struct Read<'a, T> {
    pub document: Document<'a>,
    pub content: T,
}

/// What was found, up to the limits.
#[derive(Default)]
pub(super) struct Remarks {
    errors: Vec<WorldError>,
    warnings: Vec<Warning>,
}

/// The readable files of a pack.
#[derive(Default)]
pub(super) struct Parts<'a> {
    pub world: Option<World>,
    pub characters: Vec<Read<'a, Character>>,
    pub lore: Vec<Read<'a, LoreFile>>,
    pub actions: Option<Read<'a, ActionsFile>>,
    /// Ids of all character files, also of those that could not be read.
    pub character_ids: BTreeSet<&'a str>,
}

pub(super) fn assemble(id: &str, files: &[PackFile]) -> Result<(World, Vec<Warning>), WorldErrors> {
    check_size(files)?;
    let mut remarks = Remarks::default();
    if let Err(error) = check_id("world", id) {
        remarks.error(WorldError::of_file("the pack's folder", error.message, error.help));
    }
    let mut parts = Parts::default();
    for file in files {
        match kind(&file.path) {
            Ok(kind) => parts.read(file, kind, &mut remarks),
            Err(error) => remarks.error(error),
        }
    }
    if !files.iter().any(|file| matches!(kind(&file.path), Ok(Kind::World))) {
        remarks.error(WorldError::of_file(
            "world.toml",
            "the file is missing",
            "make a file world.toml in the pack's folder with one line: name = \"The name of your world\"",
        ));
    }
    cross::check_ids(&parts.character_ids, &mut remarks);
    cross::check_characters(&parts, &mut remarks);
    cross::check_lore(&parts, &mut remarks);
    finish(id, files, parts, remarks)
}

fn check_size(files: &[PackFile]) -> Result<(), WorldErrors> {
    let bytes: usize = files.iter().map(|file| file.text.len()).sum();
    let message = if files.len() > FILES_MAX {
        format!("there are {} files, at most {FILES_MAX}", files.len())
    } else if bytes > PACK_BYTES_MAX {
        format!("there are {} MB of text, at most {} MB", bytes >> 20, PACK_BYTES_MAX >> 20)
    } else {
        return Ok(());
    };
    Err(WorldError::of_file("the pack", message, "split it into several worlds").into())
}

fn kind(path: &str) -> Result<Kind<'_>, WorldError> {
    let stem = path.strip_suffix(".toml").unwrap_or_default();
    match stem.split_once('/') {
        None if stem == "world" => return Ok(Kind::World),
        None if stem == "actions" => return Ok(Kind::Actions),
        Some(("characters", id)) if !id.contains('/') => return Ok(Kind::Character(id)),
        Some(("lore", name)) if !name.contains('/') => return Ok(Kind::Lore),
        Some(("checks", name)) if !name.contains('/') => return Ok(Kind::Check),
        _ => {}
    }
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let near = if folder.is_empty() {
        nearest(name, ["world.toml", "actions.toml"]).map(str::to_owned)
    } else {
        nearest(folder, ["characters", "lore", "checks"]).map(|folder| format!("{folder}/{name}"))
    };
    let help = match near {
        Some(near) => format!("should it be {}?", cut(&near, PATH_CHARS_MAX)),
        None => "a pack has world.toml, actions.toml, characters/NAME.toml and lore/NAME.toml".to_owned(),
    };
    Err(WorldError::of_file(cut(path, PATH_CHARS_MAX), "the file has no place in a world pack", help))
}

impl<'a> Parts<'a> {
    fn read(&mut self, file: &'a PackFile, kind: Kind<'a>, remarks: &mut Remarks) {
        match kind {
            Kind::Check => {}
            Kind::World => self.world = read(file, schema::world(), remarks).map(|read| read.content),
            Kind::Actions => self.actions = read(file, schema::actions_file(), remarks),
            Kind::Lore => self.lore.extend(read(file, schema::lore_file(), remarks)),
            Kind::Character(id) => {
                self.character_ids.insert(id);
                if let Some(mut read) = read::<Character>(file, schema::character(), remarks) {
                    read.content.id = id.to_owned();
                    self.characters.push(read);
                }
            }
        }
    }
}

fn read<'a, T: DeserializeOwned>(
    file: &'a PackFile,
    schema: &FileSchema,
    remarks: &mut Remarks,
) -> Option<Read<'a, T>> {
    let document = Document::parse(&file.path, &file.text);
    let read = document.and_then(|document| {
        let content = schema.read_file(&document)?;
        Ok(Read { document, content })
    });
    read.map_err(|errors| errors.into_iter().for_each(|error| remarks.error(error))).ok()
}

fn finish(
    id: &str,
    files: &[PackFile],
    mut parts: Parts<'_>,
    mut remarks: Remarks,
) -> Result<(World, Vec<Warning>), WorldErrors> {
    let mut actions = Vec::new();
    if let Some(Read { document, content }) = parts.actions.take() {
        let (declared, findings) = action::declarations(content);
        findings.into_iter().for_each(|finding| remarks.error_at(&document, finding));
        actions = declared;
    }
    remarks.sort(files);
    let Some(mut world) = parts.world.filter(|_| remarks.errors.is_empty()) else {
        return Err(WorldErrors(remarks.errors));
    };
    world.id = id.to_owned();
    let characters = parts.characters.into_iter().map(|read| (read.content.id.clone(), read.content));
    world.characters = characters.collect();
    world.lore = parts.lore.into_iter().flat_map(|read| read.content.lore).collect();
    world.actions = actions;
    Ok((world, remarks.warnings))
}

impl Remarks {
    pub fn error(&mut self, error: WorldError) {
        if !self.errors_full() {
            self.errors.push(error);
        }
    }

    /// Nothing more will be kept, so nothing more need be looked for.
    pub fn errors_full(&self) -> bool {
        self.errors.len() >= ERRORS_MAX
    }

    pub fn error_at(&mut self, document: &Document<'_>, finding: Finding) {
        // Finding the line reads the file up to it, so it is not done for what is dropped anyway.
        if !self.errors_full() {
            self.errors.push(locate(document, finding));
        }
    }

    pub fn warning(&mut self, warning: Warning) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.push(warning);
        }
    }

    pub fn warning_at(&mut self, document: &Document<'_>, finding: Finding) {
        if self.warnings.len() < WARNINGS_MAX {
            let WorldError { file, at, message, help } = locate(document, finding);
            self.warnings.push(Warning { file, at, message, help });
        }
    }

    fn sort(&mut self, files: &[PackFile]) {
        let order: HashMap<&str, usize> =
            files.iter().enumerate().map(|(place, file)| (file.path.as_str(), place)).collect();
        let rank = |file: &str| order.get(file).copied().unwrap_or(files.len());
        self.errors.sort_by_key(|error| (rank(&error.file), error.at));
        self.warnings.sort_by_key(|warning| (rank(&warning.file), warning.at));
    }
}
