INSERT INTO posting (timeline, topic, branch, seq, entry) VALUES (?1, ?2, ?3, ?4, ?5);
