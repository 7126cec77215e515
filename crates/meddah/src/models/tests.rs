//! Downloads against a server that cuts, lies and changes its mind; imports; the folder.

use std::sync::Arc;
use std::time::{Duration, Instant};

use meddah_speech::suite::voice_file;
use sha2::{Digest as _, Sha256};
use tokio_util::sync::CancellationToken;

use super::test_server::{Answer, Asked, Server, honest, whole};
use super::*;

const ETAG: &str = "\"v1\"";

/// A file that begins like a model and nowhere repeats itself.
fn model(bytes: usize, seed: u32) -> Vec<u8> {
    let mut file = b"GGUF".to_vec();
    file.extend((seed..).flat_map(|word| word.wrapping_mul(2_654_435_761).to_le_bytes()).take(bytes - 4));
    file
}

fn hash(bytes: &[u8]) -> Sha256Hash {
    Sha256Hash::of(Sha256::new_with_prefix(bytes))
}

struct Folder {
    dir: tempfile::TempDir,
    store: ModelStore,
}

impl Folder {
    fn new() -> Folder {
        let dir = tempfile::tempdir().unwrap();
        let limits = PullLimits {
            stall: Duration::from_millis(500),
            answer: Duration::from_millis(500),
            pause_first: Duration::from_millis(1),
            pause_max: Duration::from_millis(4),
            progress_bytes: 1000,
            bytes_max: 1_000_000,
            ..PullLimits::default()
        };
        let store = ModelStore::open(dir.path()).unwrap().with_limits(limits);
        Folder { dir, store }
    }

    fn pull(&self, url: &str, sha256: Option<Sha256Hash>) -> Result<Added, ModelsError> {
        self.pull_with(url, sha256, &CancellationToken::new(), |_| {})
    }

    fn pull_with(
        &self,
        url: &str,
        sha256: Option<Sha256Hash>,
        cancel: &CancellationToken,
        progress: impl FnMut(Progress) + Send,
    ) -> Result<Added, ModelsError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let result = runtime.block_on(self.store.pull(url, sha256, progress, cancel));
        if let Err(error) = &result {
            assert!(error.help.ends_with('.') || error.help.ends_with('?'), "{error:?}");
        }
        result
    }

    /// Names in the models folder, without the lock.
    fn files(&self) -> Vec<String> {
        self.store.file_names().unwrap().into_iter().filter(|name| name != ".lock").collect()
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// Pulls from a scripted server and says what is left in the folder.
fn check(
    sha256: Option<Sha256Hash>,
    script: impl Fn(usize, &Asked) -> Answer + Send + 'static,
) -> (Result<Vec<u8>, ModelsError>, Vec<String>, Vec<Asked>) {
    let folder = Folder::new();
    let server = Server::start(script);
    let result = folder.pull(&format!("{}/m.gguf", server.url), sha256);
    let bytes = result.map(|added| std::fs::read(added.model.file).unwrap());
    (bytes, folder.files(), server.asked())
}

fn kind(result: Result<Vec<u8>, ModelsError>) -> ModelsErrorKind {
    result.map(|bytes| bytes.len()).unwrap_err().kind
}

#[test]
fn a_whole_file_arrives_and_is_recorded() {
    let folder = Folder::new();
    let file = model(50_000, 1);
    let (served, sha256) = (file.clone(), hash(&file));
    let server = Server::start(move |_, asked| honest(asked, &served, ETAG));
    let added = folder.pull(&format!("{}/m.gguf?token=secret", server.url), Some(sha256)).unwrap();
    assert_eq!(std::fs::read(&added.model.file).unwrap(), file);
    assert_eq!((added.verification, added.was_installed), (Verification::Expected, false));
    assert_eq!(folder.files(), ["m.gguf", "m.toml"]);
    let record = folder.store.read_record("m").unwrap();
    assert_eq!((record.sha256, record.bytes), (sha256, 50_000));
    assert_eq!(record.source, format!("{}/m.gguf", server.url));
    assert_eq!(server.asked()[0].path, "/m.gguf?token=secret");
}

#[test]
fn pulling_again_changes_nothing() {
    let folder = Folder::new();
    let file = model(5_000, 1);
    let sha256 = hash(&file);
    let server = Server::start(move |_, asked| honest(asked, &file, ETAG));
    let url = format!("{}/m.gguf", server.url);
    folder.pull(&url, None).unwrap();
    assert!(folder.pull(&url, None).unwrap().was_installed);
    let again = folder.pull(&url, Some(sha256)).unwrap();
    assert_eq!((again.was_installed, again.verification), (true, Verification::Expected));
    let other = folder.pull(&url, Some(hash(b"other"))).unwrap_err();
    assert_eq!(other.kind, ModelsErrorKind::AlreadyInstalled);
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_connection_that_is_cut_everywhere_still_brings_every_byte() {
    use proptest::prelude::*;
    let cuts = proptest::collection::vec(0_usize..60_000, 0..12);
    let strategy = (cuts, 24_usize..60_000, proptest::bool::ANY);
    proptest!(ProptestConfig::with_cases(40), |((cuts, bytes, with_hash) in strategy)| {
        let file = model(bytes, 7);
        let served = file.clone();
        // Five cuts in a row may bring nothing; the sixth would end it.
        let (result, files, asked) = check(with_hash.then(|| hash(&file)), move |number, asked| {
            let answer = honest(asked, &served, ETAG);
            let cut = cuts.get(number).map(|cut| if number % 4 == 3 { cut.max(&1_000) } else { cut });
            match cut {
                Some(cut) => answer.cut(*cut),
                None => answer,
            }
        });
        prop_assert_eq!(result.unwrap(), file);
        prop_assert_eq!(files, ["m.gguf", "m.toml"]);
        prop_assert!(asked.iter().all(|asked| asked.from.is_none() || asked.if_range.as_deref() == Some(ETAG)));
    });
}

#[test]
fn a_later_call_goes_on_where_the_first_stopped() {
    let folder = Folder::new();
    let file = model(60_000, 3);
    let served = file.clone();
    // Six attempts end the first call; 40 000 bytes arrive with its first one.
    let server = Server::start(move |number, asked| {
        honest(asked, &served, ETAG).cut(if number == 0 {
            40_000
        } else if number < 6 {
            0
        } else {
            usize::MAX
        })
    });
    let url = format!("{}/m.gguf", server.url);
    assert_eq!(folder.pull(&url, None).unwrap_err().kind, ModelsErrorKind::Network);
    assert_eq!(folder.files(), ["m.gguf.part", "m.gguf.part.toml"]);
    let unfinished = &folder.store.list().unwrap().unfinished[0];
    assert_eq!(
        (unfinished.bytes, unfinished.bytes_total, unfinished.name.as_str()),
        (40_000, Some(60_000), "m")
    );
    let added = folder.pull(&url, None).unwrap();
    assert_eq!(std::fs::read(added.model.file).unwrap(), file);
    assert_eq!(server.asked().last().unwrap().from, Some(40_000));
}

#[test]
fn a_part_that_was_complete_needs_no_download() {
    let folder = Folder::new();
    let file = model(9_000, 3);
    let (served, sha256) = (file.clone(), hash(&file));
    let server = Server::start(move |_, asked| honest(asked, &served, ETAG));
    std::fs::write(folder.store.folder().join("m.gguf.part"), &file).unwrap();
    // Without its description the part may belong to anything.
    let url = format!("{}/m.gguf", server.url);
    let origin = format!("url = {url:?}\n");
    std::fs::write(folder.store.folder().join("m.gguf.part.toml"), origin).unwrap();
    folder.pull(&url, Some(sha256)).unwrap();
    // The server was asked for the rest and had none.
    assert_eq!(server.asked()[0].from, Some(9_000));
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn a_part_of_another_address_is_not_continued() {
    let folder = Folder::new();
    let file = model(9_000, 3);
    let served = file.clone();
    let server = Server::start(move |_, asked| honest(asked, &served, ETAG));
    std::fs::write(folder.store.folder().join("m.gguf.part"), &file[..5_000]).unwrap();
    let origin = "url = \"http://elsewhere/m.gguf\"\netag = '\"v1\"'\n";
    std::fs::write(folder.store.folder().join("m.gguf.part.toml"), origin).unwrap();
    let added = folder.pull(&format!("{}/m.gguf", server.url), None).unwrap();
    assert_eq!(std::fs::read(added.model.file).unwrap(), file);
    assert_eq!(server.asked()[0].from, None);
}

#[test]
fn a_file_that_changes_halfway_is_taken_anew() {
    let (old, new) = (model(50_000, 1), model(40_000, 2));
    let wanted = new.clone();
    let (result, ..) = check(None, move |number, asked| match number {
        0 => honest(asked, &old, ETAG).cut(30_000),
        _ => honest(asked, &new, "\"v2\""),
    });
    assert_eq!(result.unwrap(), wanted);
}

#[test]
fn a_file_that_changes_for_ever_is_given_up() {
    let (result, ..) = check(None, move |number, asked| {
        let file = model(50_000, number as u32);
        // It answers ranges without looking at If-Range.
        let careless = Asked { if_range: None, ..asked.clone() };
        honest(&careless, &file, &format!("\"v{number}\"")).cut(30_000)
    });
    assert_eq!(kind(result), ModelsErrorKind::Network);
}

#[test]
fn a_server_that_ignores_ranges_works_if_it_holds_once() {
    let file = model(50_000, 1);
    let wanted = file.clone();
    let (result, _, asked) = check(None, move |number, _| {
        whole(&file, "ETag: \"v1\"").cut(if number < 3 { 20_000 } else { usize::MAX })
    });
    assert_eq!(result.unwrap(), wanted);
    assert_eq!(asked.len(), 4);
}

#[test]
fn a_server_that_ignores_ranges_and_always_cuts_is_given_up() {
    let file = model(50_000, 1);
    let (result, _, asked) = check(None, move |number, _| {
        whole(&file, "ETag: \"v1\"").cut(if number % 2 == 0 { 20_000 } else { 10_000 })
    });
    assert_eq!(kind(result), ModelsErrorKind::Network);
    assert!(asked.len() < 10, "{}", asked.len());
}

#[test]
fn lies_about_ranges_never_reach_the_file() {
    let lies: [fn(&[u8], usize) -> String; 5] = [
        |file, from| format!("Content-Range: bytes {}-{}/{}", from - 5, file.len() - 1, file.len()),
        |file, from| format!("Content-Range: bytes {from}-{}/{}", file.len() + 8, file.len() + 9),
        |_, _| "Content-Range: nonsense".into(),
        |_, _| String::new(),
        |file, from| format!("Content-Range: bytes {from}-{}/{}\r\nETag: \"v9\"", file.len() - 1, file.len()),
    ];
    for lie in lies {
        let file = model(50_000, 1);
        let wanted = file.clone();
        let (result, ..) = check(None, move |number, asked| match (number, asked.from) {
            (0, _) => honest(asked, &file, ETAG).cut(30_000),
            (1, Some(from)) => {
                let tag = if lie(&file, from).contains("ETag") { "" } else { "ETag: \"v1\"\r\n" };
                let head = format!("HTTP/1.1 206 Partial Content\r\n{tag}{}", lie(&file, from));
                Answer { head, body: vec![0; 20_000], slow: None }
            }
            _ => honest(asked, &file, ETAG),
        });
        assert_eq!(result.unwrap(), wanted);
    }
}

#[test]
fn a_rest_that_is_longer_than_announced_is_not_kept() {
    let file = model(50_000, 1);
    let wanted = file.clone();
    let (result, ..) = check(None, move |number, asked| match number {
        0 => honest(asked, &file, ETAG).cut(30_000),
        1 => Answer {
            head: format!(
                "HTTP/1.1 206 Partial Content\r\nETag: {ETAG}\r\nContent-Range: bytes 30000-49999/50000"
            ),
            body: vec![0; 90_000],
            slow: None,
        },
        _ => honest(asked, &file, ETAG),
    });
    assert_eq!(result.unwrap(), wanted);
}

#[test]
fn a_416_for_a_shrunken_file_starts_over() {
    let (old, new) = (model(50_000, 1), model(20_000, 2));
    let wanted = new.clone();
    let (result, ..) = check(None, move |number, asked| match number {
        0 => honest(asked, &old, ETAG).cut(30_000),
        _ => honest(&Asked { if_range: None, ..asked.clone() }, &new, ETAG),
    });
    assert_eq!(result.unwrap(), wanted);
}

#[test]
fn a_web_page_is_refused_at_its_first_bytes() {
    let page = b"<!DOCTYPE html><title>Sign in</title>".repeat(2_000);
    for headers in ["Content-Type: text/html; charset=utf-8", "Content-Type: application/octet-stream"] {
        let page = page.clone();
        let (result, files, asked) = check(None, move |_, _| whole(&page, headers));
        let error = result.unwrap_err();
        assert_eq!(error.kind, ModelsErrorKind::NotAModel);
        assert_eq!(error.message, "a web page came instead of a model");
        assert!(files.is_empty(), "{files:?}");
        assert_eq!(asked.len(), 1);
    }
}

#[test]
fn other_things_are_refused_even_byte_by_byte() {
    for body in [b"GGML rest of an old model".to_vec(), b"GGU".to_vec(), b"GGUF".to_vec(), Vec::new()] {
        let (result, files, _) = check(None, move |_, _| Answer {
            slow: Some((1, Duration::from_millis(1))),
            ..whole(&body, "ETag: \"v1\"")
        });
        assert_eq!(kind(result), ModelsErrorKind::NotAModel);
        assert!(files.is_empty(), "{files:?}");
    }
}

#[test]
fn a_wrong_hash_leaves_nothing() {
    let file = model(50_000, 1);
    let (result, files, _) = check(Some(hash(b"other")), move |_, asked| honest(asked, &file, ETAG));
    assert_eq!(kind(result), ModelsErrorKind::HashMismatch);
    assert!(files.is_empty(), "{files:?}");
}

#[test]
fn a_hash_that_the_hub_announces_is_checked() {
    for (announced, expected) in
        [(hash(&model(50_000, 1)), None), (hash(b"x"), Some(ModelsErrorKind::HashMismatch))]
    {
        let folder = Folder::new();
        let file = model(50_000, 1);
        let server = Server::start(move |number, asked| match number {
            0 => Answer {
                head: format!("HTTP/1.1 302 Found\r\nLocation: /cdn\r\nX-Linked-Etag: \"{announced}\""),
                ..Answer::default()
            },
            _ => honest(asked, &file, ETAG),
        });
        let result = folder.pull(&format!("{}/m.gguf", server.url), None);
        assert_eq!(result.as_ref().err().map(|error| error.kind), expected);
        if let Ok(added) = result {
            assert_eq!(added.verification, Verification::Announced);
        }
        assert_eq!(server.asked()[1].path, "/cdn");
    }
}

#[test]
fn redirects_in_circles_or_to_files_end() {
    for location in ["/m.gguf", "file:///etc/passwd", ""] {
        let (result, files, asked) = check(None, move |_, _| Answer {
            head: format!("HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}"),
            ..Answer::default()
        });
        assert_eq!(kind(result), ModelsErrorKind::UnsafeRedirect);
        assert!(asked.len() <= 9 && files.is_empty());
    }
}

#[test]
fn refusals_are_told_apart() {
    use ModelsErrorKind::{Denied, Network, NotFound};
    for (status, expected, requests) in [
        ("401 Unauthorized", Denied, 1),
        ("403 Forbidden", Denied, 1),
        ("404 Not Found", NotFound, 1),
        ("418 I'm a teapot", Network, 1),
        ("503 Service Unavailable", Network, 6),
        ("503 Service Unavailable\r\nRetry-After: 7200", Network, 1),
    ] {
        let (result, files, asked) = check(None, move |_, _| Answer {
            head: format!("HTTP/1.1 {status}\r\nContent-Length: 0"),
            ..Answer::default()
        });
        assert_eq!(kind(result), expected, "{status}");
        assert_eq!((asked.len(), files.len()), (requests, 0), "{status}");
    }
}

#[test]
fn a_busy_server_is_asked_again() {
    let file = model(5_000, 1);
    let wanted = file.clone();
    let (result, ..) = check(None, move |number, asked| match number {
        0..3 => {
            Answer { head: "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0".into(), ..Answer::default() }
        }
        _ => honest(asked, &file, ETAG),
    });
    assert_eq!(result.unwrap(), wanted);
}

#[test]
fn a_slow_server_is_waited_for_and_a_silent_one_is_not() {
    let file = model(4_000, 1);
    let (wanted, served) = (file.clone(), file.clone());
    let (result, _, asked) = check(None, move |_, asked| Answer {
        // Longer in all than one silence may be.
        slow: Some((500, Duration::from_millis(100))),
        ..honest(asked, &served, ETAG)
    });
    assert_eq!((result.unwrap(), asked.len()), (wanted.clone(), 1));
    let (result, _, asked) = check(None, move |number, asked| match number {
        0 => Answer { slow: Some((2_000, Duration::from_secs(2))), ..honest(asked, &file, ETAG) },
        _ => honest(asked, &file, ETAG),
    });
    assert_eq!((result.unwrap(), asked.len()), (wanted, 2));
}

#[test]
fn an_unknown_length_needs_a_hash() {
    let file = model(5_000, 1);
    let sha256 = hash(&file);
    let endless = move |_: usize, _: &Asked| Answer {
        head: "HTTP/1.1 200 OK\r\nETag: \"v1\"".into(),
        body: file.clone(),
        slow: None,
    };
    assert_eq!(kind(check(None, endless.clone()).0), ModelsErrorKind::Network);
    assert_eq!(check(Some(sha256), endless).0.unwrap().len(), 5_000);
}

#[test]
fn too_large_a_file_is_refused_whether_announced_or_not() {
    let file = Arc::new(model(1_000_001, 1));
    let body = file.clone();
    let (result, files, _) = check(None, move |_, asked| honest(asked, &body, ETAG));
    assert_eq!((kind(result), files.len()), (ModelsErrorKind::TooLarge, 0));
    let (result, files, _) = check(Some(hash(b"x")), move |_, _| Answer {
        head: "HTTP/1.1 200 OK".into(),
        body: file.to_vec(),
        slow: None,
    });
    assert_eq!((kind(result), files.len()), (ModelsErrorKind::TooLarge, 0));
}

#[test]
fn a_full_disk_is_told_before_the_first_byte() {
    let mut folder = Folder::new();
    folder.store.free_space = |_| Ok(pull::DISK_RESERVE_BYTES + 1_000);
    let file = model(5_000, 1);
    let original = folder.write("big.gguf", &file);
    let server = Server::start(move |_, asked| honest(asked, &file, ETAG));
    let error = folder.pull(&format!("{}/m.gguf", server.url), None).unwrap_err();
    assert_eq!(error.kind, ModelsErrorKind::DiskFull);
    assert!(error.help.starts_with("Free at least 4.00 kB there"), "{}", error.help);
    let error = folder.store.import(&original, Placement::Copy, None, |_| {}, &CancellationToken::new());
    assert_eq!(error.unwrap_err().kind, ModelsErrorKind::DiskFull);
    assert!(folder.files().is_empty());
}

#[test]
fn a_cancelled_download_stops_soon_and_can_go_on() {
    let folder = Folder::new();
    let file = model(60_000, 3);
    let (served, wanted) = (file.clone(), file);
    let server = Server::start(move |number, asked| match number {
        0 => Answer { slow: Some((20_000, Duration::from_millis(200))), ..honest(asked, &served, ETAG) },
        _ => honest(asked, &served, ETAG),
    });
    let url = format!("{}/m.gguf", server.url);
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    let started = Instant::now();
    let result = folder.pull_with(&url, None, &cancel, move |progress| {
        if matches!(progress, Progress::Downloading { bytes, .. } if bytes >= 20_000) {
            stop.cancel();
        }
    });
    assert_eq!(result.unwrap_err().kind, ModelsErrorKind::Cancelled);
    assert!(started.elapsed() < Duration::from_millis(550));
    let added = folder.pull(&url, None).unwrap();
    assert_eq!(std::fs::read(added.model.file).unwrap(), wanted);
    assert!(server.asked()[1].from.is_some_and(|from| from >= 20_000));
}

#[test]
fn two_downloads_do_not_write_the_same_folder() {
    let folder = Folder::new();
    let _other = FolderLock::take(folder.store.folder()).unwrap();
    assert_eq!(folder.pull("smollm2-135m", None).unwrap_err().kind, ModelsErrorKind::Busy);
}

#[test]
fn the_header_check_has_the_last_word() {
    let mut folder = Folder::new();
    folder.store = folder.store.with_inspect(|_| Err("it is cut short".into()));
    let file = model(5_000, 1);
    let original = folder.write("m.gguf", &file);
    let server = Server::start(move |_, asked| honest(asked, &file, ETAG));
    let error = folder.pull(&format!("{}/m.gguf", server.url), None).unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ModelsErrorKind::NotAModel, "it is cut short"));
    let error = folder.store.import(&original, Placement::Copy, None, |_| {}, &CancellationToken::new());
    assert_eq!(error.unwrap_err().kind, ModelsErrorKind::NotAModel);
    assert!(folder.files().is_empty());
}

#[test]
fn a_file_is_imported_by_copy_and_by_link() {
    for placement in [Placement::Copy, Placement::Link] {
        let folder = Folder::new();
        let file = model(3_000_000, 1);
        let original = folder.write("My Model.gguf", &file);
        let cancel = CancellationToken::new();
        let import = |sha256| folder.store.import(&original, placement, sha256, |_| {}, &cancel);
        assert_eq!(import(Some(hash(b"x"))).unwrap_err().kind, ModelsErrorKind::HashMismatch);
        assert!(folder.files().is_empty());
        let added = import(Some(hash(&file))).unwrap();
        assert_eq!((added.model.name.as_str(), added.was_installed), ("My-Model", false));
        assert_eq!(std::fs::read(&added.model.file).unwrap(), file);
        assert_eq!(folder.files(), ["My-Model.gguf", "My-Model.toml"]);
        assert!(import(None).unwrap().was_installed);
        std::fs::remove_file(&original).unwrap();
        std::fs::write(&original, model(100, 2)).unwrap();
        assert_eq!(import(None).unwrap_err().kind, ModelsErrorKind::AlreadyInstalled);
        assert_eq!(std::fs::read(&added.model.file).unwrap(), file);
    }
}

#[cfg(unix)]
#[test]
fn an_imported_model_is_as_readable_as_a_pulled_one() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = Folder::new();
    let original = folder.write("m.gguf", &model(100, 1));
    let cancel = CancellationToken::new();
    let added = folder.store.import(&original, Placement::Copy, None, |_| {}, &cancel).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&added.model.file), mode(&original));
    assert_eq!(mode(&folder.store.record_path("m")), mode(&original));
}

#[test]
fn what_is_no_model_is_not_imported() {
    let folder = Folder::new();
    let cancel = CancellationToken::new();
    let import = |path: &Path| folder.store.import(path, Placement::Copy, None, |_| {}, &cancel).unwrap_err();
    assert_eq!(import(folder.dir.path()).kind, ModelsErrorKind::NotAModel);
    assert_eq!(import(&folder.write("a.gguf", b"<html>")).kind, ModelsErrorKind::NotAModel);
    assert_eq!(import(&folder.dir.path().join("none.gguf")).kind, ModelsErrorKind::NotFound);
    let cancelled = CancellationToken::new();
    cancelled.cancel();
    let file = folder.write("b.gguf", &model(100, 1));
    let error = folder.store.import(&file, Placement::Copy, None, |_| {}, &cancelled).unwrap_err();
    assert_eq!(error.kind, ModelsErrorKind::Cancelled);
    assert!(folder.files().is_empty());
}

#[test]
fn a_file_dropped_into_the_folder_counts() {
    let folder = Folder::new();
    let models = folder.store.folder().to_owned();
    assert_eq!(folder.store.default_model(Kind::Chat), None);
    std::fs::write(models.join("By-Hand.gguf"), model(100, 1)).unwrap();
    std::fs::write(models.join("notes.txt"), "x").unwrap();
    let by_hand = models.join("By-Hand.gguf");
    assert_eq!(folder.store.default_model(Kind::Chat), Some(by_hand.clone()));
    assert_eq!(folder.store.find(Kind::Chat, "by-hand"), Some(by_hand.clone()));
    assert_eq!(folder.store.find(Kind::Chat, "By-Hand.gguf"), Some(by_hand.clone()));
    assert_eq!(folder.store.find(Kind::Chat, "../models/By-Hand"), None);
    assert_eq!(folder.store.list().unwrap().installed[0].record, None);
    // Importing it where it is gives it a record.
    let cancel = CancellationToken::new();
    let added = folder.store.import(&by_hand, Placement::Copy, None, |_| {}, &cancel).unwrap();
    assert!(added.was_installed && added.model.record.is_some());
}

#[test]
fn an_embedder_is_no_model_to_talk_with() {
    let folder = Folder::new();
    let models = folder.store.folder().to_owned();
    std::fs::write(models.join("Both.gguf"), model(100, 1)).unwrap();
    std::fs::write(models.join("both.ONNX"), b"\x08\x07").unwrap();
    assert_eq!(folder.store.default_model(Kind::Chat), Some(models.join("Both.gguf")));
    assert_eq!(folder.store.default_model(Kind::Embedder), Some(models.join("both.ONNX")));
    assert_eq!(folder.store.find(Kind::Embedder, "both.gguf"), Some(models.join("both.ONNX")));
    let kinds: Vec<Kind> = folder.store.list().unwrap().installed.iter().map(|model| model.kind).collect();
    assert_eq!(kinds.len(), 2);
    assert!(kinds.contains(&Kind::Chat) && kinds.contains(&Kind::Embedder));
}

#[test]
fn an_embedder_is_tried_out_before_it_is_taken_in() {
    let folder = Folder::new();
    let cancel = CancellationToken::new();
    let import = |name: &str, bytes: &[u8]| {
        let original = folder.write(name, bytes);
        folder.store.import(&original, Placement::Copy, None, |_| {}, &cancel)
    };
    let gguf = import("m.onnx", &model(100, 1)).unwrap_err();
    assert!(gguf.message.ends_with("m.onnx is not an ONNX file"), "{}", gguf.message);
    let broken = import("m.onnx", b"\x08\x07 and no more").unwrap_err();
    assert_eq!((broken.kind, broken.help.is_empty()), (ModelsErrorKind::NotAModel, false));
    let added = import("MiniLM.onnx", &std::fs::read(embedder_file()).unwrap()).unwrap();
    assert_eq!((added.model.name.as_str(), added.model.kind), ("MiniLM", Kind::Embedder));
    assert_eq!(folder.store.find(Kind::Embedder, "minilm"), Some(added.model.file));
    assert_eq!(folder.store.remove("minilm").unwrap(), "MiniLM");
}

#[test]
fn a_voice_is_tried_out_and_comes_with_its_description() {
    let folder = Folder::new();
    let cancel = CancellationToken::new();
    let import = |original: &Path| folder.store.import(original, Placement::Copy, None, |_| {}, &cancel);
    let broken = folder.write("joe.onnx", b"\x08\x07 and no more");
    folder.write("joe.onnx.json", b"{}");
    let error = import(&broken).unwrap_err();
    assert!(error.kind == ModelsErrorKind::NotAModel && error.help.contains("Piper voice"), "{error:?}");
    let added = import(&voice_file()).unwrap().model;
    assert_eq!(added.kind, Kind::Voice);
    assert!(kind::description(&added.file).is_file());
    assert_eq!(folder.store.default_model(Kind::Embedder), None);
    assert!(import(&voice_file()).unwrap().was_installed);
    folder.store.remove(&added.name).unwrap();
    assert!(folder.files().is_empty(), "{:?}", folder.files());
}

/// The real one. A test without it fails rather than passes by doing nothing.
fn embedder_file() -> PathBuf {
    let default = || {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let home = std::env::home_dir().unwrap_or_default().join(".cache");
        cache.unwrap_or(home).join("meddah/models/all-MiniLM-L6-v2-int8.onnx")
    };
    let path = std::env::var_os("MEDDAH_TEST_EMBEDDER").map_or_else(default, PathBuf::from);
    assert!(path.exists(), "{path:?} is missing: run scripts/get-embedder, or set MEDDAH_TEST_EMBEDDER");
    path
}

#[test]
fn the_newest_model_is_the_default() {
    let folder = Folder::new();
    for (name, added) in [("old", 1_000), ("new", 3_000), ("middle", 2_000)] {
        let bytes = model(100, added as u32);
        std::fs::write(folder.store.final_path(name, Kind::Chat), &bytes).unwrap();
        let record = Record {
            source: "test".into(),
            catalogue: Some(format!("catalogue-{name}")),
            sha256: hash(&bytes),
            verification: Verification::Unverified,
            bytes: 100,
            licence: None,
            added: httpdate::fmt_http_date(SystemTime::UNIX_EPOCH + Duration::from_secs(added)),
            conversion: Vec::new(),
        };
        folder.store.write_record(name, &record).unwrap();
    }
    assert_eq!(folder.store.default_model(Kind::Chat), Some(folder.store.final_path("new", Kind::Chat)));
    assert_eq!(
        folder.store.find(Kind::Chat, "Catalogue-Old"),
        Some(folder.store.final_path("old", Kind::Chat))
    );
}

#[test]
fn removing_takes_model_and_record_or_an_unfinished_download() {
    let folder = Folder::new();
    let original = folder.write("m.gguf", &model(100, 1));
    let cancel = CancellationToken::new();
    folder.store.import(&original, Placement::Copy, None, |_| {}, &cancel).unwrap();
    std::fs::write(folder.store.folder().join("n.gguf.part"), "GGUF").unwrap();
    assert_eq!(folder.store.remove("M.gguf").unwrap(), "m");
    assert_eq!(folder.store.remove("n").unwrap(), "n");
    assert!(folder.files().is_empty());
    assert_eq!(folder.store.remove("m").unwrap_err().kind, ModelsErrorKind::UnknownModel);
}

#[test]
fn the_catalogue_lists_what_is_not_installed() {
    let folder = Folder::new();
    let all = folder.store.list().unwrap().available.len();
    std::fs::write(folder.store.folder().join("SmolLM2-135M-Instruct.Q4_1.gguf"), model(100, 1)).unwrap();
    let listing = folder.store.list().unwrap();
    assert_eq!(listing.available.len(), all - 1);
    assert!(listing.available.iter().all(|entry| entry.name != "smollm2-135m"));
}
