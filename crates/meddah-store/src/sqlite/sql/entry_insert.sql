INSERT INTO entry (id, timeline, branch, seq, hash, game_time, body)
VALUES (
    1 + max(coalesce((SELECT max(id) FROM entry), 0), (SELECT entry_floor FROM upkeep)),
    ?1, ?2, ?3, ?4, ?5, ?6);
