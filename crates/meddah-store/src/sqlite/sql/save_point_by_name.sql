-- The newest save of this name (and of this game time, if there is one), and whether an older one marks another
-- moment.
SELECT branch, seq, EXISTS (
    SELECT 1 FROM save_point AS older
    WHERE older.timeline = newest.timeline AND older.name = newest.name AND older.id < newest.id
      AND (?3 IS NULL OR older.game_time = ?3)
      AND (older.branch, older.seq) IS NOT (newest.branch, newest.seq)
)
FROM save_point AS newest
WHERE timeline = ?1 AND name = ?2 AND (?3 IS NULL OR game_time = ?3)
ORDER BY id DESC LIMIT 1;
