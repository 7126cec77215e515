//! `meddah key`: keys of online models. A key comes from standard input only: an argument would stand in the
//! shell's history and in the system's list of processes.

use std::io::{IsTerminal as _, Read as _};

use meddah_inference::http::Http;
use meddah_inference::services::player2;
use meddah_inference::{Key, ModelError};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::setup::{Common, Setup, block_on};
use super::{BAD_INPUT, DONE, Failure, INTERRUPTED, NO_ANSWER, WRONG_USAGE, print};
use crate::day::{self, DAY_MS};
use crate::keys::{KEY_BYTES_MAX, Kept, KeyError, KeyInfo, KeyStore};

#[derive(clap::Args)]
pub struct KeyArguments {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(clap::Subcommand)]
enum KeyCommand {
    /// Keep a key; it is asked for, or read from a pipe
    #[command(override_usage = "meddah key set NAME")]
    Set {
        // Whatever else is typed may be the key: it is taken and refused without being shown.
        #[arg(value_name = "NAME", allow_hyphen_values = true, num_args = 0..)]
        words: Vec<String>,
    },
    /// Log in at a service that hands out keys by itself, and keep the key
    Login {
        /// The service
        service: LoginService,
        /// The game's id at the service
        #[arg(long, value_name = "ID")]
        client_id: String,
        /// Ask the service's app on this PC instead of showing a code to type
        #[arg(long)]
        app: bool,
        /// Another address than the usual one
        #[arg(long, value_name = "URL")]
        base_url: Option<String>,
    },
    /// Names of the keys, where each is kept, and where it may go
    List {
        /// Print one JSON array
        #[arg(long)]
        json: bool,
    },
    /// Forget a key
    Remove {
        /// Its name
        name: String,
    },
    /// Let world packs have a key sent to another address than its provider's
    Allow {
        /// The key's name
        name: String,
        /// The address
        url: String,
    },
    /// Take that back
    Deny {
        /// The key's name
        name: String,
        /// The address
        url: String,
    },
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum LoginService {
    Player2,
}

pub fn run(arguments: KeyArguments) -> Result<u8, Failure> {
    let setup = Setup::open(&Common::default())?;
    let store = KeyStore::open(&setup.paths, &setup.settings).map_err(failure)?;
    match arguments.command {
        KeyCommand::Set { words } => set(&setup, &store, &words)?,
        KeyCommand::Login { service: LoginService::Player2, client_id, app, base_url } => {
            let key = block_on(player2_key(&client_id, app, base_url.as_deref()))?;
            keep(&setup, &store, "player2", &key)?;
        }
        KeyCommand::List { json } => list(&store.list().map_err(failure)?, json)?,
        KeyCommand::Remove { name } => {
            let kept = store.remove(&name).map_err(failure)?;
            print::line(&format!("Removed {name} from the {}.", kept.name()));
        }
        KeyCommand::Allow { name, url } => {
            let origin = store.allow(&name, &url).map_err(failure)?;
            print::line(&format!("World packs may have the key {name} sent to {origin}."));
        }
        KeyCommand::Deny { name, url } => {
            let was = store.deny(&name, &url).map_err(failure)?;
            print::line(if was { "World packs may not any more." } else { "It was not allowed." });
        }
    }
    Ok(DONE)
}

fn set(setup: &Setup, store: &KeyStore, words: &[String]) -> Result<(), Failure> {
    let [name] = words else {
        let message = match words {
            [] => "whose key?\nName the provider, for example: meddah key set openai",
            _ => {
                "a key is never given as an argument, where it would stand in the shell's history\nRun `meddah \
                 key set NAME` with the name alone and paste the key when you are asked. If what you typed was \
                 a key, replace it at the provider."
            }
        };
        return Err(Failure::new(WRONG_USAGE, message));
    };
    crate::keys::check_name(name).map_err(failure)?;
    keep(setup, store, name, &ask(name)?)
}

fn keep(setup: &Setup, store: &KeyStore, name: &str, key: &Key) -> Result<(), Failure> {
    let kept = store.set(name, key).map_err(failure)?;
    let place = match kept {
        Kept::File => setup.paths.keys().display().to_string(),
        _ => "the system's keyring".to_owned(),
    };
    print::line(&format!("The key {name} is kept in {place}."));
    Ok(())
}

/// The app gives a key at once; the web shows a page on which the player types a code.
async fn player2_key(client_id: &str, app: bool, base_url: Option<&str>) -> Result<Key, Failure> {
    let unanswered =
        |error: ModelError| Failure::new(NO_ANSWER, format!("{}\n{}", error.message, error.help));
    let http = Http::new().map_err(unanswered)?;
    if app {
        return player2::app_login(http, base_url, client_id).await.map_err(unanswered);
    }
    let login = player2::device_login(http, base_url, client_id).await.map_err(unanswered)?;
    print::line(&format!("Open {} and type {}", login.verification_uri, login.user_code));
    if !login.verification_uri_complete.is_empty() {
        print::aside(&format!("or open {}", login.verification_uri_complete));
    }
    let cancel = CancellationToken::new();
    tokio::select! {
        key = login.wait(&cancel) => key.map_err(unanswered),
        _ = tokio::signal::ctrl_c() => Err(Failure::new(INTERRUPTED, "no key was kept\nRun it again to log in.")),
    }
}

/// From the terminal without showing it, else from the pipe.
fn ask(name: &str) -> Result<Key, Failure> {
    let unread = |error: std::io::Error| Failure::new(BAD_INPUT, format!("cannot read the key: {error}"));
    if std::io::stdin().is_terminal() {
        let text =
            rpassword::prompt_password(format!("Key for {name} (it is not shown): ")).map_err(unread)?;
        return Ok(Key::new(&Zeroizing::new(text)));
    }
    // White space around it is dropped, so a little more is read than a key may have.
    const PIPED_BYTES_MAX: u64 = KEY_BYTES_MAX as u64 + 64;
    let mut bytes = Zeroizing::new(Vec::new());
    std::io::stdin().lock().take(PIPED_BYTES_MAX).read_to_end(&mut bytes).map_err(unread)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| failure(KeyError::BadKey("there are characters in it that no key has")))?;
    Ok(Key::new(text))
}

fn list(keys: &[KeyInfo], json: bool) -> Result<(), Failure> {
    if json {
        print::line(&serde_json::to_string(keys).map_err(anyhow::Error::from)?);
        return Ok(());
    }
    if keys.is_empty() {
        print::line("There are no keys. Keep one with `meddah key set NAME`.");
    }
    for KeyInfo { name, kept, since, allowed } in keys {
        let kept = kept.map_or("no key", Kept::name);
        let since = since.map(|since| format!(", since {}", day::iso(since / (DAY_MS / 1000))));
        print::line(&format!("{name}  {kept}{}", since.unwrap_or_default()));
        for origin in allowed {
            print::line(&format!("  world packs may have it sent to {origin}"));
        }
    }
    Ok(())
}

fn failure(error: KeyError) -> Failure {
    let code = match error {
        KeyError::BadName | KeyError::BadAddress(_) | KeyError::NotFound { .. } => WRONG_USAGE,
        _ => BAD_INPUT,
    };
    Failure::new(code, format!("{error}\n{}", error.help()))
}
