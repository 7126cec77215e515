-- What is derived from entries, and catching up with them.

-- Entries of a timeline in the order of writing: an index on the column alone ends in the row's id.
CREATE INDEX entry_written ON entry (timeline);

-- Vectors by the hash of what they were made from, shared by all branches and players. `id` is the first
-- half of the hash and `check_half` the other, so that a look-up is one step down one tree.
CREATE TABLE vector (
    id         INTEGER PRIMARY KEY,
    check_half INTEGER NOT NULL,
    bytes      BLOB    NOT NULL
) STRICT;

-- How often this file was compacted: numbers of branches may be given anew after that, so whoever keeps an
-- index of entries begins again. `entry_floor` is the largest row id that was ever deleted: ids of entries are
-- never given anew, because readers keep entries by them.
CREATE TABLE upkeep (
    compactions INTEGER NOT NULL,
    entry_floor INTEGER NOT NULL
) STRICT;
INSERT INTO upkeep (compactions, entry_floor) VALUES (0, 0);
