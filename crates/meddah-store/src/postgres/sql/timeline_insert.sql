-- Begins a timeline with its first branch, unless it is there; also nothing happens if its random name is taken.
WITH begun AS (
    INSERT INTO timeline (id, world, player, head_branch, head_seq, loads, written, created_ms)
    VALUES (floor(random() * 281474976710656)::bigint, $1, $2, 0, 0, 0, 0, $3)
    ON CONFLICT DO NOTHING
    RETURNING id
)
INSERT INTO branch (timeline, number, parent, fork_seq, jump, depth, tip_seq, created_ms)
SELECT id, 0, NULL, 0, 0, 0, 0, $3 FROM begun
