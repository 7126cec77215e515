-- Times are milliseconds since 1970, money is in millionths of a dollar.

CREATE TABLE server (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    state TEXT NOT NULL
) STRICT;
INSERT INTO server (one, state) VALUES (1, 'open');

CREATE TABLE player (
    id         TEXT PRIMARY KEY,
    name       TEXT    NOT NULL,
    tier       TEXT    NOT NULL,
    blocked    INTEGER NOT NULL,
    created_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE token (
    id         TEXT PRIMARY KEY,
    player     TEXT    NOT NULL REFERENCES player ON DELETE CASCADE,
    hash       BLOB    NOT NULL,
    label      TEXT    NOT NULL,
    created_ms INTEGER NOT NULL,
    used_ms    INTEGER,
    revoked_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX token_player ON token (player);

CREATE TABLE invite (
    id         TEXT PRIMARY KEY,
    hash       BLOB    NOT NULL UNIQUE,
    tier       TEXT    NOT NULL,
    uses_left  INTEGER NOT NULL CHECK (uses_left >= 0),
    expires_ms INTEGER,
    created_ms INTEGER NOT NULL,
    note       TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE identity (
    provider TEXT NOT NULL,
    subject  TEXT NOT NULL,
    player   TEXT NOT NULL REFERENCES player ON DELETE CASCADE,
    PRIMARY KEY (provider, subject)
) STRICT, WITHOUT ROWID;
CREATE INDEX identity_player ON identity (player);

-- Programs that have the store open.
CREATE TABLE host (
    id        TEXT PRIMARY KEY,
    batch     INTEGER NOT NULL,   -- the number of the last one
    joined_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What was used in a day or a month, by a player or (without a player) by all.
CREATE TABLE usage_window (
    key       TEXT PRIMARY KEY,
    player    TEXT REFERENCES player ON DELETE CASCADE,
    turns     INTEGER NOT NULL DEFAULT 0,
    tokens    INTEGER NOT NULL DEFAULT 0,
    speech_ms INTEGER NOT NULL DEFAULT 0,
    micro     INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_window_player ON usage_window (player) WHERE player IS NOT NULL;

-- What a program may promise of a window; used for everybody else.
CREATE TABLE lease (
    usage_window TEXT NOT NULL REFERENCES usage_window ON DELETE CASCADE,
    host         TEXT NOT NULL REFERENCES host ON DELETE CASCADE,
    turns        INTEGER NOT NULL,
    tokens       INTEGER NOT NULL,
    speech_ms    INTEGER NOT NULL,
    micro        INTEGER NOT NULL,
    PRIMARY KEY (usage_window, host)
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_host ON lease (host);

-- Keys of requests, so that a repeated one is not charged again.
CREATE TABLE claim (
    key     BLOB PRIMARY KEY,
    player  TEXT NOT NULL REFERENCES player ON DELETE CASCADE,
    request TEXT NOT NULL UNIQUE,
    host    TEXT NOT NULL,
    at_ms   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX claim_at ON claim (at_ms);
CREATE INDEX claim_host ON claim (host);
CREATE INDEX claim_player ON claim (player);

-- Rows are only added. Those of a player that was deleted stay, without the player.
CREATE TABLE ledger (
    seq        INTEGER PRIMARY KEY,
    request    TEXT    NOT NULL UNIQUE,
    player     TEXT REFERENCES player ON DELETE SET NULL,
    class      TEXT    NOT NULL,
    model      TEXT    NOT NULL,
    turns      INTEGER NOT NULL,
    tokens     INTEGER NOT NULL,
    speech_ms  INTEGER NOT NULL,
    micro      INTEGER NOT NULL,
    at_ms      INTEGER NOT NULL,
    settled_ms INTEGER NOT NULL,
    ended      TEXT    NOT NULL
) STRICT;
CREATE INDEX ledger_player ON ledger (player, seq);
CREATE INDEX ledger_at ON ledger (at_ms);
