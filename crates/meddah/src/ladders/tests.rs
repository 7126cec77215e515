use serde_json::json;

use super::*;

const CHEAP: &str = "ladder = [\"cheap\"]\n[rungs.cheap]\nprovider = \"ollama\"\nmodel = \"m\"\n\
                     price = { input = \"1\", output = \"1\" }\n";

fn open(file: &str) -> (tempfile::TempDir, Ladders) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(crate::config::FILE_NAME), file).unwrap();
    let settings = Settings::load(folder.path(), []).unwrap();
    let ladders = Ladders::open(&settings, &Paths { data: folder.path().to_owned() }).unwrap();
    (folder, ladders)
}

fn shown(ladders: &Ladders) -> Vec<String> {
    let one = |state: LadderState| format!("{} {} {}", state.name, state.state, state.world);
    ladders.states().into_iter().map(|state| one(state).trim_end().to_owned()).collect()
}

#[test]
fn a_rung_that_the_budget_does_not_let_answer_is_not_called_ready() {
    let state = |file: &str| shown(&open(file).1);
    assert_eq!(state(CHEAP), ["cheap ready"]);
    assert_eq!(state(&format!("{CHEAP}[budget]\ntalk = \"off\"")), ["cheap budget_off"]);
    assert_eq!(state(&format!("{CHEAP}[budget]\nper_day = \"0.000001\"")), ["cheap budget_spent"]);
    let free = CHEAP.lines().filter(|line| !line.starts_with("price")).collect::<Vec<_>>().join("\n");
    assert_eq!(state(&format!("{free}\n[budget]\ntalk = \"off\"")), ["cheap ready"]);
}

#[test]
fn rungs_of_packs_are_shown_once_they_were_asked() {
    let (_folder, ladders) = open(CHEAP);
    let Source::Settings(registry) = &*ladders.0 else { panic!("no settings") };
    let settings = json!({"provider": "ollama", "model": "m"}).as_object().unwrap().clone();
    let pack = RungName::Pack { world: "inn".into(), name: "theirs".into(), settings };
    registry.ladder(&[pack.clone(), RungName::Player("cheap".into())], Purpose::Talk);
    registry.ladder(&[pack], Purpose::Reflection);
    // At its usual address it needs no leave.
    assert_eq!(shown(&ladders), ["cheap ready", "theirs ready inn"]);
}

#[test]
fn where_nobody_is_paid_no_ledger_is_opened() {
    let (folder, ladders) = open("model = \"ollama:m\"");
    assert_eq!(ladders.states().len(), 1);
    assert!(!Paths { data: folder.path().to_owned() }.budget().exists());
}
