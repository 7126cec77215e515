-- Timelines as trees of branches. Rows are added, never changed, but for the head of a timeline and the tip of a
-- branch. Whoever writes to a timeline holds its row locked until the commit.

CREATE TABLE timeline (
    id          BIGINT PRIMARY KEY,         -- 48 random bits, the name inside cursors
    begun       BIGINT GENERATED ALWAYS AS IDENTITY UNIQUE, -- the order of beginning
    world       TEXT   COLLATE "C" NOT NULL,
    player      TEXT   COLLATE "C" NOT NULL,
    head_branch BIGINT NOT NULL,
    head_seq    BIGINT NOT NULL,
    loads       BIGINT NOT NULL,            -- how often a save was loaded
    written     BIGINT NOT NULL,            -- how many entries there are, of all branches
    created_ms  BIGINT NOT NULL,
    UNIQUE (world, player)
) WITH (fillfactor = 50); -- the head moves with each turn: room for the next version on the same page

-- A child has a larger number than its parent. `jump` is an ancestor further up, placed so that any
-- ancestor is reached in O(log depth) steps (skew-binary numbers).
CREATE TABLE branch (
    timeline   BIGINT NOT NULL REFERENCES timeline (id),
    number     BIGINT NOT NULL,
    parent     BIGINT,                      -- NULL for the first
    fork_seq   BIGINT NOT NULL,             -- the parent's entries up to here belong to this one too
    jump       BIGINT NOT NULL,
    depth      BIGINT NOT NULL,
    tip_seq    BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (timeline, number),
    FOREIGN KEY (timeline, parent) REFERENCES branch (timeline, number)
) WITH (fillfactor = 80);

-- `seq` counts from the beginning of the timeline along the branch's ancestors. `number` is the order of writing
-- within the timeline. It is given under the lock of the timeline, so no smaller one is committed later: whoever
-- reads on from a number misses nothing.
CREATE TABLE entry (
    timeline  BIGINT NOT NULL,
    branch    BIGINT NOT NULL,
    seq       BIGINT NOT NULL,
    number    BIGINT NOT NULL,
    hash      BIGINT NOT NULL,              -- over the parent's hash and `body`, the bytes as a big-endian number
    game_time BIGINT,
    body      TEXT   NOT NULL,              -- JSON; not `jsonb`, which would change the text that is hashed
    PRIMARY KEY (timeline, branch, seq),
    UNIQUE (timeline, number),
    FOREIGN KEY (timeline, branch) REFERENCES branch (timeline, number)
);

CREATE INDEX entry_game_time ON entry (timeline, branch, seq) INCLUDE (game_time) WHERE game_time IS NOT NULL;

-- Under which headings an entry can be found, see topic.rs. A heading is kept as a hash of 128 bits: an index takes
-- no long text, and no text takes a zero byte.
CREATE TABLE posting (
    timeline BIGINT NOT NULL,
    topic    BYTEA  NOT NULL,
    branch   BIGINT NOT NULL,
    seq      BIGINT NOT NULL,
    PRIMARY KEY (timeline, topic, branch, seq)
);

CREATE TABLE save_point (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    timeline     BIGINT NOT NULL,
    branch       BIGINT NOT NULL,
    seq          BIGINT NOT NULL,
    name         TEXT   COLLATE "C",
    game_time    BIGINT,
    wall_time_ms BIGINT NOT NULL,
    FOREIGN KEY (timeline, branch) REFERENCES branch (timeline, number)
);

CREATE INDEX save_point_name ON save_point (timeline, name, id) WHERE name IS NOT NULL;
CREATE INDEX save_point_game_time ON save_point (timeline, branch, seq) INCLUDE (game_time)
    WHERE game_time IS NOT NULL;

-- Vectors by the hash of what they were made from, shared by all timelines.
CREATE TABLE vector (
    id         BIGINT PRIMARY KEY,
    check_half BIGINT NOT NULL,
    bytes      BYTEA  NOT NULL
);
-- Numbers do not compress; to try takes longer than to write them.
ALTER TABLE vector ALTER COLUMN bytes SET STORAGE EXTERNAL;
