//! Who may use a slot of an engine next.
//!
//! An engine that is sent more than it has slots for queues the rest in the order of arrival, and one player with many
//! requests makes all others wait. So the queue is here, and no more is sent than there are slots:
//!
//! - *classes*: live before session before ambient, strictly. What is late in a lower class expires; a conversation that
//!   nobody hears in time is worth nothing. [`AdmissionSettings::kept_for_live`] keeps slots free for live requests.
//! - *fairness* within a class: virtual token counters (Sheng et al., OSDI 2024), see `queue`. No slot stays free while a
//!   request that may run waits.
//! - *limits*: requests of a player that run or wait, requests that wait in all, and patience. A request that would not
//!   start within its patience is turned away at once, with a time to come back.
//!
//! [`Scheduler`] decides and is pure; [`Gate`] is the same for async code; [`crate::plan`] simulates with it.
//!
//! A request that has a slot keeps it. Taking it from an ambient request that has not had its first byte, for the sake
//! of a live one, was left out: that phase is the reading of the prompt, a tenth of the time that a request holds its
//! slot, and engines finish reading before they notice that nobody waits, so the slot would not be free sooner. A slot
//! that is kept for live requests does more and costs no work that was begun.

mod asking;
mod cost;
mod figures;
mod forecast;
mod gate;
mod pace;
mod queue;
mod scheduler;
mod settings;
mod slot;
#[cfg(test)]
mod tests;

pub use asking::{Asking, Place, Shed, ShedReason, Ticket};
pub use cost::Usage;
pub use figures::{ClassFigures, GateFigures};
pub use gate::Gate;
pub use scheduler::{Asked, Scheduler, Verdict};
pub use settings::{AdmissionSettings, ClassSettings};
pub use slot::Slot;
