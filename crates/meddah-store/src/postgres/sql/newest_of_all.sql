-- The newest entries of every kind as seen from a place (absent: the head), see newest.sql.
SELECT t.id, at.branch, at.seq, place.hash, found.branch, found.seq
FROM timeline AS t
CROSS JOIN LATERAL (
    SELECT coalesce($3::bigint, t.head_branch) AS branch, coalesce($4::bigint, t.head_seq) AS seq
) AS at
LEFT JOIN entry AS place ON place.timeline = t.id AND place.branch = at.branch AND place.seq = at.seq
LEFT JOIN LATERAL (
    WITH RECURSIVE walk (branch, seq) AS (
        SELECT at.branch, at.seq
        UNION ALL
        SELECT b.parent, b.fork_seq FROM walk
        JOIN branch AS b ON b.timeline = t.id AND b.number = walk.branch
        WHERE b.parent IS NOT NULL
    )
    SELECT newest.branch, newest.seq FROM walk
    CROSS JOIN LATERAL (
        SELECT e.branch, e.seq FROM entry AS e
        WHERE e.timeline = t.id AND e.branch = walk.branch AND e.seq <= walk.seq
        ORDER BY e.seq DESC LIMIT $5
    ) AS newest
    LIMIT $5
) AS found ON true
WHERE t.world = $1 AND t.player = $2
