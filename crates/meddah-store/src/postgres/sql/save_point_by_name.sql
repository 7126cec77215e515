-- The newest save of this name (and of this game time, if there is one), and whether an older one marks another
-- moment.
SELECT newest.branch, newest.seq, EXISTS (
    SELECT 1 FROM save_point AS older
    WHERE older.timeline = $1 AND older.name = $2 AND older.id < newest.id
      AND ($3::bigint IS NULL OR older.game_time = $3)
      AND (older.branch, older.seq) IS DISTINCT FROM (newest.branch, newest.seq)
)
FROM save_point AS newest
WHERE newest.timeline = $1 AND newest.name = $2 AND ($3::bigint IS NULL OR newest.game_time = $3)
ORDER BY newest.id DESC LIMIT 1
