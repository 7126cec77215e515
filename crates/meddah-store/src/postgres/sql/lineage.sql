-- The branches from a place (absent: the head) back to the beginning, each with its newest entry that counts.
WITH RECURSIVE seen AS (
    SELECT t.id, coalesce($3::bigint, t.head_branch) AS branch, coalesce($4::bigint, t.head_seq) AS seq
    FROM timeline AS t
    WHERE t.world = $1 AND t.player = $2
), back (number, seq) AS (
    SELECT seen.branch, seen.seq FROM seen
    UNION ALL
    SELECT branch.parent, branch.fork_seq FROM back
    CROSS JOIN seen
    JOIN branch ON branch.timeline = seen.id AND branch.number = back.number
    WHERE branch.parent IS NOT NULL
)
SELECT seen.id, seen.branch, seen.seq, place.hash, back.number, back.seq
FROM back
CROSS JOIN seen
LEFT JOIN entry AS place ON place.timeline = seen.id AND place.branch = seen.branch AND place.seq = seen.seq
