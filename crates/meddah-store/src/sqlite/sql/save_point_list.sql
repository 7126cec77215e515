SELECT branch, seq, name, game_time, wall_time_ms FROM save_point WHERE timeline = ?1 ORDER BY id LIMIT ?2;
