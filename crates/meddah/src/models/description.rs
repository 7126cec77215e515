//! The description of a voice, a small file beside its model: it comes first, because a voice without one would be
//! taken for an embedder.

use std::path::Path;

use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::catalogue::Description;
use super::http::{Client, Failure, Reply};
use super::part::Origin;
use super::pull::{gave_up, hash_mismatch};
use super::source::Source;
use super::{ModelStore, ModelsError, Progress, Sha256Hash, kind};
use crate::whole_file;

impl ModelStore {
    /// Downloads the description that belongs to this source, and checks that it is the right one.
    pub(super) async fn fetch_description(
        &self,
        source: &Source,
        expected: &Description,
        progress: &mut (dyn FnMut(Progress) + Send),
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, ModelsError> {
        let mut pause = self.limits.pause_first;
        for attempt in 1.. {
            let (reason, after) = match self.try_description(source, expected, cancel).await {
                Ok(bytes) => return Ok(bytes),
                Err(Failure::Fatal(error)) => return Err(error),
                Err(Failure::Retry { reason, after }) => (reason, after),
                Err(Failure::StartOver(reason)) => (reason, None),
            };
            if attempt >= self.limits.attempts_max {
                return Err(gave_up(&reason));
            }
            let wait = after.unwrap_or(pause).min(self.limits.pause_max);
            progress(Progress::Waiting { reason, pause: wait });
            if cancel.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                break;
            }
            pause = pause.saturating_mul(2);
        }
        Err(ModelsError::cancelled())
    }

    async fn try_description(
        &self,
        source: &Source,
        expected: &Description,
        cancel: &CancellationToken,
    ) -> Result<Vec<u8>, Failure> {
        let mut url = source.url.clone();
        url.set_path(&format!("{}.json", url.path()));
        let client = Client::new(&url, self.limits)?;
        let cut = || Failure::Retry {
            reason: "the description of the voice did not come whole".into(),
            after: None,
        };
        let Reply::Whole(mut body) = client.get(&url, 0, &Origin::default(), cancel).await? else {
            return Err(cut());
        };
        let mut bytes = Vec::new();
        while let Some(piece) = body.next(self.limits.stall, cancel).await? {
            bytes.extend_from_slice(&piece);
            if bytes.len() as u64 > expected.bytes {
                break; // another file, however long it is
            }
        }
        if (bytes.len() as u64) < expected.bytes {
            return Err(cut());
        }
        let found = Sha256Hash::of(Sha256::new_with_prefix(&bytes));
        if found != expected.sha256 {
            return Err(Failure::Fatal(hash_mismatch(expected.sha256, found)));
        }
        Ok(bytes)
    }

    /// Writes it, if there is one, beside this file of the voice.
    pub(super) fn write_description(
        &self,
        file: &Path,
        description: Option<&[u8]>,
    ) -> Result<(), ModelsError> {
        let Some(bytes) = description else { return Ok(()) };
        let path = kind::description(file);
        whole_file::write(&path, bytes).map_err(|error| ModelsError::storage("write", &path, &error))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use meddah_speech::suite::voice_file;
    use reqwest::Url;

    use super::super::test_server::{Answer, Asked, Server, whole};
    use super::super::{Added, Kind, ModelsErrorKind, PullLimits};
    use super::*;

    fn hash(bytes: &[u8]) -> Sha256Hash {
        Sha256Hash::of(Sha256::new_with_prefix(bytes))
    }

    struct Voice {
        model: Vec<u8>,
        description: Vec<u8>,
    }

    impl Voice {
        fn read() -> Voice {
            let file = voice_file();
            let description = std::fs::read(kind::description(&file)).unwrap();
            Voice { model: std::fs::read(&file).unwrap(), description }
        }

        fn source(&self, server: &Server) -> Source {
            Source {
                url: Url::parse(&format!("{}/joe.onnx", server.url)).unwrap(),
                name: "joe".into(),
                kind: Kind::Voice,
                bytes: Some(self.model.len() as u64),
                sha256: Some(hash(&self.model)),
                description: Some(Description {
                    bytes: self.description.len() as u64,
                    sha256: hash(&self.description),
                }),
                licence: None,
                catalogue: Some("voice-joe".into()),
            }
        }
    }

    async fn pull(store: &ModelStore, source: &Source) -> Result<Added, ModelsError> {
        store.pull_source(source, &mut |_| {}, &CancellationToken::new()).await
    }

    fn files(store: &ModelStore) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(store.folder()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<PathBuf> = entries.collect();
        files.sort();
        files
    }

    fn store(folder: &Path) -> ModelStore {
        let pause = Duration::from_millis(1);
        let limits = PullLimits { pause_first: pause, pause_max: pause, ..PullLimits::default() };
        ModelStore::open(folder).unwrap().with_limits(limits)
    }

    #[tokio::test]
    async fn a_voice_comes_with_its_description_over_a_bad_line() {
        let (folder, voice) = (tempfile::tempdir().unwrap(), Voice::read());
        let store = store(folder.path());
        let served = (voice.model.clone(), voice.description.clone());
        let server = Server::start(move |number, asked: &Asked| match asked.path.ends_with(".json") {
            true if number == 0 => {
                Answer { head: "HTTP/1.1 503 Busy\r\nContent-Length: 0".into(), ..Answer::default() }
            }
            true if number == 1 => whole(&served.1, "").cut(1_000),
            true => whole(&served.1, ""),
            false => whole(&served.0, ""),
        });
        let source = voice.source(&server);
        let added = pull(&store, &source).await.unwrap();
        assert_eq!((added.model.kind, added.was_installed), (Kind::Voice, false));
        let names = ["joe.onnx", "joe.onnx.json", "joe.toml"].map(|name| store.folder().join(name));
        assert_eq!(files(&store), names);
        assert_eq!(std::fs::read(&names[1]).unwrap(), voice.description);
        assert!(store.find(Kind::Voice, "VOICE-JOE").is_some());
        // A voice that lost its description gets it again, and is not loaded anew.
        std::fs::remove_file(&names[1]).unwrap();
        let again = pull(&store, &source).await.unwrap();
        assert_eq!((again.model.kind, again.was_installed), (Kind::Voice, true));
        let asked = server.asked();
        assert_eq!(asked.iter().filter(|asked| asked.path == "/joe.onnx").count(), 1, "{asked:?}");
    }

    #[tokio::test]
    async fn another_description_is_refused_before_anything_is_loaded() {
        let (folder, voice) = (tempfile::tempdir().unwrap(), Voice::read());
        let store = store(folder.path());
        let other = vec![b' '; voice.description.len()];
        let server = Server::start(move |_, _: &Asked| whole(&other, ""));
        let error = pull(&store, &voice.source(&server)).await.unwrap_err();
        assert_eq!(error.kind, ModelsErrorKind::HashMismatch);
        assert_eq!((files(&store).len(), server.asked().len()), (0, 1));
    }
}
