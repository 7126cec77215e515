//! A plan as a table for a terminal.

use std::fmt;

use super::machines::{Basis, Plan, PlanRow};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.input.target;
        let seconds = target.first_token_ms as f64 / 1e3;
        writeln!(f, "Target: 95 of 100 live requests have their first word within {seconds:.1} s,")?;
        writeln!(
            f,
            "and at most {:.1} % are turned away, in the busiest hour.",
            100.0 * target.shed_share_max
        )?;
        writeln!(f, "One machine meets it for {} players at once.\n", self.players_per_machine)?;
        writeln!(f, "   players   at once  machines  found by    $ per month  $ per player  $ per 1000")?;
        writeln!(f, "                                                         and month    requests")?;
        for row in &self.rows {
            writeln!(f, "{}", self.line(row))?;
        }
        writeln!(f, "\nOne machine, by players at once:")?;
        writeln!(
            f,
            "   players   first word after seconds: 50 %     95 %     99 %   turned away   slots busy"
        )?;
        for point in &self.curve {
            let (shed, busy) = (100.0 * point.shed_share, 100.0 * point.utilisation);
            let first_token = point.first_token;
            writeln!(
                f,
                "{:10}                       {first_token} {shed:11.1} % {busy:10.0} %",
                point.players
            )?;
        }
        Ok(())
    }
}

impl Plan {
    fn line(&self, row: &PlanRow) -> String {
        let basis = match row.basis {
            Basis::Simulated => "simulation",
            Basis::Scaled => "scaling",
        };
        let per_month = row.micro_per_player_month.saturating_mul(row.players) / 1_000_000;
        let (players, at_once, machines) = (row.players, row.at_once, row.machines);
        let [per_player, per_thousand] =
            [row.micro_per_player_month, row.micro_per_thousand_requests].map(|micro| micro as f64 / 1e6);
        format!(
            "{players:10} {at_once:9} {machines:9}  {basis:10} {per_month:12} {per_player:13.3} {per_thousand:11.3}"
        )
    }
}
