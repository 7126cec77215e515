SELECT branch, seq, hash, body FROM entry WHERE id = ?1;
