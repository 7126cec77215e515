SELECT number, parent, fork_seq, tip_seq, created_ms
FROM branch WHERE timeline = ?1 ORDER BY number LIMIT ?2;
