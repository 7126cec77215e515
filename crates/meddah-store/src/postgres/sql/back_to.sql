-- The newest place on the way back from branch $2 that lies on branch $3 or an older one.
WITH RECURSIVE up (parent, fork_seq, jump) AS (
    SELECT parent, fork_seq, jump FROM branch WHERE timeline = $1 AND number = $2
    UNION ALL
    SELECT b.parent, b.fork_seq, b.jump FROM up
    JOIN branch AS b ON b.timeline = $1 AND b.number = CASE WHEN up.jump > $3 THEN up.jump ELSE up.parent END
    WHERE up.parent > $3
)
SELECT parent, fork_seq FROM up WHERE parent <= $3
