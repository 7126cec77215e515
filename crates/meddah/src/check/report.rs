//! What a check found, as a table and as data.

use meddah_engine::world::World;
use serde::Serialize;

use super::file::{Check, CheckLine};
use super::judge::{Answer, Problem};

/// Problems of one talk that are kept; a talk with more is broken anyway.
const PROBLEMS_MAX: usize = 100;

/// What came of all talks.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The world's id.
    pub world: String,
    /// One entry a talk.
    pub talks: Vec<TalkReport>,
}

/// What came of one talk.
#[derive(Clone, Debug, Serialize)]
pub struct TalkReport {
    /// With whom.
    pub character: String,
    /// What was checked.
    pub name: String,
    /// How often it was held, how often it went well, and how often it must.
    pub rounds: u32,
    /// Of these.
    pub rounds_well: u32,
    /// At least.
    pub rounds_wanted: u32,
    /// Answers.
    pub turns: usize,
    /// Answers whose first words were not usable, so that the model was asked once more.
    pub asked_again: usize,
    /// Answers from the character's file.
    pub canned: usize,
    /// Which model answered last.
    pub model: String,
    /// The wait for the first line, milliseconds: half of the answers were faster.
    pub first_line_ms_p50: f64,
    /// Nineteen of twenty were faster.
    pub first_line_ms_p95: f64,
    /// What is wrong.
    pub problems: Vec<Problem>,
    #[serde(skip)]
    waits: Vec<f64>,
}

impl TalkReport {
    pub(super) fn new(check: &Check) -> TalkReport {
        let name =
            if check.name.is_empty() { check.line.first().map(|line| line.player.clone()) } else { None };
        TalkReport {
            character: check.character.clone(),
            name: name.unwrap_or_else(|| check.name.clone()),
            rounds: 0,
            rounds_well: 0,
            rounds_wanted: if check.at_least == 0 { check.repeat } else { check.at_least },
            turns: 0,
            asked_again: 0,
            canned: 0,
            model: String::new(),
            first_line_ms_p50: 0.0,
            first_line_ms_p95: 0.0,
            problems: Vec::new(),
            waits: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, _line: &CheckLine, answer: &Answer, problems: Vec<Problem>) {
        self.turns += 1;
        self.asked_again += usize::from(answer.asked_again);
        self.canned += usize::from(answer.canned);
        if !answer.canned {
            self.model.clone_from(&answer.model);
        }
        self.waits.extend(answer.first_line_ms);
        let room = PROBLEMS_MAX.saturating_sub(self.problems.len());
        self.problems.extend(problems.into_iter().take(room));
    }

    /// A round is over that began with so many problems.
    pub(super) fn round_ended(&mut self, problems_before: usize) {
        self.rounds += 1;
        self.rounds_well += u32::from(self.problems.len() == problems_before);
        self.waits.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let place = (self.waits.len() as f64 * share) as usize;
            self.waits.get(place.min(self.waits.len().saturating_sub(1))).copied().unwrap_or_default()
        };
        (self.first_line_ms_p50, self.first_line_ms_p95) = (at(0.5), at(0.95));
    }

    /// It went well often enough; and nothing was told that is closed, which is once too often.
    pub fn is_well(&self) -> bool {
        self.rounds_well >= self.rounds_wanted && !self.problems.iter().any(Problem::is_leak)
    }

    fn count(&self, wanted: impl Fn(&Problem) -> bool) -> usize {
        self.problems.iter().filter(|problem| wanted(problem)).count()
    }
}

impl Report {
    pub(super) fn new(world: &World) -> Report {
        Report { world: world.id.clone(), talks: Vec::new() }
    }

    /// All talks went well.
    pub fn is_well(&self) -> bool {
        self.talks.iter().all(TalkReport::is_well)
    }

    /// No model answered at all: nothing was tried out.
    pub fn no_model_answered(&self) -> bool {
        let turns: usize = self.talks.iter().map(|talk| talk.turns).sum();
        let unanswered: usize =
            self.talks.iter().map(|talk| talk.count(|problem| problem.code == "no_answer")).sum();
        turns > 0 && unanswered >= turns
    }

    /// For people: a table, then what is wrong.
    pub fn table(&self) -> String {
        let head = [
            "",
            "character",
            "talk",
            "well",
            "answers",
            "leaks",
            "character broken",
            "not as expected",
            "again",
            "canned",
            "p50 ms",
            "p95 ms",
        ];
        let mut rows: Vec<Vec<String>> = vec![head.iter().map(|&cell| cell.to_owned()).collect()];
        rows.extend(self.talks.iter().map(TalkReport::row));
        let widths: Vec<usize> = (0..head.len())
            .map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0))
            .collect();
        let mut text = String::new();
        for row in &rows {
            let cells: Vec<String> =
                row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            text.push_str(cells.join("  ").trim_end());
            text.push('\n');
        }
        for talk in &self.talks {
            for problem in &talk.problems {
                let Problem { code, player, message } = problem;
                text.push_str(&format!("\n{}, {player:?}\n  {code}: {message}\n", talk.character));
            }
        }
        text
    }
}

impl TalkReport {
    fn row(&self) -> Vec<String> {
        let others = self.count(|problem| !problem.is_leak() && !problem.is_broken_character());
        vec![
            if self.is_well() { "ok" } else { "FAIL" }.to_owned(),
            self.character.clone(),
            self.name.chars().take(40).collect(),
            format!("{}/{}", self.rounds_well, self.rounds),
            self.turns.to_string(),
            self.count(Problem::is_leak).to_string(),
            self.count(Problem::is_broken_character).to_string(),
            others.to_string(),
            self.asked_again.to_string(),
            self.canned.to_string(),
            format!("{:.0}", self.first_line_ms_p50),
            format!("{:.0}", self.first_line_ms_p95),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(code: &'static str) -> Problem {
        Problem { code, player: "Hi".into(), message: "m".into() }
    }

    #[test]
    fn a_talk_may_fail_now_and_then_if_its_author_says_so_but_never_leak() {
        let check = Check { character: "mira".into(), repeat: 3, at_least: 2, ..Check::default() };
        let mut talk = TalkReport::new(&check);
        let line = CheckLine::default();
        let answer = Answer { first_line_ms: Some(10.0), ..Answer::default() };
        for problems in [vec![problem("action")], vec![], vec![]] {
            let before = talk.problems.len();
            talk.add(&line, &answer, problems);
            talk.round_ended(before);
        }
        assert!(talk.is_well());
        assert_eq!((talk.rounds_well, talk.first_line_ms_p95), (2, 10.0));
        let mut report = Report { world: "w".into(), talks: vec![talk] };
        assert!(
            report.is_well() && report.table().contains("mira, \"Hi\"\n  action: m"),
            "{}",
            report.table()
        );
        report.talks[0].problems.push(problem("leak"));
        assert!(!report.is_well());
    }
}
