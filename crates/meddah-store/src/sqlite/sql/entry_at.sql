-- The row of the entry at a place, if it is the one that is meant.
SELECT id FROM entry WHERE timeline = ?1 AND branch = ?2 AND seq = ?3 AND hash = ?4;
