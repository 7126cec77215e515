//! The ledger for people to read.

use rusqlite::Row;

use super::book::{ALL_DAYS, Book};

/// What was spent, on what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerReport {
    /// Days since 1970.
    pub day: u64,
    /// Milliseconds since 1970.
    pub now_ms: u64,
    /// By what it was for, in the order of the names.
    pub parts: Vec<PartLine>,
    /// By who was paid, the dearest first.
    pub models: Vec<ModelLine>,
    /// Parts that are switched off.
    pub off: Vec<String>,
    /// Reservations that ran out or whose program had ended, and that were never settled.
    pub run_out: u64,
}

/// One part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PartLine {
    /// Its name.
    pub part: String,
    /// Today.
    pub today: Sums,
    /// All days.
    pub total: Sums,
}

/// Micro-units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Settled.
    pub spent: u64,
    /// Open.
    pub reserved: u64,
}

/// One model for one part.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelLine {
    /// What it was for.
    pub part: String,
    /// Who was paid.
    pub source: String,
    /// The model.
    pub model: String,
    /// Today.
    pub today: Usage,
    /// All days.
    pub total: Usage,
}

/// Settled calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// How many.
    pub calls: u64,
    /// Tokens of prompts, those of the next two among them.
    pub prompt_tokens: u64,
    /// Tokens from a cache.
    pub cached_tokens: u64,
    /// Tokens written to a cache.
    pub cache_write_tokens: u64,
    /// Tokens of replies.
    pub completion_tokens: u64,
    /// Micro-units.
    pub micro: u64,
}

impl Usage {
    fn add(&mut self, other: Usage) {
        self.calls = self.calls.saturating_add(other.calls);
        self.prompt_tokens = self.prompt_tokens.saturating_add(other.prompt_tokens);
        self.cached_tokens = self.cached_tokens.saturating_add(other.cached_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(other.cache_write_tokens);
        self.completion_tokens = self.completion_tokens.saturating_add(other.completion_tokens);
        self.micro = self.micro.saturating_add(other.micro);
    }
}

pub(super) fn read(book: &Book<'_>) -> rusqlite::Result<LedgerReport> {
    let run_out = "SELECT count(*) FROM entry AS a WHERE kind = 'expire' AND NOT EXISTS \
                   (SELECT 1 FROM entry AS b WHERE b.reservation = a.reservation AND b.kind = 'settle')";
    let mut off = book.transaction.prepare("SELECT part FROM switched_off ORDER BY part")?;
    let off = off.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(LedgerReport {
        day: book.today().unsigned_abs(),
        now_ms: book.now_ms,
        parts: parts(book)?,
        models: models(book)?,
        off,
        run_out: book.transaction.query_row(run_out, [], |row| row.get(0))?,
    })
}

fn parts(book: &Book<'_>) -> rusqlite::Result<Vec<PartLine>> {
    let sums = |day: i64| -> rusqlite::Result<Vec<(String, Sums)>> {
        let mut rows = book
            .transaction
            .prepare("SELECT part, spent, reserved FROM tally WHERE day = ? ORDER BY part")?;
        let rows = rows
            .query_map([day], |row| Ok((row.get(0)?, Sums { spent: row.get(1)?, reserved: row.get(2)? })))?;
        rows.collect()
    };
    let today = sums(book.today())?;
    let line = |(part, total): (String, Sums)| {
        let today = today.iter().find(|(other, _)| *other == part).map(|(_, sums)| *sums);
        PartLine { part, today: today.unwrap_or_default(), total }
    };
    Ok(sums(ALL_DAYS)?.into_iter().map(line).collect())
}

/// Adds up in Rust: a sum of SQLite that overflows is an error.
fn models(book: &Book<'_>) -> rusqlite::Result<Vec<ModelLine>> {
    let mut rows = book.transaction.prepare(
        "SELECT part, source, model, day, calls, prompt_tokens, cached_tokens, cache_write_tokens, \
         completion_tokens, micro FROM usage ORDER BY source, model, part",
    )?;
    let mut rows = rows.query([])?;
    let mut lines: Vec<ModelLine> = Vec::new();
    while let Some(row) = rows.next()? {
        let (part, source, model): (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let same = |line: &ModelLine| (&line.part, &line.source, &line.model) == (&part, &source, &model);
        if !lines.last().is_some_and(same) {
            lines.push(ModelLine { part, source, model, ..ModelLine::default() });
        }
        let Some(line) = lines.last_mut() else { continue };
        let usage = usage(row)?;
        line.total.add(usage);
        if row.get::<_, i64>(3)? == book.today() {
            line.today.add(usage);
        }
    }
    lines.sort_by_key(|line| std::cmp::Reverse(line.total.micro));
    Ok(lines)
}

fn usage(row: &Row<'_>) -> rusqlite::Result<Usage> {
    Ok(Usage {
        calls: row.get(4)?,
        prompt_tokens: row.get(5)?,
        cached_tokens: row.get(6)?,
        cache_write_tokens: row.get(7)?,
        completion_tokens: row.get(8)?,
        micro: row.get(9)?,
    })
}
