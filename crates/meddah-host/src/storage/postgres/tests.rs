//! What only a server has: versions, addresses, and programs that fall silent.

#![cfg(unix)]

use super::*;
use crate::quota::Allowance;
use crate::storage::suite::{Identity, NOON_MS, PASSWORD, PostgresServer, Store, batch, newcomer, tokens};
use crate::storage::{LeaseAsk, StorageErrorKind};

#[tokio::test]
async fn a_database_of_an_older_version_keeps_its_data() {
    let Some(server) = PostgresServer::shared() else { return };
    let settings = server.new_database().await;
    let newer = [migrate::MIGRATIONS, &["CREATE TABLE later (one bigint)"]].concat();
    let player = Player::new("ann", "guest", NOON_MS);
    // As long as there is one version, a second one is made up.
    let old = PostgresHost::open(&settings).await.expect("opens");
    old.add_player(&player).await.expect("added");
    let new = PostgresHost::open_with(&settings, &newer).await.expect("brought up to date");
    assert_eq!(new.player(&player.id).await.expect("readable"), Some(player));
    let refused = PostgresHost::open(&settings).await.err().expect("refused");
    assert_eq!(refused.kind, StorageErrorKind::Unusable);
    assert!(refused.message.contains("newer version") && refused.help.contains("Update"), "{refused}");
}

#[tokio::test]
async fn programs_that_start_together_bring_it_up_to_date_once() {
    let Some(server) = PostgresServer::shared() else { return };
    let settings = server.new_database().await;
    let opened = futures::future::join_all((0..8).map(|_| PostgresHost::open(&settings))).await;
    for host in opened {
        host.expect("opens").state().await.expect("readable");
    }
}

#[tokio::test]
async fn errors_say_what_to_do_and_nothing_of_the_password() {
    let open = async |address: &str| {
        PostgresHost::open(&PostgresSettings::new(address.into())).await.err().expect("refused")
    };
    let wrong = open("postgres://me:hunter2@[nowhere").await;
    assert_eq!(wrong.kind, StorageErrorKind::Unusable);
    // Nothing listens on the discard port of this machine.
    let away = open("postgres://me:hunter2@127.0.0.1:9/games").await;
    assert_eq!(away.kind, StorageErrorKind::Unavailable);
    assert!(away.retry_after().is_some());
    for error in [&wrong, &away] {
        assert!(!error.help.is_empty() && !format!("{error:?}").contains("hunter2"), "{error:?}");
    }
    let settings = PostgresSettings::new("postgres://me:hunter2@127.0.0.1:9/games".into());
    assert!(!format!("{settings:?}").contains("hunter2"));
    let Some(server) = PostgresServer::shared() else { return };
    let address = settings_of(server).await;
    let missing = open(&address.replace("dbname=", "dbname=no_")).await;
    assert!(missing.help.contains("createdb"), "{missing:?}");
}

async fn settings_of(server: &PostgresServer) -> String {
    server.new_database().await.address.expose_secret().to_owned()
}

#[tokio::test]
async fn leases_of_a_program_that_fell_silent_come_back() {
    let Some(server) = PostgresServer::shared() else { return };
    let settings = PostgresSettings { gone_after: Duration::from_millis(300), ..server.new_database().await };
    let host = PostgresHost::open(&settings).await.expect("opens");
    let store: Store = std::sync::Arc::new(host);
    let ann = newcomer(&store, "ann").await;
    let window = Window::all_of(&ann, NOON_MS)[0].clone();
    let limit = Allowance { tokens: Some(1_600), ..Allowance::default() };
    let ask =
        LeaseAsk { window: window.clone(), limit, keep: tokens(0), open: tokens(0), ahead: tokens(1_600) };
    let (silent, living) =
        (store.join(NOON_MS).await.expect("joined"), store.join(NOON_MS).await.expect("joined"));
    let lease = Batch { leases: vec![ask], ..batch(1) };
    store.post(silent, &lease).await.expect("written");
    let leased = async || store.sums(std::slice::from_ref(&window)).await.expect("readable")[0].leased;
    // As long as it gives signs of life, nobody takes anything from it.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        store.upkeep(silent, NOON_MS).await.expect("lives");
        store.upkeep(living, NOON_MS).await.expect("lives");
    }
    assert_eq!(leased().await, tokens(100));
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        store.upkeep(living, NOON_MS).await.expect("lives");
    }
    assert_eq!(leased().await, tokens(0));
    let expelled = store.post(silent, &batch(2)).await.expect_err("it is too late");
    assert_eq!(expelled.kind, StorageErrorKind::Expelled);
}

#[tokio::test]
async fn connections_are_encrypted_as_the_address_says() {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("made");
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let Some(server) = PostgresServer::start_encrypted(&Identity { certificate: &certificate, key: &key })
    else {
        return;
    };
    server.new_database().await;
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("authority.pem");
    std::fs::write(&file, &certificate).expect("written");
    let port = server.port().expect("it has one");
    let open = async |machine: &str, words: &str| {
        let place = format!("host={machine} hostaddr=127.0.0.1 port={port} dbname=test_0");
        let address = format!("{place} user=postgres password='{PASSWORD}' {words}");
        PostgresHost::open(&PostgresServer::settings(&address)).await
    };
    let authority = format!("sslrootcert={}", file.display());
    for words in [
        "sslmode=prefer",
        "sslmode=require channel_binding=require",
        &format!("sslmode=verify-full {authority}"),
    ] {
        let host = open("localhost", words).await.unwrap_or_else(|error| panic!("{words}: {error}"));
        let sql = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
        let row = host.client().await.expect("a connection").query_one(sql, &[]).await.expect("readable");
        assert!(row.get::<_, bool>(0), "{words}");
    }
    let refused = async |machine: &str, words: &str| open(machine, words).await.err().expect("refused");
    for plain in ["", "sslmode=disable"] {
        let refused = refused("localhost", plain).await;
        assert!(refused.message.contains("no encryption"), "{refused}");
    }
    for (machine, words) in [
        ("localhost", "sslmode=verify-full"), // the system does not know who vouches for it
        ("elsewhere", &*format!("sslmode=verify-full {authority}")),
        ("elsewhere", &*format!("sslmode=require {authority}")),
    ] {
        let refused = refused(machine, words).await;
        assert_eq!(refused.kind, StorageErrorKind::Unavailable, "{refused}");
        assert!(
            refused.message.contains("certificate") && refused.help.contains("sslrootcert"),
            "{words}: {refused}"
        );
        assert!(!refused.message.contains(PASSWORD), "{refused}");
    }
    let known_nowhere = refused("localhost", "sslmode=verify-ca").await;
    assert_eq!(known_nowhere.kind, StorageErrorKind::Unusable);
}
