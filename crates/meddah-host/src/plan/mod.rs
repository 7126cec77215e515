//! How many machines a number of players takes, by simulation before anything is rented.
//!
//! The simulation drives the real [`Scheduler`](crate::admission::Scheduler), so what is planned is what later happens,
//! as far as machine and players are like the ones that were described. Engines are simple: each slot writes at a pace
//! that falls with the number of busy slots, and prompts are read at a rate. Memory for contexts, network and faults are
//! not simulated.
//!
//! - [`simulate`]: one [`Scenario`], one [`Outcome`].
//! - [`machines`]: searches over simulations for what a [`Target`] takes, and what that costs.
//! - [`plot`]: how the wait grows with the players on a machine, as a picture.

mod engine;
mod error;
mod machines;
mod outcome;
mod players;
mod plot;
mod scenario;
mod simulation;
mod table;
#[cfg(test)]
mod tests;

pub use error::PlanError;
pub use machines::{Basis, CurvePoint, Plan, PlanInput, PlanRow, Pool, Target, machines};
pub use outcome::{Outcome, Percentiles, Served};
pub use plot::plot;
pub use scenario::{Flood, Habits, Length, Machine, Order, Scenario};
pub use simulation::simulate;
