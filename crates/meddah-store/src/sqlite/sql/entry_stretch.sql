-- The newest entries of one branch, up to a place.
SELECT id, seq FROM entry
WHERE timeline = ?1 AND branch = ?2 AND seq <= ?3
ORDER BY seq DESC LIMIT ?4;
