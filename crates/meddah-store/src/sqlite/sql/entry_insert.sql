INSERT INTO entry (timeline, branch, seq, hash, game_time, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6);
