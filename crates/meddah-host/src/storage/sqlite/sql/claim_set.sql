-- One that is there is too old to count. A player that was deleted claims nothing.
INSERT INTO claim (key, player, request, host, at_ms)
SELECT ?1, id, ?3, ?4, ?5 FROM player WHERE id = ?2
ON CONFLICT (key) DO UPDATE SET
    player = excluded.player, request = excluded.request, host = excluded.host, at_ms = excluded.at_ms
