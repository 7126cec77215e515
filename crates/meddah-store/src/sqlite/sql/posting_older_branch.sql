-- The next older branch that has anything under a heading.
SELECT branch FROM posting
WHERE timeline = ?1 AND topic = ?2 AND branch < ?3
ORDER BY branch DESC LIMIT 1;
