//! Where Meddah keeps its data: `MEDDAH_DATA`, else the system's folder for a program's local data.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The folder below the data folder in which models and voices are.
pub const MODELS: &str = "models";

/// The folders of one installation.
#[derive(Clone, Debug)]
pub struct Paths {
    /// The data folder itself.
    pub data: PathBuf,
}

impl Paths {
    /// Finds the data folder and creates it.
    pub fn open() -> anyhow::Result<Paths> {
        let data = match std::env::var_os("MEDDAH_DATA") {
            Some(folder) if !folder.is_empty() => PathBuf::from(folder),
            _ => directories::ProjectDirs::from("", "", "meddah")
                .context("this system names no home folder; set MEDDAH_DATA to a folder of your choice")?
                .data_local_dir()
                .to_owned(),
        };
        create_private(&data).with_context(|| {
            format!("cannot create the data folder {}; set MEDDAH_DATA to another", data.display())
        })?;
        Ok(Paths { data })
    }

    /// Models and voices.
    pub fn models(&self) -> PathBuf {
        self.data.join(MODELS)
    }

    /// Sounds for games that open files.
    pub fn audio(&self) -> PathBuf {
        self.data.join("audio")
    }

    /// Lines of authors as services spoke them.
    pub fn spoken(&self) -> PathBuf {
        self.data.join("spoken")
    }

    /// What every character lived through.
    pub fn timeline(&self) -> PathBuf {
        self.data.join("timeline.sqlite3")
    }

    /// What the local model has read, per character.
    pub fn states(&self) -> PathBuf {
        self.data.join("states")
    }

    /// Port and token of the running sidecar.
    pub fn runtime(&self) -> PathBuf {
        self.data.join("runtime.json")
    }

    /// What was spent on paid models.
    pub fn budget(&self) -> PathBuf {
        self.data.join("budget.sqlite3")
    }

    /// Keys, or where they are kept, and to whom each may be sent.
    pub fn keys(&self) -> PathBuf {
        self.data.join("keys.toml")
    }

    /// What online models can do and cost, newer than what comes with the program.
    pub fn model_table(&self) -> PathBuf {
        self.data.join("online-models.toml")
    }

    /// Worlds that were changed while a game ran.
    pub fn worlds(&self) -> PathBuf {
        self.data.join("worlds")
    }
}

/// What players say is nobody else's: on Unix a new folder is open to its user alone, as the system's folder
/// for such data is on Windows.
fn create_private(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
