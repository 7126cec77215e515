-- The entries at these places, in any order; a row without one where there is none.
SELECT t.id, e.branch, e.seq, e.hash, e.body
FROM timeline AS t
CROSS JOIN unnest($3::bigint[], $4::bigint[]) AS wanted (branch, seq)
LEFT JOIN entry AS e ON e.timeline = t.id AND e.branch = wanted.branch AND e.seq = wanted.seq
WHERE t.world = $1 AND t.player = $2
