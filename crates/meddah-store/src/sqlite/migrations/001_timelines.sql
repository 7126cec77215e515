-- Timelines as trees of branches. Rows are added, never changed, but for the head of a timeline and
-- the tip of a branch.

CREATE TABLE timeline (
    id          INTEGER PRIMARY KEY,
    public_id   INTEGER NOT NULL UNIQUE,   -- 48 random bits, the name inside cursors
    world       TEXT    NOT NULL,
    player      TEXT    NOT NULL,
    head_branch INTEGER NOT NULL,
    head_seq    INTEGER NOT NULL,
    loads       INTEGER NOT NULL,          -- how often a save was loaded
    created_ms  INTEGER NOT NULL,
    UNIQUE (world, player)
) STRICT;

-- A child has a larger number than its parent. `jump` is an ancestor further up, placed so that any
-- ancestor is reached in O(log depth) steps (skew-binary numbers).
CREATE TABLE branch (
    timeline   INTEGER NOT NULL REFERENCES timeline (id),
    number     INTEGER NOT NULL,
    parent     INTEGER,                    -- NULL for the first
    fork_seq   INTEGER NOT NULL,           -- the parent's entries up to here belong to this one too
    jump       INTEGER NOT NULL,
    depth      INTEGER NOT NULL,
    tip_seq    INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (timeline, number),
    FOREIGN KEY (timeline, parent) REFERENCES branch (timeline, number)
) STRICT, WITHOUT ROWID;

-- `seq` counts from the beginning of the timeline along the branch's ancestors.
CREATE TABLE entry (
    id        INTEGER PRIMARY KEY,
    timeline  INTEGER NOT NULL,
    branch    INTEGER NOT NULL,
    seq       INTEGER NOT NULL,
    hash      BLOB    NOT NULL,            -- over the parent's hash and `body`
    game_time INTEGER,
    body      TEXT    NOT NULL,            -- JSON
    UNIQUE (timeline, branch, seq),
    FOREIGN KEY (timeline, branch) REFERENCES branch (timeline, number)
) STRICT;

CREATE INDEX entry_game_time ON entry (timeline, branch, seq, game_time) WHERE game_time IS NOT NULL;

-- Under which headings an entry can be found, see topic.rs.
CREATE TABLE posting (
    timeline INTEGER NOT NULL,
    topic    TEXT    NOT NULL,
    branch   INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    entry    INTEGER NOT NULL REFERENCES entry (id),
    PRIMARY KEY (timeline, topic, branch, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE save_point (
    id           INTEGER PRIMARY KEY,
    timeline     INTEGER NOT NULL,
    branch       INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    name         TEXT,
    game_time    INTEGER,
    wall_time_ms INTEGER NOT NULL,
    FOREIGN KEY (timeline, branch) REFERENCES branch (timeline, number)
) STRICT;

CREATE INDEX save_point_name ON save_point (timeline, name, id) WHERE name IS NOT NULL;
CREATE INDEX save_point_game_time ON save_point (timeline, branch, seq, game_time) WHERE game_time IS NOT NULL;
