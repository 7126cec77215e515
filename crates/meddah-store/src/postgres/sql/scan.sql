-- Entries of all branches in the order of writing, and the head of the same moment.
SELECT t.id, t.head_branch, t.head_seq, place.hash, w.branch, w.seq, w.hash, w.body, w.number
FROM timeline AS t
LEFT JOIN entry AS place ON place.timeline = t.id AND place.branch = t.head_branch AND place.seq = t.head_seq
LEFT JOIN LATERAL (
    SELECT number, branch, seq, hash, body FROM entry
    WHERE timeline = t.id AND number > $3 ORDER BY number LIMIT $4
) AS w ON true
WHERE t.world = $1 AND t.player = $2
ORDER BY w.number
