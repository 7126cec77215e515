//! A plan as a table for a terminal.

use std::fmt;

use super::machines::{Basis, CurvePoint, Plan, PlanRow};

const MICRO_PER_DOLLAR: f64 = 1e6;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.input.target;
        let (seconds, shed) = (target.first_token_ms as f64 / 1e3, 100.0 * target.shed_share_max);
        writeln!(
            f,
            "Target: 95 of 100 live requests have their first word within {seconds:.1} s in the busiest"
        )?;
        writeln!(f, "hour; at most {shed:.1} % of them, and of summaries and memories, are turned away.")?;
        writeln!(f, "One machine meets it for {} players at once.\n", self.players_per_machine)?;
        writeln!(f, "   players   at once  machines  found by    $ per month  $ per player  $ per 1000")?;
        writeln!(f, "                                                         and month    requests")?;
        self.rows.iter().try_for_each(|row| row.write(f))?;
        if let Some(pool) = self.pool {
            let (players, machines) = (pool.players, pool.machines);
            writeln!(
                f,
                "Scaled from {players} players at once on {machines} machines, which were simulated."
            )?;
        }
        writeln!(f, "\nOne machine, by players at once:")?;
        writeln!(f, "            first word after seconds        % turned away         slots")?;
        writeln!(f, "   players     50 %     95 %     99 %    live session ambient      busy")?;
        self.curve.iter().try_for_each(|point| point.write(f))
    }
}

impl PlanRow {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PlanRow { players, at_once, machines, .. } = self;
        let basis = match self.basis {
            Basis::Simulated => "simulation",
            Basis::Scaled => "scaling",
        };
        let [per_player, per_thousand] = [self.micro_per_player_month, self.micro_per_thousand_requests]
            .map(|micro| micro as f64 / MICRO_PER_DOLLAR);
        let month = per_player * *players as f64;
        writeln!(
            f,
            "{players:10} {at_once:9} {machines:9}  {basis:10} {month:12.0} {per_player:13.3} {per_thousand:11.3}"
        )
    }
}

impl CurvePoint {
    fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let CurvePoint { players, first_token, .. } = self;
        let [live, session, ambient] = self.shed_shares.map(|share| 100.0 * share);
        let busy = 100.0 * self.utilisation;
        writeln!(f, "{players:10} {first_token} {live:7.1} {session:7.1} {ambient:7.1} {busy:7.0} %")
    }
}
