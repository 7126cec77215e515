INSERT INTO usage_window (key, player)
SELECT asked.key, asked.player
FROM unnest($1::text[], $2::text[]) AS asked (key, player)
WHERE NOT EXISTS (SELECT 1 FROM usage_window AS there WHERE there.key = asked.key)
    AND (asked.player IS NULL OR EXISTS (SELECT 1 FROM player WHERE id = asked.player))
ORDER BY asked.key COLLATE "C"
ON CONFLICT (key) DO NOTHING
