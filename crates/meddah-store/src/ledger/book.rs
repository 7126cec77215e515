//! The rules, within one write transaction.

use rusqlite::{OptionalExtension as _, Transaction, params};

use super::{
    Booking, Ceilings, DAY_MS, Granted, NAME_BYTES_MAX, NEAR_END_PERCENT, NearEnd, PartCeiling,
    RESERVATION_LIFE, Refused, Spent, Which,
};

/// In the place of a day: all days together.
pub(super) const ALL_DAYS: i64 = -1;
/// SQLite has no larger integer. Stands in for "no ceiling", so that sums never overflow.
const MICRO_MAX: u64 = i64::MAX as u64;

pub(super) struct Book<'t> {
    pub transaction: &'t Transaction<'t>,
    pub now_ms: u64,
}

/// Spent and reserved.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    spent: u64,
    reserved: u64,
}

impl Tally {
    fn left_of(self, ceiling: u64) -> u64 {
        ceiling.saturating_sub(self.spent.saturating_add(self.reserved))
    }
}

/// What a part's money depends on at the moment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Standing {
    off: bool,
    part_today: Tally,
    today: Tally,
    total: Tally,
}

/// A reservation as it stands in the file.
struct Reservation {
    id: i64,
    day: i64,
    part: String,
    source: String,
    model: String,
    micro: i64,
}

impl Reservation {
    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Reservation> {
        Ok(Reservation {
            id: row.get(0)?,
            day: row.get(1)?,
            part: row.get(2)?,
            source: row.get(3)?,
            model: row.get(4)?,
            micro: row.get(5)?,
        })
    }
}

impl Book<'_> {
    pub fn today(&self) -> i64 {
        integer(self.now_ms / DAY_MS)
    }

    pub fn reserve(
        &self,
        ceilings: &Ceilings,
        booking: &Booking<'_>,
        owner: &str,
    ) -> Result<Granted, Refused> {
        let (before, left) = self.check(ceilings, booking)?;
        let mut insert = self.transaction.prepare_cached(
            "INSERT INTO reservation (at_ms, day, part, source, model, micro, owner) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?;
        let mut reservation = Reservation {
            id: 0,
            day: self.today(),
            part: name(booking.part),
            source: name(booking.source),
            model: name(booking.model),
            micro: integer(booking.micro),
        };
        let Reservation { day, part, source, model, micro, .. } = &reservation;
        reservation.id =
            insert.insert(params![integer(self.now_ms), day, part, source, model, micro, owner])?;
        self.add(&reservation, 0, reservation.micro)?;
        self.note("reserve", &reservation, reservation.micro, None)?;
        // What is reserved is not spent yet.
        let warns = self.near_end_of(ceilings, &before)?.is_some();
        let left = left.saturating_sub(booking.micro);
        Ok(Granted { id: reservation.id.unsigned_abs(), warns, left })
    }

    /// Whether leave would be given; how the part stands, and what the tightest ceiling leaves before the booking.
    pub fn check(&self, ceilings: &Ceilings, booking: &Booking<'_>) -> Result<(Standing, u64), Refused> {
        let own = ceilings.parts.get(booking.part);
        let standing = self.standing(booking.part)?;
        if own == Some(&PartCeiling::Off) || standing.off {
            return Err(Refused::Off);
        }
        let own = own.map_or(MICRO_MAX, |own| match own {
            PartCeiling::Off => 0,
            PartCeiling::PerDay(of) => *of,
        });
        let left = [
            (Which::PartDay, own, standing.part_today),
            (Which::Day, ceilings.per_day.unwrap_or(MICRO_MAX), standing.today),
            (Which::Total, ceilings.in_total.unwrap_or(MICRO_MAX), standing.total),
        ];
        let left = left.map(|(which, of, tally)| (which, of, tally.left_of(of.min(MICRO_MAX))));
        // The tightest one is what the player has to know of.
        match left.into_iter().min_by_key(|(.., left)| *left) {
            Some((which, of, left)) if booking.micro > left => Err(Refused::Ceiling { which, left, of }),
            tightest => Ok((standing, tightest.map_or(0, |(.., left)| left))),
        }
    }

    /// The sum of all open reservations.
    pub fn held(&self) -> rusqlite::Result<u64> {
        self.transaction
            .prepare_cached("SELECT COALESCE(SUM(micro), 0) FROM reservation")?
            .query_row([], |row| row.get(0))
    }

    pub fn settle(&self, id: u64, spent: &Spent) -> rusqlite::Result<()> {
        let (reservation, given_back) = match self.take(id)? {
            Some(open) => (open, true),
            // It ran out before; what was given back then was spent nevertheless.
            None => match self.expired(id)? {
                Some(expired) => (expired, false),
                None => return Ok(()),
            },
        };
        let given_back = if given_back { reservation.micro } else { 0 };
        self.add(&reservation, integer(spent.micro), -given_back)?;
        self.transaction.prepare_cached(include_str!("sql/usage_add.sql"))?.execute(params![
            reservation.day,
            reservation.part,
            reservation.source,
            reservation.model,
            spent.prompt_tokens,
            spent.cached_tokens,
            spent.cache_write_tokens,
            spent.completion_tokens,
            integer(spent.micro),
        ])?;
        self.note("settle", &reservation, integer(spent.micro), Some(spent))
    }

    pub fn release(&self, id: u64) -> rusqlite::Result<()> {
        match self.take(id)? {
            Some(reservation) => self.give_back("release", &reservation),
            None => Ok(()),
        }
    }

    /// Gives back what programs had reserved that have ended, and tells whether there was any. What those calls
    /// cost is not known; they are counted like those that ran out.
    pub fn give_back_of_the_gone(&self, is_gone: impl Fn(&str) -> bool) -> rusqlite::Result<bool> {
        let mut owners =
            self.transaction.prepare_cached("SELECT DISTINCT owner FROM reservation WHERE owner <> ''")?;
        let owners: Vec<String> = owners.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
        let mut any = false;
        for owner in owners.iter().filter(|owner| is_gone(owner)) {
            let mut ids = self.transaction.prepare_cached("SELECT id FROM reservation WHERE owner = ?")?;
            let ids: Vec<u64> = ids.query_map([owner], |row| row.get(0))?.collect::<Result<_, _>>()?;
            for id in ids {
                if let Some(reservation) = self.take(id)? {
                    self.give_back("expire", &reservation)?;
                    any = true;
                }
            }
        }
        Ok(any)
    }

    /// Gives back what was reserved too long ago, or (by a clock that was set back) too far in the future.
    pub fn expire(&self) -> rusqlite::Result<()> {
        let life_ms = RESERVATION_LIFE.as_millis() as u64;
        let mut ids = self.transaction.prepare_cached(
            "SELECT id FROM reservation WHERE at_ms <= ? UNION ALL SELECT id FROM reservation WHERE at_ms > ?",
        )?;
        let range = (self.now_ms.checked_sub(life_ms).map_or(-1, integer), integer(self.now_ms + life_ms));
        let ids: Vec<u64> = ids.query_map(range, |row| row.get(0))?.collect::<Result<_, _>>()?;
        for id in ids {
            if let Some(reservation) = self.take(id)? {
                self.give_back("expire", &reservation)?;
            }
        }
        Ok(())
    }

    pub fn near_end(&self, ceilings: &Ceilings) -> rusqlite::Result<Option<NearEnd>> {
        if ceilings.per_day.is_none() && ceilings.in_total.is_none() {
            return Ok(None);
        }
        self.near_end_of(ceilings, &self.standing("")?)
    }

    fn near_end_of(&self, ceilings: &Ceilings, standing: &Standing) -> rusqlite::Result<Option<NearEnd>> {
        let days = [
            (Which::Day, ceilings.per_day, self.today(), standing.today.spent),
            (Which::Total, ceilings.in_total, ALL_DAYS, standing.total.spent),
        ];
        for (which, of, day, spent) in days {
            let Some(of) = of else { continue };
            let due = of > 0 && u128::from(spent) * 100 >= u128::from(of) * u128::from(NEAR_END_PERCENT);
            if due && !self.exists("SELECT 1 FROM told WHERE day = ? AND ceiling = ?", (day, integer(of)))? {
                return Ok(Some(NearEnd { which, spent, of }));
            }
        }
        Ok(None)
    }

    pub fn take_near_end(&self, ceilings: &Ceilings) -> rusqlite::Result<Option<NearEnd>> {
        let near_end = self.near_end(ceilings)?;
        if let Some(NearEnd { which, of, .. }) = near_end {
            let day = if which == Which::Total { ALL_DAYS } else { self.today() };
            let mut tell =
                self.transaction.prepare_cached("INSERT INTO told (day, ceiling) VALUES (?, ?)")?;
            tell.execute((day, integer(of)))?;
        }
        Ok(near_end)
    }

    pub fn switch(&self, part: &str, on: bool) -> rusqlite::Result<()> {
        if on {
            self.transaction.execute("DELETE FROM switched_off WHERE part = ?", [part])?;
        } else {
            let now_ms = integer(self.now_ms);
            self.transaction
                .execute("INSERT OR IGNORE INTO switched_off (part, at_ms) VALUES (?, ?)", (part, now_ms))?;
        }
        Ok(())
    }

    pub fn forget_before(&self, ms: u64) -> rusqlite::Result<()> {
        self.transaction.execute("DELETE FROM entry WHERE at_ms < ?", [integer(ms)]).map(|_| ())
    }

    /// How all parts stand, and one of them.
    fn standing(&self, part: &str) -> rusqlite::Result<Standing> {
        let mut rows = self.transaction.prepare_cached(include_str!("sql/standing.sql"))?;
        let mut rows = rows.query(params![self.today(), ALL_DAYS, part])?;
        let mut standing = Standing::default();
        while let Some(row) = rows.next()? {
            let Some(day) = row.get::<_, Option<i64>>(0)? else {
                standing.off = true;
                continue;
            };
            let tally = Tally { spent: row.get(2)?, reserved: row.get(3)? };
            let all = if day == ALL_DAYS { &mut standing.total } else { &mut standing.today };
            all.spent = all.spent.saturating_add(tally.spent);
            all.reserved = all.reserved.saturating_add(tally.reserved);
            if day != ALL_DAYS && row.get_ref(1)?.as_str()? == part {
                standing.part_today = tally;
            }
        }
        Ok(standing)
    }

    /// Removes an open reservation; its money is still reserved in the tally.
    fn take(&self, id: u64) -> rusqlite::Result<Option<Reservation>> {
        let mut delete = self.transaction.prepare_cached(
            "DELETE FROM reservation WHERE id = ? RETURNING id, day, part, source, model, micro",
        )?;
        delete.query_row([integer(id)], Reservation::read).optional()
    }

    /// A reservation that ran out, of which nothing was heard since.
    fn expired(&self, id: u64) -> rusqlite::Result<Option<Reservation>> {
        let mut last = self.transaction.prepare_cached(
            "SELECT reservation, day, part, source, model, micro, kind FROM entry \
             WHERE reservation = ? ORDER BY seq DESC LIMIT 1",
        )?;
        let last = last.query_row([integer(id)], |row| {
            let kind: String = row.get(6)?;
            Ok((kind == "expire").then_some(Reservation::read(row)?))
        });
        Ok(last.optional()?.flatten())
    }

    fn give_back(&self, kind: &str, reservation: &Reservation) -> rusqlite::Result<()> {
        self.add(reservation, 0, -reservation.micro)?;
        self.note(kind, reservation, reservation.micro, None)
    }

    /// Changes the sums of the reservation's day and of all days.
    fn add(&self, reservation: &Reservation, spent: i64, reserved: i64) -> rusqlite::Result<()> {
        let mut add = self.transaction.prepare_cached(include_str!("sql/tally_add.sql"))?;
        for day in [reservation.day, ALL_DAYS] {
            add.execute(params![day, reservation.part, spent, reserved])?;
        }
        Ok(())
    }

    fn note(
        &self,
        kind: &str,
        about: &Reservation,
        micro: i64,
        spent: Option<&Spent>,
    ) -> rusqlite::Result<()> {
        let spent = spent.copied().unwrap_or_default();
        self.transaction.prepare_cached(include_str!("sql/entry_insert.sql"))?.execute(params![
            integer(self.now_ms),
            kind,
            about.id,
            about.day,
            about.part,
            about.source,
            about.model,
            micro,
            spent.prompt_tokens,
            spent.cached_tokens,
            spent.cache_write_tokens,
            spent.completion_tokens,
            spent.provider_micro.map(integer),
        ])?;
        Ok(())
    }

    fn exists(&self, sql: &str, parameters: impl rusqlite::Params) -> rusqlite::Result<bool> {
        self.transaction.prepare_cached(sql)?.exists(parameters)
    }
}

/// SQLite's integers are signed; what is larger is as large as they get.
fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn name(text: &str) -> String {
    text[..text.floor_char_boundary(NAME_BYTES_MAX)].to_owned()
}
