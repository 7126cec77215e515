//! Links between documents lead somewhere.

use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Parser, Tag};

use super::Finding;

/// Relative links of a document whose target is not there.
pub fn check(path: &str, text: &str, exists: impl Fn(&Path) -> bool) -> Vec<Finding> {
    let folder = Path::new(path).parent().unwrap_or(Path::new(""));
    let mut findings = Vec::new();
    for (event, range) in Parser::new(text).into_offset_iter() {
        let (Event::Start(Tag::Link { dest_url, .. }) | Event::Start(Tag::Image { dest_url, .. })) = event
        else {
            continue;
        };
        let target = dest_url.split(['#', '?']).next().unwrap_or_default();
        if target.is_empty() || dest_url.contains("://") || dest_url.starts_with("mailto:") {
            continue;
        }
        let line = text[..range.start].lines().count().max(1);
        match within(folder, target) {
            Some(target) if exists(&target) => {}
            Some(_) => {
                findings.push(Finding::new(path, line, format!("links to {target}, which is not there")))
            }
            None => findings.push(Finding::new(path, line, format!("links out of the repository: {target}"))),
        }
    }
    findings
}

/// The target from the root of the repository; none if it lies outside.
fn within(folder: &Path, target: &str) -> Option<PathBuf> {
    let mut path = folder.to_owned();
    for part in Path::new(target).components() {
        match part {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            Component::ParentDir => {
                if !path.pop() {
                    return None;
                }
            }
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        let there = ["docs/glossary.md", "README.md", "docs/decisions/0001.md"];
        let exists = |target: &Path| there.iter().any(|known| Path::new(known) == target);
        check(path, text, exists).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn links_that_lead_somewhere_pass() {
        let text = "[a](../glossary.md#turn) [b](0001.md), [c](https://example.org/x.md) [d](#here)\n";
        assert_eq!(found("docs/decisions/README.md", text), [""; 0]);
    }

    #[test]
    fn a_link_to_nowhere_is_found_with_its_line() {
        let found = found("docs/a.md", "Text.\n\nSee [b](missing.md).\n");
        assert_eq!(found, ["docs/a.md:3: links to missing.md, which is not there"]);
    }

    #[test]
    fn a_link_out_of_the_repository_is_found() {
        assert_eq!(found("a.md", "[x](../secret.md)").len(), 1);
        assert_eq!(found("a.md", "[x](/etc/hosts)").len(), 1);
    }

    #[test]
    fn code_is_not_a_link() {
        assert_eq!(found("a.md", "`t[1](x)`\n\n```lua\nt[1](y)\n```\n"), [""; 0]);
    }
}
