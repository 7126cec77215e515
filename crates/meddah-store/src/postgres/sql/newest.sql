-- The newest entries under a heading as seen from a place (absent: the head), from the number $6 on.
--
-- Branch by branch backwards, but only over branches that have anything under the heading, and from one of these to
-- the next by jumps: a character who was not met for a thousand loads is found as fast as one met just now. The walk
-- ends when enough is found, because a recursion gives its rows as they are asked for.
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
        SELECT back.parent, back.fork_seq FROM walk
        CROSS JOIN LATERAL (
            SELECT p.branch FROM posting AS p
            WHERE p.timeline = t.id AND p.topic = $5 AND p.branch < walk.branch
            ORDER BY p.branch DESC LIMIT 1
        ) AS older
        CROSS JOIN LATERAL (
            WITH RECURSIVE up (parent, fork_seq, jump) AS (
                SELECT b.parent, b.fork_seq, b.jump FROM branch AS b
                WHERE b.timeline = t.id AND b.number = walk.branch
                UNION ALL
                SELECT b.parent, b.fork_seq, b.jump FROM up
                JOIN branch AS b ON b.timeline = t.id
                    AND b.number = CASE WHEN up.jump > older.branch THEN up.jump ELSE up.parent END
                WHERE up.parent > older.branch
            )
            SELECT up.parent, up.fork_seq FROM up WHERE up.parent <= older.branch
        ) AS back
        WHERE back.fork_seq >= $6::bigint
    )
    SELECT newest.branch, newest.seq FROM walk
    CROSS JOIN LATERAL (
        SELECT p.branch, p.seq FROM posting AS p
        WHERE p.timeline = t.id AND p.topic = $5 AND p.branch = walk.branch AND p.seq BETWEEN $6 AND walk.seq
        ORDER BY p.seq DESC LIMIT $7
    ) AS newest
    LIMIT $7
) AS found ON true
WHERE t.world = $1 AND t.player = $2
