//! Recall at 5 and 10 and the mean reciprocal rank, as means over questions.

use std::collections::BTreeMap;

/// Sums over questions.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Score {
    pub questions: usize,
    at_5: f64,
    at_10: f64,
    reciprocal_rank: f64,
}

impl Score {
    /// Counts one question: what was found, best first, and what holds the answer.
    pub(crate) fn count(&mut self, found: &[&str], evidence: &[String]) {
        let among = |first: usize| {
            let hits = evidence.iter().filter(|id| found.iter().take(first).any(|found| found == id));
            hits.count() as f64 / evidence.len().max(1) as f64
        };
        self.questions += 1;
        self.at_5 += among(5);
        self.at_10 += among(10);
        let first = found.iter().position(|found| evidence.iter().any(|id| id == found));
        self.reciprocal_rank += first.map_or(0.0, |rank| 1.0 / (rank as f64 + 1.0));
    }

    /// R@5, R@10, MRR.
    pub(crate) fn means(&self) -> [f64; 3] {
        [self.at_5, self.at_10, self.reciprocal_rank].map(|sum| sum / self.questions.max(1) as f64)
    }
}

/// All questions, and those of each kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    pub all: Score,
    pub by_kind: BTreeMap<String, Score>,
}

impl Table {
    pub(crate) fn count(&mut self, kind: &str, found: &[&str], evidence: &[String]) {
        self.all.count(found, evidence);
        self.by_kind.entry(kind.to_owned()).or_default().count(found, evidence);
    }

    pub(crate) fn print(&self, title: &str) {
        println!("{title:<24} {:>9} {:>6} {:>6} {:>6}", "questions", "R@5", "R@10", "MRR");
        let all = [("all".to_owned(), self.all)];
        for (kind, score) in all.iter().map(|(kind, score)| (kind, score)).chain(&self.by_kind) {
            let [at_5, at_10, rank] = score.means();
            println!("  {kind:<22} {:>9} {at_5:>6.3} {at_10:>6.3} {rank:>6.3}", score.questions);
        }
    }
}

/// The value that so many per cent do not exceed.
pub(crate) fn percentile(values: &mut [f64], percent: usize) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = (values.len() * percent).div_ceil(100).saturating_sub(1);
    values.get(at).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_counts_by_where_it_is_found() {
        let mut score = Score::default();
        let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
        score.count(&["x", "a", "y", "z", "w", "v", "b"], &ids(&["a", "b"]));
        score.count(&["x"], &ids(&["c"]));
        assert_eq!(score.means(), [0.25, 0.5, 0.25]);
    }

    #[test]
    fn percentiles_are_of_the_sorted_values() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!([percentile(&mut values, 50), percentile(&mut values, 99)], [50.0, 99.0]);
        assert_eq!(percentile(&mut [], 99), 0.0);
    }
}
