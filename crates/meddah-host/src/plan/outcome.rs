//! What a simulation has shown.

use std::fmt;
use std::time::Duration;

use crate::player::Class;

/// The end of one simulation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Of the players, by class: live, session, ambient.
    pub classes: [Served; Class::ALL.len()],
    /// Of those who flood.
    pub flood: Served,
    /// Share of the slots' time in which they were busy.
    pub utilisation: f64,
    /// Of all requests of the players, the share that was turned away or expired.
    pub shed_share: f64,
    /// Of all tokens that were written, the share that those who flood got.
    pub flood_token_share: f64,
    /// Jain's index over the players, of what each got of the tokens that they asked for: 1 if the same for all, 1/n if
    /// one got everything.
    pub jain: f64,
    /// The same over those who flood, of the tokens that each got; 1 if there are none.
    pub flood_jain: f64,
}

/// Requests of one kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Served {
    /// Requests that were made.
    pub asked: u64,
    /// Of these, the ones that were answered to their end.
    pub answered: u64,
    /// Those that were turned away, at once or while they waited.
    pub shed: u64,
    /// From asking to the first token.
    pub first_token: Percentiles,
    /// From asking to the slot.
    pub wait: Percentiles,
}

/// Half, 95 and 99 of a hundred were no later than this. Zero when there were none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Half.
    pub p50: Duration,
    /// 95 of a hundred.
    pub p95: Duration,
    /// 99 of a hundred.
    pub p99: Duration,
}

impl Outcome {
    /// Of the players, in one class.
    pub fn of(&self, class: Class) -> &Served {
        &self.classes[class as usize]
    }
}

impl Percentiles {
    /// Nearest-rank percentiles.
    pub fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100).max(1);
            times.get(rank - 1).copied().unwrap_or_default()
        };
        Percentiles { p50: at(50), p95: at(95), p99: at(99) }
    }
}

/// (Σx)² / (n Σx²), after Jain, Chiu and Hawe 1984. 1 for none.
pub(super) fn jain(shares: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for share in shares {
        count += 1.0;
        sum += share;
        squares += share * share;
    }
    if squares > 0.0 { sum * sum / (count * squares) } else { 1.0 }
}

impl fmt::Display for Percentiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p95, p99] = [self.p50, self.p95, self.p99].map(|time| time.as_secs_f64());
        write!(f, "{p50:8.2} {p95:8.2} {p99:8.2}")
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "          requests  turned away   first word after seconds: 50 %   95 %   99 %")?;
        let rows = Class::ALL.into_iter().map(|class| (class.name(), self.of(class)));
        for (name, served) in rows.chain([("flood", &self.flood)]).filter(|(_, served)| served.asked > 0) {
            let shed = 100.0 * served.shed as f64 / served.asked as f64;
            let first_token = served.first_token;
            writeln!(f, "{name:8} {:9} {shed:10.1} %                {first_token}", served.asked)?;
        }
        write!(f, "slots busy {:.0} %, Jain's index {:.3}", 100.0 * self.utilisation, self.jain)
    }
}
