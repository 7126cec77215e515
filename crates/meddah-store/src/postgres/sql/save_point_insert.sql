-- Marks the head. One statement: the head that is marked is the head that is given.
WITH head AS (
    SELECT t.id, t.head_branch, t.head_seq, place.hash
    FROM timeline AS t
    LEFT JOIN entry AS place
        ON place.timeline = t.id AND place.branch = t.head_branch AND place.seq = t.head_seq
    WHERE t.world = $1 AND t.player = $2
), saved AS (
    INSERT INTO save_point (timeline, branch, seq, name, game_time, wall_time_ms)
    SELECT id, head_branch, head_seq, $3, $4, $5 FROM head
)
SELECT id, head_branch, head_seq, hash FROM head
