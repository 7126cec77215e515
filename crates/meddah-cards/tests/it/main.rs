//! Everything that comes in goes out again, and nothing that comes in does harm.

mod cards;
mod crowd;
mod fuzz;
mod hostile;
mod mapping;
mod round_trip;
