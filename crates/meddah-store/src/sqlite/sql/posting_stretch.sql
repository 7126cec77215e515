-- The newest entries under a heading within one branch, between two places.
SELECT entry, seq FROM posting
WHERE timeline = ?1 AND topic = ?2 AND branch = ?3 AND seq BETWEEN ?4 AND ?5
ORDER BY seq DESC LIMIT ?6;
