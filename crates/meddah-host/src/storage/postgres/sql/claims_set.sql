-- One that is there counts unless it is too old. A player that was deleted claims nothing.
INSERT INTO claim (key, player, request, host, at_ms)
SELECT asked.key, player.id, asked.request, $4, $5
FROM unnest($1::bytea[], $2::text[], $3::text[]) AS asked (key, player, request)
JOIN player ON player.id = asked.player
ORDER BY asked.key
ON CONFLICT (key) DO UPDATE SET
    player = excluded.player, request = excluded.request, host = excluded.host, at_ms = excluded.at_ms
WHERE claim.at_ms < $6
RETURNING key
