-- The newest place of one branch, up to a place, that was told or saved at or before a game time.
SELECT max(seq) FROM (
    SELECT * FROM (
        SELECT seq FROM entry
        WHERE timeline = ?1 AND branch = ?2 AND seq <= ?3 AND game_time IS NOT NULL AND game_time <= ?4
        ORDER BY seq DESC LIMIT 1)
    UNION ALL
    SELECT * FROM (
        SELECT seq FROM save_point
        WHERE timeline = ?1 AND branch = ?2 AND seq <= ?3 AND game_time IS NOT NULL AND game_time <= ?4
        ORDER BY seq DESC LIMIT 1)
);
