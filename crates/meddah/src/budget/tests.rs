use std::sync::atomic::{AtomicU32, Ordering};

use meddah_inference::budget::suite;
use tempfile::TempDir;

use super::*;
use crate::config::FILE_NAME;

fn home(file: &str) -> (TempDir, Paths) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(FILE_NAME), file).unwrap();
    let paths = Paths { data: folder.path().to_owned() };
    (folder, paths)
}

fn settings(paths: &Paths) -> Settings {
    Settings::load(&paths.data, []).unwrap()
}

fn talk(micro: u64) -> Ask {
    Ask { part: Part::Talk, source: "rung".into(), model: "model".into(), micro }
}

#[test]
fn the_ledger_on_disk_passes_the_suite() {
    let folder = tempfile::tempdir().unwrap();
    let number = AtomicU32::new(0);
    suite::all(&|limits, clock| {
        let file = folder.path().join(format!("{}.sqlite3", number.fetch_add(1, Ordering::SeqCst)));
        let ledger = SqliteLedger::open(&file, ceilings(&limits), Box::new(move || clock()));
        Arc::new(Durable(ledger.unwrap()))
    });
}

#[test]
fn the_defaults_are_small() {
    let (_folder, paths) = home("");
    let limits = settings(&paths).budget.limits().unwrap();
    let expected =
        Limits { per_day: Some(1_000_000), background: PartLimit::PerDay(200_000), ..Limits::default() };
    assert_eq!(limits, expected);
}

#[test]
fn the_settings_are_the_ceilings() {
    let (_folder, paths) = home("[budget]\nper_day = \"0.5\"\nspeech = \"off\"\ntalk = \"0.000003\"");
    let ledger = open(&paths, &settings(&paths)).unwrap();
    let ceiling = Ceiling::PartDay(Part::Talk);
    assert_eq!(ledger.reserve(&talk(4)), Err(Refusal::Ceiling { ceiling, asked: 4, left: 3, of: 3 }));
    assert_eq!(ledger.reserve(&Ask { part: Part::Speech, ..talk(1) }), Err(Refusal::Off(Part::Speech)));
    assert!(ledger.reserve(&talk(3)).is_ok());
}

#[test]
fn a_damaged_ledger_refuses_everything() {
    let (_folder, paths) = home("");
    std::fs::write(paths.budget(), "no ledger at all").unwrap();
    assert!(open(&paths, &settings(&paths)).is_err());
    match open_or_refuse(&paths, &settings(&paths)).reserve(&talk(0)) {
        Err(refusal @ Refusal::Unavailable { .. }) => assert!(refusal.help().contains("budget.sqlite3")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_amount_is_named() {
    for (file, named) in [
        ("per_day = \"1,50\"", "`budget.per_day`"),
        ("talk = \"yes\"", "`budget.talk`"),
        ("currency = \"EUR\"", "`budget.currency`"),
    ] {
        let (_folder, paths) = home(&format!("[budget]\n{file}"));
        let error = Settings::load(&paths.data, []).unwrap_err();
        assert!(error.message.contains(named) && !error.help.is_empty(), "{error}");
    }
}

#[test]
fn a_ceiling_is_changed_and_the_rest_stays() {
    let (_folder, paths) =
        home("# mine\nport = 1 # here\n\n[budget] # careful\nper_day = \"1.00\" # enough\n");
    edit::set(&paths.data, "per_day", "2.00").unwrap();
    edit::set(&paths.data, "talk", "off").unwrap();
    let text = std::fs::read_to_string(paths.data.join(FILE_NAME)).unwrap();
    let expected =
        "# mine\nport = 1 # here\n\n[budget] # careful\nper_day = \"2.00\" # enough\ntalk = \"off\"\n";
    assert_eq!(text, expected);
    assert_eq!(settings(&paths).budget.limits().unwrap().per_day, Some(2_000_000));
    std::fs::remove_file(paths.data.join(FILE_NAME)).unwrap();
    edit::set(&paths.data, "in_total", "9").unwrap();
    assert_eq!(settings(&paths).budget.limits().unwrap().in_total, Some(9_000_000));
    let (_folder, paths) = home("budget = 1");
    assert!(edit::set(&paths.data, "talk", "off").unwrap_err().message.contains("not a section"));
}
