-- What was spent and what is reserved. Money is in micro-units, days are days of UTC since 1970.

-- The journal: rows are only added, and dropped after ENTRY_DAYS_KEPT. `kind` is reserve, settle, release or
-- expire.
CREATE TABLE entry (
    seq                INTEGER PRIMARY KEY,
    at_ms              INTEGER NOT NULL,
    kind               TEXT    NOT NULL,
    reservation        INTEGER NOT NULL,
    day                INTEGER NOT NULL,   -- the reservation's
    part               TEXT    NOT NULL,
    source             TEXT    NOT NULL,   -- who is paid
    model              TEXT    NOT NULL,
    micro              INTEGER NOT NULL,   -- reserved, charged or given back
    prompt_tokens      INTEGER NOT NULL DEFAULT 0,
    cached_tokens      INTEGER NOT NULL DEFAULT 0,
    cache_write_tokens INTEGER NOT NULL DEFAULT 0,
    completion_tokens  INTEGER NOT NULL DEFAULT 0,
    provider_micro     INTEGER             -- what the provider said that it charged
) STRICT;

CREATE INDEX entry_reservation ON entry (reservation);
CREATE INDEX entry_at ON entry (at_ms);

-- Reservations that are open. Numbers are never used twice.
CREATE TABLE reservation (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms  INTEGER NOT NULL,
    day    INTEGER NOT NULL,
    part   TEXT    NOT NULL,
    source TEXT    NOT NULL,
    model  TEXT    NOT NULL,
    micro  INTEGER NOT NULL
) STRICT;

CREATE INDEX reservation_at ON reservation (at_ms);

-- Sums of the above, kept so that a reservation reads a handful of rows. Day -1 is all days together.
CREATE TABLE tally (
    day      INTEGER NOT NULL,
    part     TEXT    NOT NULL,
    spent    INTEGER NOT NULL,
    reserved INTEGER NOT NULL,
    PRIMARY KEY (day, part)
) STRICT, WITHOUT ROWID;

-- The same by who was paid, for people to read.
CREATE TABLE usage (
    day                INTEGER NOT NULL,
    part               TEXT    NOT NULL,
    source             TEXT    NOT NULL,
    model              TEXT    NOT NULL,
    calls              INTEGER NOT NULL,
    prompt_tokens      INTEGER NOT NULL,
    cached_tokens      INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    completion_tokens  INTEGER NOT NULL,
    micro              INTEGER NOT NULL,
    PRIMARY KEY (day, part, source, model)
) STRICT, WITHOUT ROWID;

-- Of which ceilings the player was told that most is spent. Day -1 for the ceiling of all days.
CREATE TABLE told (
    day     INTEGER NOT NULL,
    ceiling INTEGER NOT NULL,
    PRIMARY KEY (day, ceiling)
) STRICT, WITHOUT ROWID;

-- Parts that the player has switched off.
CREATE TABLE switched_off (
    part  TEXT PRIMARY KEY,
    at_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
