INSERT INTO save_point (timeline, branch, seq, name, game_time, wall_time_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6);
