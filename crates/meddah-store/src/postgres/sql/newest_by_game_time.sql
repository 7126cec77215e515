-- The newest place on the way back from a place that was told or saved at or before a game time; and whether
-- anything of the timeline has a game time at all.
SELECT found.branch, found.seq,
       EXISTS (SELECT 1 FROM entry AS e WHERE e.timeline = $1 AND e.game_time IS NOT NULL)
       OR EXISTS (SELECT 1 FROM save_point AS s WHERE s.timeline = $1 AND s.game_time IS NOT NULL) AS timed
FROM (VALUES (1)) AS one
LEFT JOIN LATERAL (
    WITH RECURSIVE walk (branch, seq) AS (
        SELECT $2::bigint, $3::bigint
        UNION ALL
        SELECT b.parent, b.fork_seq FROM walk
        JOIN branch AS b ON b.timeline = $1 AND b.number = walk.branch
        WHERE b.parent IS NOT NULL
    )
    SELECT walk.branch, newest.seq FROM walk
    CROSS JOIN LATERAL (
        SELECT greatest(
            (SELECT e.seq FROM entry AS e
             WHERE e.timeline = $1 AND e.branch = walk.branch AND e.seq <= walk.seq AND e.game_time <= $4
             ORDER BY e.seq DESC LIMIT 1),
            (SELECT s.seq FROM save_point AS s
             WHERE s.timeline = $1 AND s.branch = walk.branch AND s.seq <= walk.seq AND s.game_time <= $4
             ORDER BY s.seq DESC LIMIT 1)
        ) AS seq
    ) AS newest
    WHERE newest.seq IS NOT NULL
    LIMIT 1
) AS found ON true
