//! Rubbish in, help out: every mistake is named with a way out, and the exit code says whose it is.

use std::net::TcpListener;
use std::path::Path;

use serde_json::json;

use crate::process::{Serving, home, model_path, run};

/// Exit code, and the words that must stand in the complaint.
fn check(data: &Path, arguments: &[&str], code: i32, words: &[&str]) {
    let (found, out, err) = run(data, arguments);
    assert_eq!(found, code, "{arguments:?}: {out}{err}");
    for word in words {
        assert!(err.contains(word), "{arguments:?}: {word:?} in {err}");
    }
}

#[test]
fn a_world_with_mistakes_names_file_line_and_fix() {
    let (folder, world) = home();
    let (data, path) = (folder.path().join("data"), world.to_str().unwrap());
    let file = world.join("characters/bran.toml");
    std::fs::write(&file, "name = \"Bran\"\nroel = \"smith\"\n").unwrap();
    check(&data, &["talk", "--world", path, "--say", "Hail!"], 3, &["bran.toml", "line 2", "`role`"]);
    std::fs::write(&file, "name = \"Bran\nrole = \"smith\"\n").unwrap();
    check(&data, &["serve", "--port", "0", "--world", path], 3, &["bran.toml", "line 1", "help:"]);
    std::fs::write(&file, b"name = \"Br\xffn\"\n").unwrap();
    check(&data, &["talk", "--world", path, "--say", "Hail!"], 3, &["bran.toml", "UTF-8"]);
    check(&data, &["talk", "--world", "/no/such/world", "--say", "Hail!"], 3, &["/no/such/world"]);
}

#[test]
fn a_file_that_is_no_model_is_told_from_a_good_one() {
    let (folder, world) = home();
    let (data, world) = (folder.path().join("data"), world.to_str().unwrap());
    let file = folder.path().join("model.gguf");
    let path = file.to_str().unwrap();
    let talk = ["talk", "--world", world, "--model", path, "--say", "Hail!"];
    check(&data, &talk, 3, &["model.gguf"]);
    std::fs::write(&file, "This is a letter, not a model.").unwrap();
    check(&data, &talk, 4, &["GGUF"]);
    let bytes = std::fs::read(model_path()).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    check(&data, &talk, 4, &["download"]);
    check(&data, &["models", "import", path], 3, &["model.gguf"]);
    check(&data, &["talk", "--world", world, "--model", "no-such-model", "--say", "Hail!"], 3, &["models"]);
}

#[test]
fn a_folder_that_is_no_checkpoint_is_told_from_a_good_one() {
    let (folder, _) = home();
    let data = folder.path().join("data");
    let checkpoint = folder.path().join("Tiny-GPTQ");
    std::fs::create_dir(&checkpoint).unwrap();
    let path = checkpoint.to_str().unwrap();
    let import = ["models", "import", path];
    check(&data, &import, 3, &["model.safetensors", "config.json"]);
    std::fs::write(checkpoint.join("model.gguf"), "GGUF").unwrap();
    check(&data, &import, 3, &["give that file, not the folder"]);
    std::fs::write(checkpoint.join("model.safetensors"), b"\xff\xff\xff\xff\xff\xff\xff\xff{}").unwrap();
    check(&data, &import, 3, &["model.safetensors: its header claims", "again"]);
    std::fs::write(checkpoint.join("model.safetensors"), b"\x02\0\0\0\0\0\0\0{}").unwrap();
    check(&data, &import, 3, &["no config.json"]);
    std::fs::write(checkpoint.join("config.json"), "{\"model_type\": \"mamba\"").unwrap();
    check(&data, &import, 3, &["config.json: EOF"]);
    let left: Vec<_> =
        std::fs::read_dir(data.join("models")).unwrap().flatten().map(|entry| entry.path()).collect();
    assert!(left.is_empty(), "{left:?}");
    check(&data, &["models", "import", path, "--link"], 2, &["--link"]);
    check(&data, &["models", "import", path, "--quantize", "q1"], 2, &["q4_k_m"]);
    check(&data, &["models", "import", "x.gguf", "--name", "y"], 2, &["folders"]);
}

#[test]
fn a_file_without_characters_says_what_can_be_imported() {
    let folder = tempfile::tempdir().unwrap();
    let (data, file) = (folder.path().join("data"), folder.path().join("card.json"));
    let path = file.to_str().unwrap();
    check(&data, &["import", path], 3, &["card.json", "cannot be read"]);
    std::fs::write(&file, "{\"spec\": \"chara_card_v2\"}").unwrap();
    check(&data, &["import", path], 3, &["card.json", "no name"]);
    std::fs::write(&file, "{\"characters\": [").unwrap();
    check(&data, &["import", path], 3, &["card.json", "not JSON"]);
}

#[test]
fn wrong_usage_has_an_exit_code_of_its_own() {
    let (folder, world) = home();
    let (data, world) = (folder.path().join("data"), world.to_str().unwrap());
    check(&data, &["sing"], 2, &["sing"]);
    check(&data, &["talk", "--world", world, "--character", "nobody", "--say", "Hail!"], 2, &["bran"]);
    check(&data, &["models", "pull", "x", "--sha256", "zz"], 2, &["64"]);
}

#[tokio::test]
async fn without_a_model_the_sidecar_runs_and_says_what_to_do() {
    let (folder, world) = home();
    let data = folder.path().join("data");
    check(&data, &["talk", "--world", world.to_str().unwrap(), "--say", "Hail!"], 4, &["models pull"]);
    let serving = Serving::start(&data, &world, "");
    for round in 0..2 {
        let (status, reply) = serving.talk(&format!("r{round}"), "Hail!").await.unwrap();
        assert_eq!((status, &reply["error"]["code"]), (503, &json!("no_model")), "{reply}");
        assert!(reply["error"]["help"].as_str().unwrap().contains("models pull"), "{reply}");
    }
}

#[tokio::test]
async fn a_port_in_use_is_named_with_a_way_out() {
    let (folder, world) = home();
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = held.local_addr().unwrap().port().to_string();
    let arguments = ["serve", "--world", world.to_str().unwrap(), "--port", &port];
    check(&folder.path().join("data"), &arguments, 3, &[&port, "--port 0"]);
}

#[tokio::test]
async fn a_model_too_big_for_memory_is_refused_with_numbers_and_the_sidecar_goes_on() {
    let (folder, world) = home();
    let data = folder.path().join("data");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(data.join("meddah.toml"), "[local]\nparallel = 100000\ncontext_tokens = 8192\n").unwrap();
    let serving = Serving::start(&data, &world, model_path().to_str().unwrap());
    let (status, reply) = serving.talk("r1", "Hail!").await.unwrap();
    assert_eq!((status, &reply["error"]["code"]), (503, &json!("out_of_memory")), "{reply}");
    assert!(reply["error"]["help"].as_str().unwrap().contains("MB"), "{reply}");
    let (status, health) = serving.get("/v1/health").await.unwrap();
    assert_eq!((status, &health["ready"]), (200, &json!(true)), "{health}");
}
