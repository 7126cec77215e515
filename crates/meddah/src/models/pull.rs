//! Downloads a model, however bad the line is.
//!
//! An attempt asks for what is missing and writes until the end or a cut. Cuts are waited out with growing
//! pauses, but only a bounded number of times without real progress, so that a dead line ends in an answer.
//! The model appears under its name only after its last check.

use std::path::Path;
use std::time::{Duration, SystemTime};

use meddah_embedding::Encoder;
use meddah_whisper::ModelFile;
use tokio_util::sync::CancellationToken;

use super::files::FolderLock;
use super::hash::read_hashed;
use super::http::{Body, Client, Failure, Reply};
use super::part::{self, Origin, Part};
use super::source::Source;
use super::{
    Added, Inspected, Installed, Kind, ModelStore, ModelsError, ModelsErrorKind, Progress, Record,
    Sha256Hash, Verification, files, kind,
};

/// Space left free on the disk, so that the game and the system can still write.
pub(super) const DISK_RESERVE_BYTES: u64 = 256 * 1024 * 1024;
/// Larger files are not models that a player's PC can run.
pub(super) const MODEL_BYTES_MAX: u64 = 128 * 1024 * 1024 * 1024;
/// The header alone of any model is larger.
const MODEL_BYTES_MIN: u64 = 24;

/// How patient a download is.
#[derive(Clone, Copy, Debug)]
pub struct PullLimits {
    /// For a connection to be made.
    pub connect: Duration,
    /// For an answer to begin.
    pub answer: Duration,
    /// Between two pieces of an answer.
    pub stall: Duration,
    /// Attempts in a row without `progress_bytes`.
    pub attempts_max: u32,
    /// An attempt that brought as much counts as progress.
    pub progress_bytes: u64,
    /// How often the file may change under us.
    pub restarts_max: u32,
    /// The first pause after a failure; each further one is twice as long.
    pub pause_first: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// The largest file.
    pub bytes_max: u64,
}

impl Default for PullLimits {
    fn default() -> Self {
        PullLimits {
            connect: Duration::from_secs(15),
            answer: Duration::from_secs(30),
            stall: Duration::from_secs(30),
            attempts_max: 6,
            progress_bytes: 1024 * 1024,
            restarts_max: 3,
            pause_first: Duration::from_secs(1),
            pause_max: Duration::from_secs(30),
            bytes_max: MODEL_BYTES_MAX,
        }
    }
}

impl ModelStore {
    /// Downloads a model by its name in the catalogue or its address, or goes on with it. What has arrived
    /// stays for the next call if this one fails or is cancelled.
    pub async fn pull(
        &self,
        source: &str,
        expected_sha256: Option<Sha256Hash>,
        mut progress: impl FnMut(Progress) + Send,
        cancel: &CancellationToken,
    ) -> Result<Added, ModelsError> {
        let source = Source::resolve(source, expected_sha256)?;
        let _lock = FolderLock::take(&self.folder)?;
        self.pull_source(&source, &mut progress, cancel).await
    }

    pub(super) async fn pull_source(
        &self,
        source: &Source,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &CancellationToken,
    ) -> Result<Added, ModelsError> {
        let installed = self.read_installed(&format!("{}{}", source.name, source.kind.suffix()));
        let complete = installed.as_ref().is_some_and(|model| model.kind == source.kind);
        let description = match &source.description {
            Some(expected) if !complete => {
                Some(self.fetch_description(source, expected, progress, cancel).await?)
            }
            _ => None,
        };
        if let Some(model) = installed {
            return self.keep_installed(model, source, description.as_deref(), cancel).await;
        }
        let paths = part::Paths::of(&self.final_path(&source.name, source.kind));
        let part =
            Part::open(paths, source.kind, source.public_url(), source.sha256, progress, cancel).await?;
        let client = Client::new(&source.url, self.limits)?;
        let mut download = Download { store: self, source, client, part, progress, cancel };
        let result = download.run().await;
        // After a failure too: a later call goes on from here.
        download.part.flush().await?;
        match result {
            Ok(()) => self.install(download.part, source, description.as_deref()).await,
            Err(error) => {
                let useless = matches!(error.kind, ModelsErrorKind::NotAModel | ModelsErrorKind::TooLarge);
                if useless || download.part.len == 0 {
                    download.part.discard();
                }
                Err(error)
            }
        }
    }

    /// The last checks, then the final name.
    async fn install(
        &self,
        part: Part,
        source: &Source,
        description: Option<&[u8]>,
    ) -> Result<Added, ModelsError> {
        let (sha256, bytes) = (part.sha256(), part.len);
        let verification = match (source.sha256, part.origin.announced) {
            (Some(expected), _) if expected == sha256 => Verification::Expected,
            (None, Some(announced)) if announced == sha256 => Verification::Announced,
            (None, None) => Verification::Unverified,
            (Some(expected), _) | (None, Some(expected)) => {
                part.discard();
                return Err(hash_mismatch(expected, sha256));
            }
        };
        if bytes < MODEL_BYTES_MIN {
            part.discard();
            return Err(not_a_model(format!("the file has only {bytes} bytes")));
        }
        let paths = part.close().await?;
        let (store, temporary, kind) = (self.clone(), paths.part.clone(), source.kind);
        self.write_description(&paths.part, description)?;
        let inspected = tokio::task::spawn_blocking(move || store.check_header(&temporary, kind)).await;
        files::delete(&kind::description(&paths.part)).ok(); // overwritten next time
        let inspected = match inspected.unwrap_or_else(|error| Err(not_a_model(error.to_string()))) {
            Ok(inspected) => inspected,
            Err(error) => {
                files::delete(&paths.part).ok(); // overwritten next time
                files::delete(&paths.origin).ok(); // likewise
                return Err(error);
            }
        };
        let record = Record {
            source: source.public_url(),
            catalogue: source.catalogue.clone(),
            sha256,
            verification,
            bytes,
            licence: source.licence.clone().or(inspected.and_then(|inspected| inspected.licence)),
            added: httpdate::fmt_http_date(SystemTime::now()),
            conversion: Vec::new(),
        };
        self.write_description(&self.final_path(&source.name, source.kind), description)?;
        let model = self.put_in_place(&paths.part, (&source.name, source.kind), record)?;
        files::delete(&paths.origin).ok(); // harmless without its part
        Ok(Added { model, verification, was_installed: false })
    }

    /// Gives a checked file its final name. The record comes first: a model without its record would have
    /// lost its hash, a record without its model is ignored.
    pub(super) fn put_in_place(
        &self,
        checked: &Path,
        (name, kind): (&str, Kind),
        record: Record,
    ) -> Result<Installed, ModelsError> {
        let file = self.final_path(name, kind);
        self.write_record(name, &record)?;
        files::rename(checked, &file)
            .map_err(|error| ModelsError::storage("move into place", &file, &error))?;
        self.read_back(name, kind)
    }

    pub(super) fn read_back(&self, name: &str, kind: Kind) -> Result<Installed, ModelsError> {
        self.read_installed(&format!("{name}{}", kind.suffix())).ok_or_else(|| {
            let gone = std::io::Error::from(std::io::ErrorKind::NotFound);
            ModelsError::storage("find", &self.final_path(name, kind), &gone)
        })
    }

    /// A file of this name is there already: fine if it is the wanted one.
    async fn keep_installed(
        &self,
        model: Installed,
        source: &Source,
        description: Option<&[u8]>,
        cancel: &CancellationToken,
    ) -> Result<Added, ModelsError> {
        let Some(expected) = source.sha256 else {
            let same = model.record.as_ref().filter(|record| record.source == source.public_url());
            return match same.map(|record| record.verification) {
                Some(verification) => Ok(Added { model, verification, was_installed: true }),
                None => Err(already_installed(&model.name)),
            };
        };
        let sha256 = match &model.record {
            Some(record) => record.sha256,
            None => {
                let (file, cancel) = (model.file.clone(), cancel.clone());
                let hashed = tokio::task::spawn_blocking(move || read_hashed(&file, &cancel, |_| Ok(())));
                let hasher = hashed.await.unwrap_or_else(|error| Err(std::io::Error::other(error)));
                let fail = |error| ModelsError::storage("read", &model.file, &error);
                Sha256Hash::of(hasher.map_err(fail)?)
            }
        };
        if sha256 != expected {
            return Err(already_installed(&model.name));
        }
        let record = Record {
            source: source.public_url(),
            catalogue: source.catalogue.clone(),
            sha256,
            verification: Verification::Expected,
            bytes: model.bytes,
            licence: source.licence.clone(),
            added: httpdate::fmt_http_date(SystemTime::now()),
            conversion: Vec::new(),
        };
        self.write_record(&model.name, &record)?;
        self.write_description(&model.file, description)?;
        let model = self.read_back(&model.name, model.kind)?;
        Ok(Added { model, verification: Verification::Expected, was_installed: true })
    }

    /// The header check of the caller, if it gave one. Embedders and voices are tried out: they are small enough.
    pub(super) fn check_header(&self, file: &Path, kind: Kind) -> Result<Option<Inspected>, ModelsError> {
        match kind {
            Kind::Chat => self.inspect.map(|inspect| inspect(file)).transpose().map_err(not_a_model),
            Kind::Embedder => match Encoder::open(file) {
                Ok(_) => Ok(None),
                Err(error) => Err(ModelsError::new(ModelsErrorKind::NotAModel, error.message, error.help)),
            },
            Kind::Voice => match meddah_speech::try_voice(file) {
                Ok(()) => Ok(None),
                Err(error) => Err(ModelsError::new(ModelsErrorKind::NotAModel, error.message, error.help)),
            },
            Kind::Listener => match ModelFile::check(file) {
                Ok(_) => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Fails unless this many more bytes fit on the disk.
    pub(super) fn check_space(&self, bytes: u64) -> Result<(), ModelsError> {
        // A system that does not say how much is free will say so when it is full.
        let Ok(free) = (self.free_space)(&self.folder) else { return Ok(()) };
        if bytes.saturating_add(DISK_RESERVE_BYTES) <= free {
            return Ok(());
        }
        let missing = bytes.saturating_add(DISK_RESERVE_BYTES) - free;
        Err(ModelsError::new(
            ModelsErrorKind::DiskFull,
            format!(
                "{} are still needed in {} and {} are free",
                indicatif::DecimalBytes(bytes),
                self.folder.display(),
                indicatif::DecimalBytes(free)
            ),
            format!(
                "Free at least {} there, or set MEDDAH_DATA to a folder on a larger disk.",
                indicatif::DecimalBytes(missing)
            ),
        ))
    }
}

/// One running download.
struct Download<'a> {
    store: &'a ModelStore,
    source: &'a Source,
    client: Client,
    part: Part,
    progress: &'a mut (dyn FnMut(Progress) + Send),
    cancel: &'a CancellationToken,
}

impl Download<'_> {
    /// Attempts until the file is complete or it is no use.
    async fn run(&mut self) -> Result<(), ModelsError> {
        let limits = self.store.limits;
        let (mut failed, mut restarts) = (0, 0);
        // Bytes beyond this count as progress. It never falls within one version of the file, else a server
        // that begins anew after every cut would keep us for ever.
        let mut best = self.part.len;
        loop {
            match self.attempt().await {
                Ok(()) => return Ok(()),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::StartOver(reason)) => {
                    restarts += 1;
                    if restarts > limits.restarts_max {
                        return Err(gave_up(&reason));
                    }
                    let url = self.source.public_url();
                    self.part.start_over(Origin { url, ..Origin::default() }).await?;
                    best = 0;
                    (self.progress)(Progress::StartingOver { reason });
                }
                Err(Failure::Retry { reason, after }) => {
                    let arrived = self.part.len.saturating_sub(best);
                    best = best.max(self.part.len);
                    failed = if arrived >= limits.progress_bytes { 1 } else { failed + 1 };
                    if failed >= limits.attempts_max {
                        return Err(gave_up(&reason));
                    }
                    let doubled = limits.pause_first.saturating_mul(1 << (failed - 1).min(16));
                    self.pause(reason, after.unwrap_or(doubled).min(limits.pause_max)).await?;
                }
            }
        }
    }

    async fn pause(&mut self, reason: String, pause: Duration) -> Result<(), ModelsError> {
        // What has arrived must survive the player ending the program now.
        self.part.flush().await?;
        (self.progress)(Progress::Waiting { reason, pause });
        match self.cancel.run_until_cancelled(tokio::time::sleep(pause)).await {
            Some(()) => Ok(()),
            None => Err(ModelsError::cancelled()),
        }
    }

    /// One request for what is missing.
    async fn attempt(&mut self) -> Result<(), Failure> {
        if self.part.len > 0 && self.part.origin.bytes == Some(self.part.len) {
            return Ok(()); // an earlier run ended between the last byte and the last check
        }
        let from = if self.part.origin.can_resume(self.source.sha256) { self.part.len } else { 0 };
        match self.client.get(&self.source.url, from, &self.part.origin, self.cancel).await? {
            Reply::Complete => Ok(()),
            Reply::Whole(body) => {
                self.check_size(&body.origin, 0)?;
                if self.part.len > 0 {
                    let reason = "the server sends the file from its beginning".into();
                    (self.progress)(Progress::StartingOver { reason });
                }
                self.part.start_over(body.origin.clone()).await?;
                self.receive(body).await
            }
            Reply::Rest(body) => {
                self.check_size(&body.origin, self.part.len)?;
                // The rest may name less than the beginning did, and must not make us forget it.
                let known = self.part.origin.clone();
                let announced = body.origin.announced.or(known.announced);
                self.part.describe(Origin { announced, bytes: body.origin.bytes, ..known })?;
                self.receive(body).await
            }
        }
    }

    /// Writes what comes.
    async fn receive(&mut self, mut body: Body) -> Result<(), Failure> {
        let bytes_total = self.part.origin.bytes;
        let bytes_max = bytes_total.unwrap_or(self.store.limits.bytes_max);
        while let Some(bytes) = body.next(self.store.limits.stall, self.cancel).await? {
            if self.part.accepts(&bytes).is_err() {
                return Err(Failure::Fatal(describe_stranger(self.source.kind, &bytes, body.is_page)));
            }
            if self.part.len + bytes.len() as u64 > bytes_max {
                return match bytes_total {
                    Some(_) => Err(Failure::StartOver("the server sends more than it announced".into())),
                    None => Err(Failure::Fatal(too_large(self.part.len))),
                };
            }
            self.part.append(&bytes).await?;
            (self.progress)(Progress::Downloading { bytes: self.part.len, bytes_total });
        }
        match bytes_total {
            Some(total) if self.part.len < total => {
                Err(Failure::Retry { reason: "the connection ended early".into(), after: None })
            }
            _ => Ok(()),
        }
    }

    /// Refuses what is too large, not what was expected, or does not fit, before it is written.
    fn check_size(&self, origin: &Origin, have: u64) -> Result<(), ModelsError> {
        let Some(bytes) = origin.bytes else {
            // Without a length a cut looks like the end; only a hash can tell.
            return match self.source.sha256.or(origin.announced) {
                Some(_) => Ok(()),
                None => Err(ModelsError::new(
                    ModelsErrorKind::Network,
                    "the server does not say how large the file is, so a cut would go unnoticed",
                    "Give the file's SHA-256 with `--sha256`, or download it with a browser, then \
                     `meddah models import FILE`.",
                )),
            };
        };
        if bytes > self.store.limits.bytes_max {
            return Err(too_large(bytes));
        }
        if self.source.bytes.is_some_and(|expected| expected != bytes) {
            return Err(ModelsError::new(
                ModelsErrorKind::HashMismatch,
                format!("the server has another file of this name, with {bytes} bytes"),
                "Choose another model of `meddah models list`, or give the address and SHA-256 that you trust.",
            ));
        }
        self.store.check_space(bytes - have.min(bytes))
    }
}

/// What came instead of a model, in words that lead on.
fn describe_stranger(kind: Kind, bytes: &[u8], is_page: bool) -> ModelsError {
    let start = bytes.trim_ascii_start();
    if is_page || start.starts_with(b"<") {
        return ModelsError::new(
            ModelsErrorKind::NotAModel,
            "a web page came instead of a model",
            "Use the download link itself, not the page about it. If the site wants a login, download the \
             file with a browser, then `meddah models import FILE`.",
        );
    }
    if start.starts_with(b"version https://git-lfs") {
        return not_a_model("a Git LFS pointer came instead of the model itself".into());
    }
    not_a_model(format!("what came is not {}", kind.format()))
}

pub(super) fn not_a_model(message: String) -> ModelsError {
    ModelsError::new(
        ModelsErrorKind::NotAModel,
        message,
        "Choose a file that ends in .gguf (.onnx for an embedder or a voice), and download it again if it was complete elsewhere; \
         `meddah models list` shows models that work.",
    )
}

pub(super) fn hash_mismatch(expected: Sha256Hash, found: Sha256Hash) -> ModelsError {
    ModelsError::new(
        ModelsErrorKind::HashMismatch,
        format!("the file's SHA-256 is {found}, not {expected}; it was not kept"),
        "It was damaged on the way or is another file: try once more, then check where the hash comes from.",
    )
}

pub(super) fn already_installed(name: &str) -> ModelsError {
    ModelsError::new(
        ModelsErrorKind::AlreadyInstalled,
        format!("another file is installed as {name:?}"),
        format!("Use it, or `meddah models remove {name}` first."),
    )
}

pub(super) fn too_large(bytes: u64) -> ModelsError {
    ModelsError::new(
        ModelsErrorKind::TooLarge,
        format!("the file is too large ({})", indicatif::DecimalBytes(bytes)),
        "Choose a smaller model; `meddah models list` shows some.",
    )
}

pub(super) fn gave_up(reason: &str) -> ModelsError {
    ModelsError::new(
        ModelsErrorKind::Network,
        format!("gave up: {reason}"),
        "Check the internet connection and run the same command again; a download goes on where it stopped.",
    )
}
