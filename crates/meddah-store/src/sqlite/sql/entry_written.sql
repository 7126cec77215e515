-- Entries of all branches in the order of writing.
SELECT id, branch, seq, hash, body FROM entry WHERE timeline = ?1 AND id > ?2 ORDER BY id LIMIT ?3;
