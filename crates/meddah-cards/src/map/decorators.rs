//! Decorators of V3 at the top of an entry's content: `@@name value`, and `@@@name value` where the one before is
//! not understood. They are orders to a program and never spoken.

/// Orders that are read. What asks for a place in the prompt, or for things that a game does not have, is not.
const KNOWN: [&str; 8] = [
    "additional_keys",
    "exclude_keys",
    "activate",
    "dont_activate",
    "activate_only_after",
    "keep_activate_after_match",
    "dont_activate_after_match",
    "scan_depth",
];

/// A decorator that is understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decorator<'t> {
    pub name: &'t str,
    pub value: &'t str,
}

/// The lines of decorators at the top, and the text behind them.
pub(crate) fn split(content: &str) -> (&str, &str) {
    let mut end = 0;
    for line in content.split_inclusive('\n') {
        let is_decorator = line.trim_start().starts_with("@@");
        if !is_decorator && !line.trim().is_empty() {
            break;
        }
        end += line.len();
    }
    // Without a decorator there are only empty lines, which belong to the text.
    match content[..end].trim().is_empty() {
        true => ("", content),
        false => content.split_at(end),
    }
}

/// The decorators that are understood, a fallback only where what stands before it is not.
pub(crate) fn understood(head: &str) -> Vec<Decorator<'_>> {
    let mut found: Vec<Decorator<'_>> = Vec::new();
    let mut settled = true;
    for line in head.lines().map(str::trim).filter(|line| line.starts_with("@@")) {
        let is_fallback = line.starts_with("@@@");
        let order = line.trim_start_matches('@');
        let (name, value) = order.split_once(char::is_whitespace).unwrap_or((order, ""));
        if is_fallback && settled {
            continue;
        }
        settled = KNOWN.contains(&name);
        if settled && !found.iter().any(|other| other.name == name) {
            found.push(Decorator { name, value: value.trim() });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decorators_stand_at_the_top_only() {
        assert_eq!(split("@@depth 4\n@@@x\n\nThe mill.\n@@y"), ("@@depth 4\n@@@x\n\n", "The mill.\n@@y"));
        assert_eq!(split("\nThe mill."), ("", "\nThe mill."));
        assert_eq!(split("@@activate"), ("@@activate", ""));
    }

    #[test]
    fn a_fallback_counts_where_the_first_is_not_understood() {
        let names = |head| understood(head).iter().map(|found| found.name.to_owned()).collect::<Vec<_>>();
        assert_eq!(names("@@new 1\n@@@newer\n@@@activate\n@@dont_activate"), ["activate", "dont_activate"]);
        assert_eq!(names("@@activate\n@@@dont_activate"), ["activate"]);
        assert_eq!(understood("@@additional_keys a, b")[0].value, "a, b");
    }
}
