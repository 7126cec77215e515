//! What each player may use in a day and in a month, and what the whole server may: reserved before anything
//! is asked of an engine, settled when it is known, written to the ledger exactly once.
//!
//! A request must not wait for a database, and several programs in front of one database must not spend the
//! same thing twice. So a program *leases* a piece of each window from the [store](crate::storage), which
//! counts as used for everybody else, and reserves against its leases in memory ([`desk`]). One task, the
//! [`clerk`], writes what was settled and renews the leases with the same commit, many requests at a time.
//! The pieces become smaller as a limit comes near ([`room`]), so that several programs can share what is
//! left; together they never pass it.
//!
//! [Decision 0025](../../../../docs/decisions/0025-host-ledger.md) gives the reasons and what a crash costs.

mod amounts;
mod book;
mod clerk;
mod desk;
mod error;
mod lease;
pub mod room;
mod round;
mod window;

#[cfg(test)]
mod tests;

pub use amounts::{AMOUNT_MAX, Allowance, Amounts, Left, NearEnd, Tier, Unit};
pub use book::{Book, BookSettings, Clock, Purpose, Reservation};
pub use desk::{FENCE_MS, REQUESTS_MAX};
pub use error::{Exceeded, QuotaError};
pub use window::{DAY_MS, Period, Whose, Window};
