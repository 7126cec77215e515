//! The repository names no package registry: where packages come from is the user's setting, and a mirror
//! must do as well.

use super::Finding;

/// In two pieces each, so that this file passes its own check.
const HOSTS: [(&str, &str); 11] = [
    ("crates", ".io"),
    ("pypi", ".org"),
    ("pythonhosted", ".org"),
    ("npmjs", ".org"),
    ("npmjs", ".com"),
    ("rubygems", ".org"),
    ("nuget", ".org"),
    ("proxy.golang", ".org"),
    ("repo.maven.apache", ".org"),
    ("repo1.maven", ".org"),
    ("repo.anaconda", ".com"),
];

/// Written by package managers, which put the registry into them.
const LOCK_FILES: [&str; 7] = [
    "Cargo.lock",
    "package-lock.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "poetry.lock",
    "uv.lock",
    "packages.lock.json",
];

/// Lines of a file that name a registry.
pub fn check(path: &str, text: &str) -> Vec<Finding> {
    let file_name = path.rsplit('/').next().unwrap_or(path);
    if LOCK_FILES.contains(&file_name) {
        return Vec::new();
    }
    let hosts: Vec<String> = HOSTS.iter().map(|(front, back)| format!("{front}{back}")).collect();
    let named = |line: &str| hosts.iter().find(|host| line.contains(host.as_str())).cloned();
    let lines = text.lines().enumerate().filter_map(|(place, line)| Some((place + 1, named(line)?)));
    lines.map(|(line, host)| Finding::new(path, line, format!("names the registry {host}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_found_with_its_line() {
        let (front, back) = HOSTS[0];
        let text = format!("one\nsee https://static.{front}{back}/x\n");
        let found: Vec<String> = check("docs/a.md", &text).iter().map(ToString::to_string).collect();
        assert_eq!(found, [format!("docs/a.md:2: names the registry {front}{back}")]);
        assert_eq!(check("evals/Cargo.lock", &text), []);
        assert_eq!(check("docs/a.md", &format!("the {front} of the world")), []);
    }
}
