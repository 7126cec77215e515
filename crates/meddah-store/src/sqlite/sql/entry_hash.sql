SELECT hash FROM entry WHERE timeline = ?1 AND branch = ?2 AND seq = ?3;
