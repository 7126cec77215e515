//! How long files are. A long file is a seam not yet found; the numbers show where to look.

use std::fmt;

use super::Finding;
use super::source::RustFile;

/// From here on a file is named in the report.
const CODE_LINES_NOTED: usize = 500;
/// From here on it is refused.
const CODE_LINES_MAX: usize = 900;

/// Lines of code of all files, tests left out, shortest first.
pub struct Sizes(Vec<(usize, String)>);

impl Sizes {
    /// Measures the files that have code.
    pub fn of(files: &[RustFile]) -> Sizes {
        let measured = files.iter().map(|file| (file.code_lines, file.path.clone()));
        let mut sizes: Vec<_> = measured.filter(|(lines, _)| *lines > 0).collect();
        sizes.sort();
        Sizes(sizes)
    }

    /// Files that are too long.
    pub fn check(&self) -> Vec<Finding> {
        let long = self.0.iter().filter(|(lines, _)| *lines > CODE_LINES_MAX);
        let message = |lines| format!("{lines} lines of code, more than {CODE_LINES_MAX}: look for a seam");
        long.map(|(lines, path)| Finding::new(path, 0, message(lines))).collect()
    }

    /// The length that this share of the files does not exceed (nearest rank).
    fn percentile(&self, percent: usize) -> usize {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0.get(rank - 1).map_or(0, |(lines, _)| *lines)
    }
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, p95) = (self.percentile(50), self.percentile(95));
        write!(f, "{} Rust files with code, median {median} lines, 95 % up to {p95}", self.0.len())?;
        for (lines, path) in self.0.iter().filter(|(lines, _)| *lines > CODE_LINES_NOTED) {
            write!(f, "\n  {lines} lines: {path}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(lines: &[usize]) -> Sizes {
        let file = |(place, lines): (usize, &usize)| {
            let text = "fn f() {}\n".repeat(*lines);
            RustFile::parse(&format!("{place}.rs"), &text).unwrap()
        };
        Sizes::of(&lines.iter().enumerate().map(file).collect::<Vec<_>>())
    }

    #[test]
    fn the_report_names_long_files_and_only_very_long_ones_are_refused() {
        let sizes = sizes(&[10, 20, 30, 501, 0, 900]);
        let report =
            "5 Rust files with code, median 30 lines, 95 % up to 900\n  501 lines: 3.rs\n  900 lines: 5.rs";
        assert_eq!(sizes.to_string(), report);
        assert_eq!(sizes.check(), []);
    }

    #[test]
    fn more_than_the_limit_is_a_finding() {
        let found = sizes(&[901]).check();
        assert_eq!(found[0].to_string(), "0.rs: 901 lines of code, more than 900: look for a seam");
    }

    #[test]
    fn no_files_are_no_reason_to_fail() {
        assert_eq!(sizes(&[]).to_string(), "0 Rust files with code, median 0 lines, 95 % up to 0");
    }
}
