//! Which files there are, and Rust files as tokens.
//!
//! A check on tokens cannot be fooled by comments and texts, which a search for words is; and it sees
//! `#[ignore]` whatever spaces stand in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Finding;

/// Larger files are data, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Folders that hold nothing of ours, for trees without git.
const SKIPPED_FOLDERS: [&str; 4] = ["target", ".git", "node_modules", "__pycache__"];

/// One token: a word, a sign, a bracket or a literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// As it stands in the file.
    pub text: String,
    /// The line, from 1.
    pub line: usize,
}

/// A Rust file taken apart.
pub struct RustFile {
    /// From the root of the repository, with `/`.
    pub path: String,
    /// All tokens, groups laid flat.
    pub tokens: Vec<Token>,
    /// The line at which the tests begin; past the end if there are none.
    pub tests_begin: usize,
    /// Lines with code before the tests: neither empty nor a comment.
    pub code_lines: usize,
    /// Whether it opens with `//!`.
    pub opens_with_doc: bool,
}

impl RustFile {
    /// Takes a file apart.
    pub fn parse(path: &str, text: &str) -> Result<RustFile, Finding> {
        let stream: TokenStream = text
            .parse()
            .map_err(|error| Finding::new(path, 0, format!("these are no Rust tokens: {error}")))?;
        let mut tokens = Vec::new();
        flatten(stream, &mut tokens);
        let tests_begin = if is_test_path(path) { 0 } else { tests_begin(&tokens) };
        let is_code = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
        let code_lines =
            text.lines().take(tests_begin.saturating_sub(1)).filter(|line| is_code(line)).count();
        let opens_with_doc = text.starts_with("//!");
        Ok(RustFile { path: path.to_owned(), tokens, tests_begin, code_lines, opens_with_doc })
    }

    /// The tokens before the tests.
    pub fn shipped(&self) -> &[Token] {
        let end = self.tokens.partition_point(|token| token.line < self.tests_begin);
        &self.tokens[..end]
    }
}

/// Whether the tokens from here on read like this.
pub fn reads(tokens: &[Token], words: &[&str]) -> bool {
    tokens.len() >= words.len() && tokens.iter().zip(words).all(|(token, word)| token.text == *word)
}

/// Files that consist of tests.
fn is_test_path(path: &str) -> bool {
    let path = Path::new(path);
    path.file_stem().is_some_and(|stem| stem == "tests")
        || path.components().any(|part| part.as_os_str() == "tests" || part.as_os_str() == "benches")
}

fn tests_begin(tokens: &[Token]) -> usize {
    let attribute = ["#", "[", "cfg", "(", "test", ")", "]", "mod"];
    let place = (0..tokens.len()).find(|&place| reads(&tokens[place..], &attribute));
    place.map_or(usize::MAX, |place| tokens[place].line)
}

fn flatten(stream: TokenStream, tokens: &mut Vec<Token>) {
    for tree in stream {
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::None => ("", ""),
                };
                tokens.push(Token { text: open.into(), line: group.span_open().start().line });
                flatten(group.stream(), tokens);
                tokens.push(Token { text: close.into(), line: group.span_close().start().line });
            }
            other => tokens.push(Token { text: other.to_string(), line: other.span().start().line }),
        }
    }
}

/// All files that are, or would be, under version control; sorted, with `/`.
pub fn paths(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut paths = if root.join(".git").exists() { known_to_git(root)? } else { walk(root)? };
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn known_to_git(root: &Path) -> anyhow::Result<Vec<String>> {
    let arguments = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"];
    let output = Command::new("git").args(arguments).current_dir(root).output().context("cannot run git")?;
    ensure!(
        output.status.success(),
        "git cannot list the files: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let names = String::from_utf8(output.stdout)?;
    Ok(names.split_terminator('\0').map(str::to_owned).collect())
}

/// A tree that was unpacked from an archive has no git.
fn walk(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let name = entry.file_name();
            if kind.is_dir() && !SKIPPED_FOLDERS.iter().any(|skipped| name == *skipped) {
                folders.push(entry.path());
            } else if kind.is_file() {
                let path = entry.path();
                let path = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// A file's text; none if it is data, or was deleted but is still listed.
pub fn read(root: &Path, path: &str) -> anyhow::Result<Option<String>> {
    let full = root.join(path);
    let Ok(metadata) = std::fs::metadata(&full) else { return Ok(None) };
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Ok(None);
    }
    let bytes = std::fs::read(&full).with_context(|| format!("cannot read {path}"))?;
    Ok(String::from_utf8(bytes).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_lines_end_where_the_tests_begin() {
        let text = "//! Doc.\n\n// Why.\nfn f() {\n    g(); // here\n}\n\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
        let file = RustFile::parse("crates/x/src/f.rs", text).unwrap();
        assert_eq!((file.code_lines, file.tests_begin, file.opens_with_doc), (3, 8, true));
        assert!(file.shipped().iter().any(|token| token.text == "g"));
        assert!(!file.shipped().iter().any(|token| token.text == "t"));
    }

    #[test]
    fn a_file_of_tests_has_no_shipped_code() {
        let file = RustFile::parse("crates/x/tests/it/main.rs", "fn f() {}").unwrap();
        assert_eq!((file.code_lines, file.shipped()), (0, &[][..]));
    }

    #[test]
    fn a_test_only_function_does_not_end_the_code() {
        let text = "#[cfg(test)]\nfn double() {}\nfn f() {}\n";
        assert_eq!(RustFile::parse("a.rs", text).unwrap().code_lines, 3);
    }

    #[test]
    fn text_that_is_no_rust_is_a_finding() {
        assert!(RustFile::parse("a.rs", "fn f( {").is_err());
    }

    #[test]
    fn a_tree_without_git_is_walked_without_what_was_built() {
        let folder = std::env::temp_dir().join(format!("xtask-walk-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("src/deep")).unwrap();
        std::fs::create_dir_all(folder.join("target")).unwrap();
        for name in ["a.md", "src/deep/b.rs", "target/c.rs"] {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        let found = paths(&folder);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found.unwrap(), ["a.md", "src/deep/b.rs"]);
    }
}
