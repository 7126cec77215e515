//! What goes wrong around a model: files that are none, workers that die or hang.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::time::{Duration, Instant};

use futures::StreamExt;
use meddah_inference::{ChatModel, ErrorKind, ModelState};
use meddah_llama::gguf::{self, GgufError};
use meddah_llama::{LocalConfig, LocalModel};
use tokio_util::sync::CancellationToken;

use crate::support::{config, hear, model, model_path, request, say};

fn long(conversation: &str) -> meddah_inference::ChatRequest {
    let mut ask = request(conversation, "Tell long tales.", "Tell me about the dragon.");
    ask.max_tokens = 600;
    ask
}

#[test]
fn a_good_model_tells_what_it_is() {
    let info = gguf::inspect(&model_path()).unwrap();
    assert_eq!(info.architecture, "llama");
    assert_eq!((info.context_tokens, info.file_type.as_str()), (8192, "Q4_1"));
    assert_eq!(info.license.as_deref(), Some("apache-2.0"));
    assert!(info.has_chat_template);
    assert_eq!(info.vocab_size, 49_152);
    assert_eq!(info.parameters / 1_000_000, 134);
    assert_eq!(info.kv_bytes_per_token(meddah_llama::KvType::F16), 30 * 3 * 64 * 2 * 2);
    assert!(info.tensor_bytes < info.file_bytes);
}

#[test]
fn damaged_files_are_told_from_good_ones_without_harm() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = fs::read(model_path()).unwrap();
    let path = dir.path().join("model.gguf");
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(gguf::inspect(&path), Err(GgufError::Cut { .. })));
    fs::write(&path, "This is a letter, not a model.").unwrap();
    assert!(matches!(gguf::inspect(&path), Err(GgufError::NotGguf { .. })));
    fs::write(&path, b"").unwrap();
    assert!(matches!(gguf::inspect(&path), Err(GgufError::NotGguf { .. })));
    assert!(matches!(gguf::inspect(&dir.path().join("none")), Err(GgufError::Open { .. })));
    // Any cut of the header, and any size in it that lies, is an error and not a crash or a huge allocation.
    let header = &bytes[..4096];
    for end in 4..256 {
        fs::write(&path, &header[..end]).unwrap();
        assert!(gguf::inspect(&path).is_err(), "{end}");
    }
    let mut random = fastrand::Rng::with_seed(5);
    for _ in 0..300 {
        let mut lie = header.to_vec();
        let place = random.usize(4..lie.len() - 8);
        lie[place..place + 8].fill(0xFF);
        fs::write(&path, &lie).unwrap();
        assert!(gguf::inspect(&path).is_err());
    }
    let mut versioned = header.to_vec();
    versioned[4] = 9;
    fs::write(&path, versioned).unwrap();
    assert!(matches!(gguf::inspect(&path), Err(GgufError::Version { version: 9, .. })));
}

#[tokio::test]
async fn a_file_that_is_no_model_is_said_to_be_none_before_a_worker_starts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("letter.gguf");
    fs::write(&path, "Dear Sir or Madam").unwrap();
    let model = LocalModel::new(LocalConfig { model_path: path.clone(), ..config() });
    let error = model.info().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::BadModel);
    assert!(!error.help.is_empty() && model.worker_pid().is_none());
    assert_eq!(model.state(), ModelState::Failed);
    // The same model can be asked again, and finds the file that was put there in the meantime.
    fs::remove_file(&path).unwrap();
    assert_eq!(model.info().await.unwrap_err().kind, ErrorKind::NotFound);
    fs::copy(model_path(), &path).unwrap();
    model.info().await.unwrap();
}

#[tokio::test]
async fn weights_that_llama_cpp_refuses_are_a_bad_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.gguf");
    fs::copy(model_path(), &path).unwrap();
    // An architecture of the same length that nobody has heard of.
    let bytes = fs::read(&path).unwrap();
    let place = bytes.windows(5).position(|window| window == b"llama").unwrap();
    let mut file = fs::File::options().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(place as u64)).unwrap();
    file.write_all(b"lomba").unwrap();
    let model = LocalModel::new(LocalConfig { model_path: path, ..config() });
    assert_eq!(model.info().await.unwrap_err().kind, ErrorKind::BadModel);
}

#[tokio::test]
async fn a_model_that_does_not_fit_is_refused_with_numbers() {
    let mut config = config();
    (config.parallel, config.context_tokens) = (u32::MAX, 8192);
    let error = LocalModel::new(config).info().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::OutOfMemory);
    assert!(error.help.contains("MB"), "{}", error.help);
}

#[tokio::test]
async fn odd_requests_are_answered_and_do_no_harm() {
    let model = model();
    let mut odd = Vec::new();
    for number in [f32::NAN, f32::INFINITY, f32::MAX, -1.0] {
        let mut ask = request("bran", "Be brief.", "Hail!");
        (ask.sampling.temperature, ask.sampling.min_p, ask.sampling.dry_multiplier) =
            (number, number, number);
        odd.push(ask);
    }
    let mut empty = request("", "", "");
    empty.messages.clear();
    odd.push(empty);
    let mut nothing_to_choose = request("bran", "Be brief.", "\0\u{FFFF}");
    nothing_to_choose.decisions =
        vec![meddah_inference::Decision { name: "x".into(), lead: "x".into(), choices: vec![] }];
    odd.push(nothing_to_choose);
    let mut schema = request("bran", "Be brief.", "Hail!");
    schema.json_schema = Some(serde_json::json!({ "type": "no such type" }));
    odd.push(schema);
    for ask in odd {
        let heard = hear(model.stream(ask, CancellationToken::new()).await.unwrap()).await;
        let refused = heard.error.as_ref().is_none_or(|error| error.kind == ErrorKind::Refused);
        assert!(refused && (heard.error.is_some() || heard.stop.is_some()), "{heard:?}");
    }
    let pid = model.worker_pid();
    say(&model, request("bran", "Be brief.", "Hail!")).await;
    assert_eq!(model.worker_pid(), pid);
}

#[tokio::test]
async fn too_many_at_once_are_turned_away_and_the_others_served() {
    let model = LocalModel::new(LocalConfig { parallel: 2, ..config() });
    model.info().await.unwrap();
    let mut streams = Vec::new();
    for index in 0..90 {
        let mut ask = request(&format!("{index}"), "Be brief.", "Hail!");
        ask.max_tokens = 2;
        if let Ok(stream) = model.stream(ask, CancellationToken::new()).await {
            streams.push(hear(stream));
        }
    }
    let heard = futures::future::join_all(streams).await;
    let served = heard.iter().filter(|heard| heard.stop.is_some()).count();
    let turned_away = heard.iter().filter_map(|heard| heard.error.as_ref());
    assert!(turned_away.clone().all(|error| error.kind == ErrorKind::Overloaded));
    println!("{served} of 90 were served");
    assert!(served >= 64 && served + turned_away.count() == heard.len());
}

#[tokio::test]
async fn a_worker_that_cannot_start_is_broken_and_not_waited_for() {
    let config = LocalConfig { worker_command: vec!["/no/such/program".into()], ..config() };
    let begun = Instant::now();
    let error = LocalModel::new(config).info().await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Broken);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[cfg(unix)]
fn signal(pid: u32, name: &str) {
    let done = std::process::Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(done.success());
}

#[cfg(unix)]
fn is_alive(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    !status.is_empty() && !status.contains(") Z ")
}

#[cfg(unix)]
#[tokio::test]
async fn a_worker_that_is_killed_in_mid_reply_costs_that_reply_only() {
    let model = model();
    let mut times = Vec::new();
    for _ in 0..10 {
        let mut stream = model.stream(long("bran"), CancellationToken::new()).await.unwrap();
        stream.next().await.unwrap().unwrap();
        signal(model.worker_pid().unwrap(), "-KILL");
        let heard = hear(stream).await;
        assert_eq!(heard.error.map(|error| error.kind), Some(ErrorKind::Broken));
        let begun = Instant::now();
        let heard = say(&model, request("bran", "Be brief.", "Hail!")).await;
        assert!(!heard.text.is_empty());
        times.push(begun.elapsed());
    }
    times.sort();
    println!("from death to a whole reply: p50 {:?}, max {:?}", times[5], times[9]);
}

#[cfg(unix)]
#[tokio::test]
async fn a_reply_of_which_nothing_was_said_yet_comes_from_the_next_worker() {
    let model = model();
    model.info().await.unwrap();
    let mut ask = request("bran", &crate::support::lore(3, 900), "Hail!");
    ask.max_tokens = 8;
    let stream = model.stream(ask.clone(), CancellationToken::new()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await; // it reads
    let first = model.worker_pid().unwrap();
    signal(first, "-KILL");
    let heard = hear(stream).await;
    assert!(heard.error.is_none() && !heard.text.is_empty(), "{:?}", heard.error);
    assert_ne!(model.worker_pid(), Some(first));

    // But only once: it may be what the worker dies of.
    ask.conversation = "ada".into();
    ask.messages[0].text = crate::support::lore(4, 900);
    let stream = model.stream(ask, CancellationToken::new()).await.unwrap();
    let killed_twice = async {
        for _ in 0..2 {
            tokio::time::sleep(Duration::from_millis(300)).await;
            let worker = model.worker_pid().unwrap();
            signal(worker, "-KILL");
            while model.worker_pid().is_none_or(|pid| pid == worker) || model.state() != ModelState::Ready {
                if model.worker_pid().is_none() && model.state() == ModelState::Unloaded {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    };
    let (heard, ()) = tokio::join!(hear(stream), killed_twice);
    assert_eq!(heard.error.map(|error| error.kind), Some(ErrorKind::Broken));
}

#[cfg(unix)]
#[tokio::test]
async fn what_was_read_survives_a_worker_that_dies() {
    let dir = tempfile::tempdir().unwrap();
    let model = LocalModel::new(LocalConfig { state_dir: Some(dir.path().into()), ..config() });
    let ask = request("bran", &crate::support::lore(8, 500), "Hail!");
    let before = say(&model, ask.clone()).await;
    tokio::time::sleep(Duration::from_millis(700)).await; // nobody asks anything: time to copy
    signal(model.worker_pid().unwrap(), "-KILL");
    let after = say(&model, ask).await;
    assert_eq!(after.text, before.text);
    assert!(after.usage.cached_tokens > 400, "{:?}", after.usage);
}

#[cfg(unix)]
#[tokio::test]
async fn a_worker_that_hangs_is_found_out_and_replaced() {
    let model = LocalModel::new(LocalConfig { hang_timeout: Duration::from_secs(2), ..config() });
    let mut stream = model.stream(long("bran"), CancellationToken::new()).await.unwrap();
    stream.next().await.unwrap().unwrap();
    let pid = model.worker_pid().unwrap();
    signal(pid, "-STOP");
    let begun = Instant::now();
    let heard = hear(stream).await;
    assert_eq!(heard.error.map(|error| error.kind), Some(ErrorKind::Broken));
    let took = begun.elapsed();
    assert!((Duration::from_secs(1)..Duration::from_secs(5)).contains(&took), "{took:?}");
    say(&model, request("bran", "Be brief.", "Hail!")).await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_long_prompt_is_no_hang() {
    let model = LocalModel::new(LocalConfig { hang_timeout: Duration::from_millis(1500), ..config() });
    let begun = Instant::now();
    let heard = say(&model, request("bran", &crate::support::lore(9, 1500), "Hail!")).await;
    assert!(!heard.text.is_empty());
    println!("{} tokens read in {:?}", heard.usage.prompt_tokens, begun.elapsed());
}

/// The process that was started by this one.
#[cfg(target_os = "linux")]
fn child_of(parent: u32) -> Option<u32> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.into_iter().find(|pid: &u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        after_name.split(' ').nth(1) == Some(&parent.to_string())
    })
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn no_worker_outlives_a_sidecar_that_is_killed() {
    let (bench, worker) =
        (env!("CARGO_BIN_EXE_meddah-llama-bench"), env!("CARGO_BIN_EXE_meddah-llama-worker"));
    let mut sidecar = std::process::Command::new(bench)
        .args([model_path().as_os_str(), worker.as_ref()])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let worker_pid = loop {
        if let Some(pid) = child_of(sidecar.id()) {
            break pid;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no worker was started");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    // In the middle of its work, not of its start.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(is_alive(worker_pid));
    sidecar.kill().unwrap();
    sidecar.wait().unwrap();
    let begun = Instant::now();
    while is_alive(worker_pid) {
        assert!(begun.elapsed() < Duration::from_secs(5), "the worker lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    println!("the worker was gone after {:?}", begun.elapsed());
}
