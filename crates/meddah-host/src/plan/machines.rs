//! How many machines numbers of players take.
//!
//! First the most players on one machine that still meet the target are searched. A number of players that is small
//! enough is then simulated on as many machines as it takes. Larger ones are scaled from the largest that is simulated,
//! not from one machine: machines behind one host even each other's peaks out, so that each of ten serves nearly half as
//! many players again as one alone.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::outcome::{Outcome, Percentiles};
use super::scenario::{Habits, Machine, Scenario, positive};
use super::{PlanError, simulate};
use crate::admission::AdmissionSettings;
use crate::player::Class;

/// Up to so many players at once are simulated together; more are scaled from so many.
const SIMULATED_PLAYERS_MAX: u64 = 2_000;
/// How far the curve goes, in parts of the players that one machine serves.
const CURVE: [f64; 12] = [0.1, 0.25, 0.4, 0.55, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5];
/// Hours of an average month.
const HOURS_PER_MONTH: f64 = 730.0;
const SECONDS_PER_HOUR: f64 = 3_600.0;

/// What a plan is made from. Every figure has a default, so a file names what differs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanInput {
    /// Numbers of players to plan for, all who have the game. 100, 10,000 and 1,000,000.
    pub players: Vec<u64>,
    /// Rent of one machine for an hour, in millionths of a US dollar. 500,000.
    pub price_per_hour_micro: u64,
    /// What is rented.
    pub machine: Machine,
    /// How players play.
    pub habits: Habits,
    /// What they shall get.
    pub target: Target,
    /// Of the host.
    pub admission: AdmissionSettings,
    /// Minutes of the busiest hour that each simulation plays. 30.
    pub minutes: u32,
    /// The same seed gives the same plan. 1.
    pub seed: u64,
}

impl Default for PlanInput {
    fn default() -> Self {
        PlanInput {
            players: vec![100, 10_000, 1_000_000],
            price_per_hour_micro: 500_000,
            machine: Machine::default(),
            habits: Habits::default(),
            target: Target::default(),
            admission: AdmissionSettings::default(),
            minutes: 30,
            seed: 1,
        }
    }
}

/// What players shall get in the busiest hour. Talk among characters gets what is left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Target {
    /// 95 of a hundred live requests have their first token within so many milliseconds. 2000.
    pub first_token_ms: u64,
    /// Of live requests, and of summaries and memories, the share that may be turned away. 0.01.
    pub shed_share_max: f64,
}

impl Default for Target {
    fn default() -> Self {
        Target { first_token_ms: 2_000, shed_share_max: 0.01 }
    }
}

/// Machines for numbers of players, and what they cost.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What it was made from.
    pub input: PlanInput,
    /// The most players at once for whom one machine meets the target.
    pub players_per_machine: u32,
    /// Percentiles of one machine by players at once, from few to too many.
    pub curve: Vec<CurvePoint>,
    /// What large numbers were scaled from, if there are any.
    pub pool: Option<Pool>,
    /// One for each number of players in the input.
    pub rows: Vec<PlanRow>,
}

/// Machines behind one host that were simulated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Players at once.
    pub players: u64,
    /// That meet the target for them.
    pub machines: u64,
}

/// One machine with a number of players at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CurvePoint {
    /// Players at once.
    pub players: u32,
    /// Of live requests.
    pub first_token: Percentiles,
    /// Shares of the live, session and ambient requests that were turned away.
    pub shed_shares: [f64; Class::ALL.len()],
    /// Share of the slots' time in which they were busy.
    pub utilisation: f64,
}

/// A number of players.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlanRow {
    /// All who have the game.
    pub players: u64,
    /// Those who play in the busiest hour.
    pub at_once: u64,
    /// That meet the target then.
    pub machines: u64,
    /// How that number was found.
    pub basis: Basis,
    /// For each of all players, in millionths of a US dollar, when the machines run all month.
    pub micro_per_player_month: u64,
    /// For a thousand requests, likewise.
    pub micro_per_thousand_requests: u64,
}

/// Where a number of machines comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// All players and machines were simulated together.
    Simulated,
    /// In proportion to [`Plan::pool`].
    Scaled,
}

/// Plans.
///
/// # Errors
/// A figure makes no sense, or no number of machines meets the target.
pub fn machines(input: &PlanInput) -> Result<Plan, PlanError> {
    input.check()?;
    let per_machine = most_players(input)?;
    let curve = curve(input, per_machine)?;
    let most = input.players.iter().map(|players| input.at_once(*players)).max().unwrap_or(0);
    let pool = if most > SIMULATED_PLAYERS_MAX {
        let machines = fewest_machines(input, SIMULATED_PLAYERS_MAX, per_machine)?;
        Some(Pool { players: SIMULATED_PLAYERS_MAX, machines })
    } else {
        None
    };
    let row = |players: &u64| row(input, *players, per_machine, pool);
    let rows = input.players.iter().map(row).collect::<Result<_, _>>()?;
    Ok(Plan { input: input.clone(), players_per_machine: per_machine, curve, pool, rows })
}

impl PlanInput {
    fn check(&self) -> Result<(), PlanError> {
        self.machine.check()?;
        self.habits.check()?;
        positive("minutes", f64::from(self.minutes))?;
        positive("first_token_ms", self.target.first_token_ms as f64)?;
        self.players.iter().try_for_each(|players| positive("players", *players as f64))
    }

    fn play(&self, players: u32, machines: u32) -> Result<Outcome, PlanError> {
        simulate(&Scenario {
            machine: self.machine.clone(),
            machines,
            admission: self.admission.clone(),
            players,
            habits: self.habits.clone(),
            duration: Duration::from_secs(u64::from(self.minutes) * 60),
            seed: self.seed,
            ..Scenario::default()
        })
    }

    fn meets_target(&self, players: u32, machines: u32) -> Result<bool, PlanError> {
        let outcome = self.play(players, machines)?;
        let in_time =
            outcome.of(Class::Live).first_token.p95 <= Duration::from_millis(self.target.first_token_ms);
        let [live, session, _] = shed_shares(&outcome);
        Ok(in_time && live.max(session) <= self.target.shed_share_max)
    }

    /// Of all players, how many play in the busiest hour.
    fn at_once(&self, players: u64) -> u64 {
        ((players as f64 * self.habits.share_at_peak).ceil() as u64).max(1)
    }

    /// No machine serves more players: their answers alone would keep all slots busy.
    fn players_max(&self) -> u32 {
        let seconds =
            self.habits.output.mean().min(f64::from(self.habits.output.max)) * self.machine.token_ms / 1e3;
        let requests_per_hour = f64::from(self.machine.slots) * SECONDS_PER_HOUR / seconds;
        (requests_per_hour / self.habits.requests_per_hour).clamp(1.0, f64::from(u32::MAX / 2)) as u32
    }
}

/// By halving, between one player and more than any machine serves.
fn most_players(input: &PlanInput) -> Result<u32, PlanError> {
    if !input.meets_target(1, 1)? {
        return Err(PlanError::OutOfReach { seconds: input.target.first_token_ms as f64 / 1e3 });
    }
    let (mut enough, mut too_many) = (1, input.players_max() + 1);
    while too_many - enough > 1 {
        let middle = enough.midpoint(too_many);
        if input.meets_target(middle, 1)? { enough = middle } else { too_many = middle }
    }
    Ok(enough)
}

fn curve(input: &PlanInput, per_machine: u32) -> Result<Vec<CurvePoint>, PlanError> {
    let mut counts: Vec<u32> =
        CURVE.iter().map(|part| (part * f64::from(per_machine)).ceil() as u32).collect();
    counts.dedup();
    let point = |players| {
        let outcome = input.play(players, 1)?;
        Ok(CurvePoint {
            players,
            first_token: outcome.of(Class::Live).first_token,
            shed_shares: shed_shares(&outcome),
            utilisation: outcome.utilisation,
        })
    };
    counts.into_iter().map(point).collect()
}

fn row(input: &PlanInput, players: u64, per_machine: u32, pool: Option<Pool>) -> Result<PlanRow, PlanError> {
    let at_once = input.at_once(players);
    let (machines, basis) = match pool.filter(|pool| at_once > pool.players) {
        Some(pool) => (at_once.saturating_mul(pool.machines).div_ceil(pool.players), Basis::Scaled),
        None => (fewest_machines(input, at_once, per_machine)?, Basis::Simulated),
    };
    let micro_per_month = machines as f64 * input.price_per_hour_micro as f64 * HOURS_PER_MONTH;
    let hours_played = players as f64 * input.habits.hours_a_day * HOURS_PER_MONTH / 24.0;
    let thousands = hours_played * input.habits.requests_per_hour / 1e3;
    Ok(PlanRow {
        players,
        at_once,
        machines,
        basis,
        micro_per_player_month: (micro_per_month / players as f64).ceil() as u64,
        micro_per_thousand_requests: (micro_per_month / thousands.max(f64::MIN_POSITIVE)).ceil() as u64,
    })
}

/// By halving, up to what players on machines of their own would take; more, if that does not do.
fn fewest_machines(input: &PlanInput, players: u64, per_machine: u32) -> Result<u64, PlanError> {
    let players = u32::try_from(players).unwrap_or(u32::MAX);
    let (mut too_few, mut enough) = (0, players.div_ceil(per_machine));
    while !input.meets_target(players, enough)? {
        too_few = enough;
        enough += enough.div_ceil(4);
    }
    while enough - too_few > 1 {
        let middle = too_few.midpoint(enough);
        if input.meets_target(players, middle)? { enough = middle } else { too_few = middle }
    }
    Ok(u64::from(enough))
}

fn shed_shares(outcome: &Outcome) -> [f64; Class::ALL.len()] {
    Class::ALL.map(|class| {
        let served = outcome.of(class);
        served.shed as f64 / served.asked.max(1) as f64
    })
}
