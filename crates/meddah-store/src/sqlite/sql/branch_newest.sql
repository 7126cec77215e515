SELECT number FROM branch WHERE timeline = ?1 ORDER BY number DESC LIMIT 1;
