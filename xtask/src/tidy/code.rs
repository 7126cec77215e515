//! Code that has no place here: tests that do not run, unfinished parts, modules without a subject, and
//! `unsafe` outside the one place where C++ is called.

use std::path::Path;

use super::Finding;
use super::source::{RustFile, reads};

/// Where `unsafe` may stand: the calls of llama.cpp and whisper.cpp.
const UNSAFE_ALLOWED: [&str; 2] = ["crates/meddah-llama/src/ffi", "crates/meddah-whisper/src/ffi"];
/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 8] =
    ["util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"];
/// Files whose names become module names.
const SOURCE_EXTENSIONS: [&str; 9] = ["rs", "lua", "py", "cs", "java", "ts", "gd", "c", "cpp"];
/// Macros that must not be left behind.
const UNFINISHED: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// What is wrong with the code of a file.
pub fn check(file: &RustFile) -> Vec<Finding> {
    let mut findings = Vec::new();
    // What a file of tests is for, its path says.
    if !file.opens_with_doc && file.tests_begin > 0 {
        findings.push(Finding::new(&file.path, 1, "does not open with `//!`, which says what it is for"));
    }
    let may_be_unsafe = UNSAFE_ALLOWED.iter().any(|place| is_within(&file.path, place));
    for (place, token) in file.tokens.iter().enumerate() {
        let rest = &file.tokens[place..];
        let next = rest.get(1).map_or("", |token| token.text.as_str());
        let word = token.text.as_str();
        let message = match word {
            "unsafe" if !may_be_unsafe => format!("`unsafe` belongs into {}", UNSAFE_ALLOWED.join(" or ")),
            "#" if skips_a_test(file, place) => "a test that does not run: fix it or delete it".to_owned(),
            "mod" if EMPTY_NAMES.contains(&next) => {
                format!("a module called {next:?} has no subject: name it after what is inside")
            }
            _ if UNFINISHED.contains(&word) && is_macro_call(file, place) => {
                format!("`{word}!` must not be left behind")
            }
            _ => continue,
        };
        findings.push(Finding::new(&file.path, token.line, message));
    }
    findings
}

/// What is wrong with the name of a file, in any language.
pub fn check_path(path: &str) -> Option<Finding> {
    let path = Path::new(path);
    let extension = path.extension()?.to_str()?;
    if !SOURCE_EXTENSIONS.contains(&extension) {
        return None;
    }
    let without_extension = path.with_extension("");
    let mut parts = without_extension.iter().filter_map(|part| part.to_str());
    let name = parts.find(|part| EMPTY_NAMES.contains(part))?;
    let path = path.to_string_lossy();
    Some(Finding::new(&path, 0, format!("{name:?} has no subject: name it after what is inside")))
}

/// `name!(`, and not `name != 1`.
fn is_macro_call(file: &RustFile, place: usize) -> bool {
    let rest = &file.tokens[place + 1..];
    ["(", "[", "{"].iter().any(|bracket| reads(rest, &["!", bracket]))
}

/// `#[ignore]`, also with a reason or inside `cfg_attr`.
fn skips_a_test(file: &RustFile, place: usize) -> bool {
    let rest = &file.tokens[place..];
    if reads(rest, &["#", "[", "ignore", "]"]) || reads(rest, &["#", "[", "ignore", "="]) {
        return true;
    }
    let within = || rest.iter().take_while(|token| token.text != "]");
    reads(rest, &["#", "[", "cfg_attr"]) && within().any(|token| token.text == "ignore")
}

fn is_within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/') || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, code: &str) -> Vec<String> {
        let file = RustFile::parse(path, &format!("//! Doc.\n{code}")).unwrap();
        check(&file).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn unsafe_stands_only_where_cpp_is_called() {
        let code = "fn f() { unsafe { g() } }";
        assert_eq!(found("crates/meddah-llama/src/ffi/model.rs", code), [""; 0]);
        assert_eq!(found("crates/meddah-llama/src/ffi.rs", code), [""; 0]);
        assert_eq!(found("crates/meddah-whisper/src/ffi.rs", code), [""; 0]);
        let expected = "crates/meddah/src/turn.rs:2: `unsafe` belongs into crates/meddah-llama/src/ffi or \
                        crates/meddah-whisper/src/ffi";
        assert_eq!(found("crates/meddah/src/turn.rs", code), [expected]);
        assert_eq!(found("crates/meddah-llama/src/ffixed.rs", code).len(), 1);
        assert_eq!(found("a.rs", "#[unsafe(no_mangle)] fn f() {}").len(), 1);
    }

    #[test]
    fn words_in_comments_and_texts_are_not_code() {
        let code = "// unsafe todo!()\n/// dbg!(x)\nconst A: &str = \"unsafe #[ignore] mod utils\";";
        assert_eq!(found("a.rs", code), [""; 0]);
    }

    #[test]
    fn a_test_that_does_not_run_is_found_in_every_spelling() {
        for attribute in ["#[ignore]", "# [ ignore ]", "#[ignore = \"slow\"]", "#[cfg_attr(unix, ignore)]"] {
            assert_eq!(found("a.rs", &format!("{attribute}\nfn t() {{}}")).len(), 1, "{attribute}");
        }
        assert_eq!(found("a.rs", "#[arg(ignore_case)]\nfn f() { ignore(list[0]) }"), [""; 0]);
    }

    #[test]
    fn what_is_unfinished_is_found_in_tests_too() {
        for code in ["todo!()", "dbg!(1)", "unimplemented!()"] {
            let text = format!("#[cfg(test)]\nmod tests {{ fn t() {{ {code} }} }}");
            assert_eq!(found("a.rs", &text).len(), 1, "{code}");
        }
        assert_eq!(found("a.rs", "fn f(todo: bool) -> bool { todo != true }"), [""; 0]);
    }

    #[test]
    fn names_without_a_subject_are_found() {
        assert_eq!(found("a.rs", "mod helpers;").len(), 1);
        assert_eq!(found("a.rs", "mod speech;"), [""; 0]);
        let refused = |path| check_path(path).is_some();
        assert!(refused("crates/x/src/utils.rs") && refused("crates/x/tests/common/mod.rs"));
        assert!(refused("sdks/lua/helpers.lua"));
        assert!(!refused("crates/x/src/voice.rs") && !refused("docs/common.md"));
    }

    #[test]
    fn a_file_opens_with_what_it_is_for() {
        let file = RustFile::parse("a.rs", "fn main() {}").unwrap();
        assert_eq!(check(&file).len(), 1);
        let tests = RustFile::parse("a/tests.rs", "fn t() {}").unwrap();
        assert_eq!(check(&tests), []);
    }
}
