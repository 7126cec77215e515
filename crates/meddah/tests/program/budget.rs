//! What `meddah budget` shows and changes.

use serde_json::Value;

use crate::process::{home, run};

fn shown(data: &std::path::Path) -> Value {
    let (code, out, err) = run(data, &["budget", "--json"]);
    assert_eq!((code, err.as_str()), (0, ""));
    serde_json::from_str(&out).unwrap()
}

#[test]
fn a_new_budget_is_small_and_can_be_changed() {
    let (folder, _) = home();
    let data = folder.path().join("data");
    let budget = shown(&data);
    assert_eq!(budget["today"]["left_micro"], 1_000_000, "{budget}");
    assert_eq!(budget["in_total"]["ceiling_micro"], Value::Null);
    std::fs::write(data.join("meddah.toml"), "# my settings\n[budget]\nper_day = \"0.50\" # enough\n")
        .unwrap();
    assert_eq!(run(&data, &["budget", "set", "per_day", "2.00"]).0, 0);
    let text = std::fs::read_to_string(data.join("meddah.toml")).unwrap();
    assert_eq!(text, "# my settings\n[budget]\nper_day = \"2.00\" # enough\n");
    assert_eq!(shown(&data)["today"]["ceiling_micro"], 2_000_000);
    for wrong in [["per_day", "2,00"], ["per_week", "1"], ["talk", "perhaps"]] {
        let (code, _, err) = run(&data, &["budget", "set", wrong[0], wrong[1]]);
        assert_eq!((code, err.lines().count()), (2, 2), "{err}");
    }
    let (_, plain, _) = run(&data, &["budget"]);
    assert!(plain.contains("today 0.00 spent of 2.00, 2.00 left"), "{plain}");
}

#[test]
fn off_means_off_until_it_is_on_again() {
    let (folder, _) = home();
    let data = folder.path().join("data");
    let on = || {
        shown(&data)["parts"].as_array().unwrap().iter().map(|part| part["on"] == true).collect::<Vec<_>>()
    };
    assert_eq!(on(), [true, true, true]);
    assert_eq!(run(&data, &["budget", "off"]).0, 0);
    assert_eq!(on(), [false, false, false]);
    let (_, _, err) = run(&data, &["budget", "set", "talk", "0.50"]);
    assert!(err.contains("talk is switched off"), "{err}");
    assert_eq!(run(&data, &["budget", "on", "talk"]).0, 0);
    assert_eq!(on(), [true, false, false]);
    assert_eq!(run(&data, &["budget", "on"]).0, 0);
    std::fs::write(data.join("meddah.toml"), "[budget]\nspeech = \"off\"\n").unwrap();
    assert_eq!(on(), [true, true, false]);
    let (_, out, _) = run(&data, &["budget", "on", "speech"]);
    assert!(out.contains("still off in the settings"), "{out}");
}

#[test]
fn a_damaged_budget_is_told_and_left_alone() {
    let (folder, _) = home();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("budget.sqlite3"), "rubbish").unwrap();
    let (code, _, err) = run(&data, &["budget"]);
    assert!(code == 3 && err.contains("is not a budget file") && err.contains("aside"), "{err}");
    assert_eq!(std::fs::read_to_string(data.join("budget.sqlite3")).unwrap(), "rubbish");
}
