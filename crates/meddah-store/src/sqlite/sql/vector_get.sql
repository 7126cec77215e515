SELECT bytes FROM vector WHERE id = ?1 AND check_half = ?2;
