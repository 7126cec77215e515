//! No failure shows a key, whatever the server says.

use meddah_fakes::check::DIALECTS;
use meddah_fakes::{Fake, Play, case_names};
use meddah_inference::http::mask;

use crate::kit::{SECRET, ask, model, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_error_shows_a_key() {
    let mut failures = 0;
    for (name, dialect) in DIALECTS {
        for case in case_names(name).into_iter().filter(|case| !matches!(&**case, "stalled-tail" | "hang")) {
            let fake = Fake::start(Play::case(dialect, &case)).await;
            let outcome = ask(&*model(dialect, &case, &fake), request()).await;
            let Some(_) = outcome.error else { continue };
            failures += 1;
            assert!(!outcome.error_text.contains(&SECRET[..12]), "{name}/{case}: {}", outcome.error_text);
            for asked in fake.requests() {
                assert!(!asked.path.contains(&SECRET[..12]), "{name}/{case}");
                assert!(!String::from_utf8_lossy(&asked.body).contains(&SECRET[..12]), "{name}/{case}");
            }
        }
    }
    assert!(failures > 60, "{failures}");
}

#[test]
fn masking_needs_no_exact_match() {
    let key = meddah_inference::Key::new(SECRET);
    assert!(!mask(&format!("…{}…", &SECRET[..20]), &[key]).contains(&SECRET[..12]));
}
