use meddah_inference::Key;
use tempfile::TempDir;

use super::*;

const SECRET: &str = "sk-test-0123456789abcdef";
const HOME: Option<&str> = Some("https://api.openai.com/v1");

fn store(variables: &'static [(&'static str, &'static str)]) -> (TempDir, KeyStore) {
    let folder = tempfile::tempdir().unwrap();
    let store = KeyStore {
        place: KeyPlace::File,
        file: KeyFile::at(folder.path().join("keys.toml")),
        environment: Environment::of(variables),
    };
    (folder, store)
}

fn with_key() -> (TempDir, KeyStore) {
    let (folder, store) = store(&[]);
    assert_eq!(store.set("openai", &Key::new(SECRET)), Ok(Kept::File));
    (folder, store)
}

fn at_home(store: &KeyStore, name: &str) -> Option<String> {
    let key = store.key_for(name, "https://api.openai.com/v1/chat", SetBy::Pack, HOME).unwrap();
    key.map(|key| key.expose().to_owned())
}

#[test]
fn a_key_is_kept_replaced_and_removed() {
    let (_folder, store) = with_key();
    assert_eq!(at_home(&store, "openai").as_deref(), Some(SECRET));
    assert_eq!(at_home(&store, "groq"), None);
    store.set("openai", &Key::new("sk-two")).unwrap();
    assert_eq!(at_home(&store, "openai").as_deref(), Some("sk-two"));
    let listed = store.list().unwrap();
    assert_eq!((listed.len(), listed[0].name.as_str(), listed[0].kept), (1, "openai", Some(Kept::File)));
    assert!(listed[0].since.unwrap() > 1_700_000_000);
    assert_eq!(store.remove("openai"), Ok(Kept::File));
    assert_eq!(at_home(&store, "openai"), None);
    assert_eq!(store.remove("openai"), Err(KeyError::NotFound { name: "openai".into() }));
}

#[test]
fn what_is_no_key_or_no_name_is_refused_and_not_shown() {
    let (_folder, store) = store(&[]);
    for bad in ["", "two words", "two\nlines", "schlüssel", &"x".repeat(KEY_BYTES_MAX + 1)] {
        let error = store.set("openai", &Key::new(bad)).unwrap_err();
        assert!(matches!(error, KeyError::BadKey(_)), "{bad}");
        assert!(bad.is_empty() || !format!("{error}{}", error.help()).contains(bad));
    }
    for bad in ["", "OpenAI", "-x", "a b", "a/b", "../a", "a.b", "sk-live-7f3a9c51", &"x".repeat(33)] {
        let error = store.set(bad, &Key::new(SECRET)).unwrap_err();
        assert_eq!(error, KeyError::BadName, "{bad}");
    }
}

#[test]
fn a_pack_sends_a_key_home_or_where_the_player_allowed() {
    let (_folder, store) = with_key();
    let evil = "https://evil.example:8443/v1";
    let ask = |url: &str, set_by| store.key_for("openai", url, set_by, HOME).map(|key| key.is_some());
    let refused = KeyError::NotAllowed { name: "openai".into(), origin: "https://evil.example:8443".into() };
    assert_eq!(ask(evil, SetBy::Pack), Err(refused.clone()));
    assert_eq!(ask(evil, SetBy::Player), Ok(true));
    assert_eq!(ask("https://API.openai.com:443/x", SetBy::Pack), Ok(true));
    let not_home = [
        "http://api.openai.com/v1",
        "https://api.openai.com.evil.example",
        "https://api.openai.com:444",
        "https://evil.example/https://api.openai.com",
    ];
    for url in not_home {
        assert!(matches!(ask(url, SetBy::Pack), Err(KeyError::NotAllowed { .. })), "{url}");
    }
    assert_eq!(store.allow("openai", "wss://evil.example:8443/socket").unwrap(), "https://evil.example:8443");
    assert_eq!(ask(evil, SetBy::Pack), Ok(true));
    assert_eq!(store.allowed("groq", evil, SetBy::Pack, None), Ok(false), "each key by itself");
    assert_eq!(store.list().unwrap()[0].allowed, ["https://evil.example:8443"]);
    assert_eq!(store.deny("openai", "https://evil.example:8443"), Ok(true));
    assert_eq!(ask(evil, SetBy::Pack), Err(refused));
    store.allow("openai", evil).unwrap();
    store.remove("openai").unwrap();
    store.set("openai", &Key::new(SECRET)).unwrap();
    assert!(ask(evil, SetBy::Pack).is_err(), "a new key is a new decision");
}

#[test]
fn addresses_that_hide_something_are_refused() {
    let (_folder, store) = with_key();
    for bad in ["https://api.openai.com@evil.example", "https://u:p@evil.example", "file:///etc", "x", ""] {
        assert!(matches!(store.allow("openai", bad), Err(KeyError::BadAddress(_))), "{bad}");
    }
    for plain in ["http://evil.example", "http://192.168.1.2:5001"] {
        assert!(matches!(store.allow("openai", plain), Err(KeyError::NotEncrypted { .. })), "{plain}");
    }
    for here in ["http://localhost:1234", "http://127.0.0.1:1", "http://[::1]:1"] {
        assert_eq!(store.allow("openai", here).unwrap(), here);
    }
}

#[test]
fn a_variable_stands_in_for_a_key() {
    let (_folder, store) = store(&[("MEDDAH_KEY_LM_STUDIO", " sk-variable "), ("MEDDAH_KEY_OPENAI", "")]);
    assert_eq!(at_home(&store, "lm-studio").as_deref(), Some("sk-variable"));
    assert_eq!(at_home(&store, "openai"), None, "an empty one is none");
    store.set("lm-studio", &Key::new("sk-file")).unwrap();
    assert_eq!(at_home(&store, "lm-studio").as_deref(), Some("sk-variable"), "it wins");
    let evil = store.key_for("lm-studio", "https://evil.example", SetBy::Pack, HOME);
    assert!(matches!(evil, Err(KeyError::NotAllowed { .. })), "and is bound like any other");
    let listed = store.list().unwrap();
    assert!(listed.iter().any(|info| info.name == "lm_studio" && info.kept == Some(Kept::Environment)));
    assert!(matches!(store.remove("lm_studio"), Err(KeyError::InEnvironment { .. })));
}

#[test]
fn a_file_that_cannot_be_read_is_not_shown() {
    let (folder, store) = with_key();
    let file = folder.path().join("keys.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(SECRET));
    for broken in [text.replace(SECRET, &format!("{SECRET}\" x")), text.replace("since", SECRET)] {
        std::fs::write(&file, broken).unwrap();
        let error = store.list().unwrap_err();
        assert!(!format!("{error:?} {error} {}", error.help()).contains("sk-test"), "{error}");
        assert!(error.to_string().contains("line "), "{error}");
        assert!(store.set("groq", &Key::new("sk-new")).is_err(), "it is not overwritten");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_read_is_taken_from_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let (folder, store) = with_key();
    let file = folder.path().join("keys.toml");
    let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(at_home(&store, "openai").as_deref(), Some(SECRET));
    assert_eq!(mode(), 0o600);
}

#[test]
fn changes_at_the_same_time_are_all_kept() {
    let (_folder, store) = store(&[]);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let store = &store;
            scope.spawn(move || store.set(&format!("key{number}"), &Key::new(SECRET)).unwrap());
        }
    });
    assert_eq!(store.list().unwrap().len(), 8);
}

#[test]
fn there_is_an_end_to_keys_and_addresses() {
    let (_folder, store) = store(&[]);
    for number in 0..KEYS_MAX {
        store.set(&format!("key{number}"), &Key::new(SECRET)).unwrap();
    }
    assert!(matches!(store.set("one-more", &Key::new(SECRET)), Err(KeyError::TooMany { .. })));
    store.set("key0", &Key::new("sk-replaced")).unwrap();
    for number in 0..ALLOWED_MAX {
        store.allow("key0", &format!("https://host{number}.example")).unwrap();
    }
    assert!(matches!(store.allow("key0", "https://more.example"), Err(KeyError::TooMany { .. })));
}
