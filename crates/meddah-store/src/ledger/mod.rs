//! What was spent on paid models, in a SQLite file of its own that several programs may use at once.
//!
//! Whoever wants to spend reserves first. A reservation is given within one write transaction that reads what is
//! spent and reserved, so that no two callers, threads or programs can get the same money. All money is in
//! micro-units, and a day is a calendar day of UTC.

mod book;
mod error;
mod owner;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::StoreError;
use crate::sqlite::open::{FileKind, file_of};
use book::Book;
use error::{ours, reworded};
use owner::Owner;

pub use report::{LedgerReport, ModelLine, PartLine, Sums, Usage};

/// "MdBu". Without a sync at each commit: a crash of the program takes nothing with it, a power cut perhaps what
/// was spent in its last moments.
const KIND: FileKind = FileKind {
    application_id: 0x4d64_4275,
    migrations: &[include_str!("001_ledger.sql"), include_str!("002_owner.sql")],
    synchronous: "NORMAL",
};
/// A reservation that was neither settled nor released for so long is given back, whoever it belongs to. That of
/// a program that has ended is given back before: when a ledger is opened or read, or somebody needs the money.
pub const RESERVATION_LIFE: Duration = Duration::from_secs(15 * 60);
/// How long a call waits for another program that writes.
const BUSY_WAIT_MAX: Duration = Duration::from_secs(2);
/// From this share of a ceiling on there is a warning to take.
const NEAR_END_PERCENT: u64 = 80;
/// Rows of the journal are kept for so many days; sums are kept for ever.
const ENTRY_DAYS_KEPT: u64 = 400;
/// Charges that could not be written yet; without leave to spend there cannot be many.
const UNWRITTEN_MAX: usize = 4_096;
/// Names of parts, sources and models are cut to this, in bytes.
const NAME_BYTES_MAX: usize = 200;
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds since 1970, UTC.
pub type LedgerClock = Box<dyn Fn() -> u64 + Send + Sync>;

/// How much may be spent, in micro-units.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ceilings {
    /// In a day; `None` for no ceiling.
    pub per_day: Option<u64>,
    /// Ever; `None` for no ceiling.
    pub in_total: Option<u64>,
    /// Parts that have a rule of their own.
    pub parts: BTreeMap<String, PartCeiling>,
}

/// A part's own rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartCeiling {
    /// Nothing.
    Off,
    /// So much in a day, within the common ceilings.
    PerDay(u64),
}

/// What leave is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Booking<'b> {
    /// What the money is for.
    pub part: &'b str,
    /// Who is paid.
    pub source: &'b str,
    /// Which model.
    pub model: &'b str,
    /// The most that it can cost, in micro-units.
    pub micro: u64,
}

/// Leave was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Granted {
    /// To settle or release it by.
    pub id: u64,
    /// There is a warning to take.
    pub warns: bool,
    /// What the tightest ceiling leaves beside it, in micro-units.
    pub left: u64,
}

/// What it cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// In micro-units.
    pub micro: u64,
    /// Tokens of the prompt, those of the next two among them.
    pub prompt_tokens: u32,
    /// Tokens that came from a cache.
    pub cached_tokens: u32,
    /// Tokens that were written to a cache.
    pub cache_write_tokens: u32,
    /// Tokens of the reply.
    pub completion_tokens: u32,
    /// What the provider itself said that it charged.
    pub provider_micro: Option<u64>,
}

/// Which ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The part's own, for a day.
    PartDay,
    /// The common one for a day.
    Day,
    /// The common one, ever.
    Total,
}

/// Leave was not given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The part is off.
    Off,
    /// It could pass this ceiling.
    Ceiling {
        /// Which.
        which: Which,
        /// What is left of it, in micro-units.
        left: u64,
        /// Its height.
        of: u64,
    },
    /// What was spent is not known.
    Unknown(StoreError),
}

impl From<rusqlite::Error> for Refused {
    fn from(error: rusqlite::Error) -> Self {
        Refused::Unknown(ours(error))
    }
}

/// Most of a ceiling is spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NearEnd {
    /// [`Which::Day`] or [`Which::Total`].
    pub which: Which,
    /// How much is spent, in micro-units.
    pub spent: u64,
    /// Of how much.
    pub of: u64,
}

/// The ledger. Its calls block for some microseconds, longer only while another program writes.
pub struct SqliteLedger {
    file: PathBuf,
    ceilings: Ceilings,
    clock: LedgerClock,
    inner: Mutex<Inner>,
}

struct Inner {
    connection: Connection,
    /// Charges that the file did not take; nothing is granted before it has.
    unwritten: Vec<(u64, Spent)>,
    /// Begun with the first reservation: whoever only reads needs none.
    owner: Option<Owner>,
}

impl SqliteLedger {
    /// Opens the file, or begins one.
    ///
    /// # Errors
    /// A file that is damaged, of another program or of a newer version is refused and left as it is.
    pub fn open(path: &Path, ceilings: Ceilings, clock: LedgerClock) -> Result<Self, StoreError> {
        let connection = file_of(&KIND, path).map_err(reworded)?;
        connection.busy_timeout(BUSY_WAIT_MAX).map_err(ours)?;
        let inner = Mutex::new(Inner { connection, unwritten: Vec::new(), owner: None });
        let ledger = SqliteLedger { file: path.to_owned(), ceilings, clock, inner };
        ledger.write(|book| {
            book.give_back_of_the_gone(|name| owner::is_gone(path, name))?;
            book.forget_before(book.now_ms.saturating_sub(ENTRY_DAYS_KEPT * DAY_MS))
        })?;
        owner::tidy_up(path);
        Ok(ledger)
    }

    /// Asks for leave to spend.
    ///
    /// # Errors
    /// See [`Refused`]; nothing may be spent then.
    pub fn reserve(&self, booking: &Booking<'_>) -> Result<Granted, Refused> {
        let mut inner = self.lock();
        let (now_ms, inner) = ((self.clock)(), &mut *inner);
        if inner.owner.is_none() {
            let begun = Owner::begin(&self.file);
            inner.owner =
                begun.inspect_err(|error| tracing::warn!("no lock beside the budget: {error}")).ok();
        }
        let owner = inner.owner.as_ref().map_or("", |owner| owner.name.as_str());
        let transaction = begin(&mut inner.connection)?;
        let book = Book { transaction: &transaction, now_ms };
        book.expire()?;
        for (id, spent) in &inner.unwritten {
            book.settle(*id, spent)?;
        }
        let mut granted = book.reserve(&self.ceilings, booking, owner);
        if matches!(granted, Err(Refused::Ceiling { .. })) && self.give_back_of_the_gone(&book)? {
            granted = book.reserve(&self.ceilings, booking, owner);
        }
        if let Err(Refused::Unknown(_)) = granted {
            return granted;
        }
        // What ran out is given back whether there is enough now or not.
        transaction.commit()?;
        inner.unwritten.clear();
        granted
    }

    /// Whether leave would be given now. Nothing is reserved.
    ///
    /// # Errors
    /// See [`Refused`].
    pub fn check(&self, booking: &Booking<'_>) -> Result<(), Refused> {
        let checked = self.write(|book| {
            book.expire()?;
            self.give_back_of_the_gone(book)?;
            Ok(book.check(&self.ceilings, booking).map(|_| ()))
        });
        checked.map_err(Refused::Unknown)?
    }

    /// What programs that have ended had reserved comes back; tells whether there was any.
    fn give_back_of_the_gone(&self, book: &Book<'_>) -> rusqlite::Result<bool> {
        book.give_back_of_the_gone(|name| owner::is_gone(&self.file, name))
    }

    /// Writes down what it cost, for the day of the reservation; of a reservation that was settled or released
    /// already, nothing. Says whether there is a warning to take.
    ///
    /// # Errors
    /// The charge is not lost: it is written before anything else is granted.
    pub fn settle(&self, id: u64, spent: &Spent) -> Result<bool, StoreError> {
        let written = self.write(|book| {
            book.settle(id, spent)?;
            Ok(book.near_end(&self.ceilings)?.is_some())
        });
        if written.is_err() {
            let mut inner = self.lock();
            if inner.unwritten.len() < UNWRITTEN_MAX {
                inner.unwritten.push((id, *spent));
            }
        }
        written
    }

    /// Gives back what was reserved.
    ///
    /// # Errors
    /// It runs out by itself then, after [`RESERVATION_LIFE`].
    pub fn release(&self, id: u64) -> Result<(), StoreError> {
        self.write(|book| book.release(id))
    }

    /// What is reserved at the moment, in micro-units.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn held(&self) -> Result<u64, StoreError> {
        self.write(|book| book.held())
    }

    /// A warning that nobody took yet: once for each ceiling and day.
    ///
    /// # Errors
    /// It can be taken later.
    pub fn take_near_end(&self) -> Result<Option<NearEnd>, StoreError> {
        self.write(|book| book.take_near_end(&self.ceilings))
    }

    /// Switches a part off or on again, at once and for every program with this file.
    ///
    /// # Errors
    /// Nothing was changed.
    pub fn switch(&self, part: &str, on: bool) -> Result<(), StoreError> {
        self.write(|book| book.switch(part, on))
    }

    /// What was spent, on what.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn report(&self) -> Result<LedgerReport, StoreError> {
        self.write(|book| {
            book.expire()?;
            self.give_back_of_the_gone(book)?;
            report::read(book)
        })
    }

    fn write<T>(&self, job: impl FnOnce(&Book<'_>) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let mut inner = self.lock();
        let transaction = begin(&mut inner.connection).map_err(ours)?;
        let done = job(&Book { transaction: &transaction, now_ms: (self.clock)() }).map_err(ours)?;
        transaction.commit().map_err(ours)?;
        Ok(done)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Immediate: what is read stays true until the commit, whatever other programs do.
fn begin(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}
