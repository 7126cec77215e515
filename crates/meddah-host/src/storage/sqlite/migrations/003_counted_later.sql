-- Lines of the ledger are written one behind the other, and counted later, many at once: windows and the lists of
-- players' lines are pages all over the file, and writing these for each line cost more than everything else.
ALTER TABLE server ADD COLUMN counted INTEGER NOT NULL DEFAULT 0;   -- the last line that is counted

-- Without the reference to a player, which would need an index that is written with each line.
CREATE TABLE ledger_of_003 (
    seq        INTEGER PRIMARY KEY,
    request    TEXT    NOT NULL UNIQUE,
    player     TEXT,
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
INSERT INTO ledger_of_003 SELECT seq, request, player, class, model, turns, tokens, speech_ms, micro, at_ms, settled_ms,
    ended FROM ledger ORDER BY seq;
DROP TABLE ledger;
ALTER TABLE ledger_of_003 RENAME TO ledger;
CREATE INDEX ledger_at ON ledger (at_ms);

-- The lines of each player, of those that are counted.
CREATE TABLE ledger_player (
    player TEXT    NOT NULL,
    seq    INTEGER NOT NULL,
    PRIMARY KEY (player, seq)
) STRICT, WITHOUT ROWID;
INSERT INTO ledger_player SELECT player, seq FROM ledger WHERE player IS NOT NULL ORDER BY player, seq;
UPDATE server SET counted = (SELECT coalesce(max(seq), 0) FROM ledger);
