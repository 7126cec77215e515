//! Lines that are kept, and those that are not.

use super::*;
use crate::suite::spoken;
use crate::{Lexicon, ScriptedSpeech, VoiceSettings};

struct Kept {
    inner: Arc<ScriptedSpeech>,
    speech: CachedSpeech,
    folder: tempfile::TempDir,
}

fn cached(bytes_max: u64, inner: ScriptedSpeech) -> Kept {
    let (inner, folder) = (Arc::new(inner), tempfile::tempdir().unwrap());
    let cache = Arc::new(SpeechCache::new(folder.path().join("kept"), bytes_max));
    let speech = CachedSpeech::new(inner.clone(), cache, "it/model");
    Kept { inner, speech, folder }
}

/// A line of a world's author.
fn authored(text: &str) -> SpeechRequest {
    SpeechRequest { authored: true, ..SpeechRequest::new(text) }
}

/// Takes every line for one of an author's.
struct Authored(CachedSpeech);

#[async_trait]
impl TextToSpeech for Authored {
    async fn voices(&self) -> Vec<Voice> {
        self.0.voices().await
    }

    async fn speak(&self, request: SpeechRequest) -> Result<SpeechStream, SpeechError> {
        self.0.speak(SpeechRequest { authored: true, ..request }).await
    }
}

fn files(kept: &Kept) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(kept.folder.path().join("kept")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test]
async fn a_voice_with_a_cache_is_a_voice() {
    let kept = cached(CACHE_BYTES_DEFAULT, ScriptedSpeech::default());
    let speech = Authored(kept.speech);
    for _ in 0..2 {
        crate::suite::all(&speech, &VoiceSettings::default()).await;
    }
}

#[tokio::test]
async fn what_is_said_to_one_player_is_not_kept() {
    let kept = cached(CACHE_BYTES_DEFAULT, ScriptedSpeech::default());
    for _ in 0..2 {
        spoken(&kept.speech, SpeechRequest::new("Good evening.")).await;
    }
    assert_eq!((kept.inner.seen().len(), files(&kept).len()), (2, 0));
}

#[tokio::test]
async fn a_line_is_spoken_once_and_heard_twice() {
    let kept = cached(CACHE_BYTES_DEFAULT, ScriptedSpeech::default());
    let first = spoken(&kept.speech, authored("Good evening.")).await;
    let second = spoken(&kept.speech, authored("Good evening.")).await;
    assert_eq!(kept.inner.seen().len(), 1);
    assert_eq!(first.marks, second.marks);
    assert_eq!(first.pcm.to_i16(), second.pcm.to_i16());
    let name = files(&kept)[0].file_name().unwrap().to_str().unwrap().to_owned();
    assert!(name.len() > 64 && !name.to_lowercase().contains("evening"));
    let bytes = std::fs::read(&files(&kept)[0]).unwrap();
    assert!(!bytes.windows(7).any(|part| part == b"evening"), "the text is in the file");
}

#[tokio::test]
async fn whatever_changes_the_sound_is_another_line() {
    let kept = cached(CACHE_BYTES_DEFAULT, ScriptedSpeech::default());
    let usual = || authored("Hail, Mira.");
    let with = |change: fn(&mut VoiceSettings)| {
        let mut request = usual();
        change(&mut request.settings);
        request
    };
    let named = Arc::new(Lexicon::new([("Mira", "MEE-rah")]).unwrap());
    let other = Arc::new(Lexicon::new([("Brann", "BRAHN")]).unwrap());
    let requests = [
        usual(),
        with(|settings| settings.voice = Some(String::new())),
        with(|settings| settings.voice = Some("a".into())),
        with(|settings| settings.speaker = Some(0)),
        with(|settings| settings.elsewhere = [("it".to_owned(), "a".to_owned())].into()),
        with(|settings| settings.speed = 1.1),
        with(|settings| settings.pitch = 1.0),
        with(|settings| settings.volume = 0.9),
        SpeechRequest { lexicon: named, ..usual() },
        authored("Hail, Mira!"),
    ];
    for request in requests {
        spoken(&kept.speech, request).await;
    }
    assert_eq!(kept.inner.seen().len(), 10);
    spoken(&kept.speech, SpeechRequest { lexicon: other, ..usual() }).await;
    assert_eq!(kept.inner.seen().len(), 10, "names that are not in the text change nothing");
}

#[tokio::test]
async fn a_line_that_was_cut_or_failed_is_not_kept() {
    let kept = cached(CACHE_BYTES_DEFAULT, ScriptedSpeech::default());
    let mut stream = kept.speech.speak(authored("one two three")).await.unwrap();
    stream.next().await.unwrap().unwrap();
    drop(stream);
    assert!(files(&kept).is_empty());
    let kept = cached(CACHE_BYTES_DEFAULT, ScriptedSpeech::failing_at(1));
    let stream = kept.speech.speak(authored("one two three")).await.unwrap();
    assert_eq!(stream.collect::<Vec<_>>().await.len(), 2);
    assert!(files(&kept).is_empty());
}

#[tokio::test]
async fn a_damaged_file_is_spoken_anew() {
    let kept = cached(CACHE_BYTES_DEFAULT, ScriptedSpeech::default());
    let speak = || spoken(&kept.speech, authored("Good evening."));
    let whole = speak().await;
    let file = files(&kept).remove(0);
    let bytes = std::fs::read(&file).unwrap();
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    for (count, damaged) in
        [&[][..], &bytes[..20], &bytes[..bytes.len() - 1], &changed, b"nonsense"].into_iter().enumerate()
    {
        std::fs::write(&file, damaged).unwrap();
        assert_eq!(speak().await.pcm.to_i16(), whole.pcm.to_i16());
        assert_eq!(kept.inner.seen().len(), count + 2);
    }
    speak().await;
    assert_eq!(kept.inner.seen().len(), 6, "the new one is kept");
}

#[tokio::test]
async fn the_least_recently_spoken_goes_first() {
    // A line of one word has 200 ms, 6400 bytes and its marks.
    let kept = cached(15_000, ScriptedSpeech::default());
    let say = async |text: &str| {
        spoken(&kept.speech, authored(text)).await;
        // Files remember times that are no finer than this everywhere.
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    for text in ["one", "two", "one", "three"] {
        say(text).await;
    }
    assert_eq!((kept.inner.seen().len(), files(&kept).len()), (3, 2));
    say("one").await;
    assert_eq!(kept.inner.seen().len(), 3, "it was spoken again in between");
    say("two").await;
    assert_eq!(kept.inner.seen().len(), 4);
    std::fs::write(kept.folder.path().join("kept/notes.txt"), [0; 20_000]).unwrap();
    say("four").await;
    assert!(files(&kept).iter().any(|file| file.ends_with("notes.txt")), "files of others stay");
}
