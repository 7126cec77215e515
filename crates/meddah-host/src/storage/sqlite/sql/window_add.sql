-- Never beyond ?7: a sum that overflows would become a fraction. A player that was deleted has no windows.
INSERT INTO usage_window (key, player, turns, tokens, speech_ms, micro)
SELECT ?1, ?2, ?3, ?4, ?5, ?6
WHERE ?2 IS NULL OR EXISTS (SELECT 1 FROM player WHERE id = ?2)
ON CONFLICT (key) DO UPDATE SET
    turns     = min(turns + excluded.turns, ?7),
    tokens    = min(tokens + excluded.tokens, ?7),
    speech_ms = min(speech_ms + excluded.speech_ms, ?7),
    micro     = min(micro + excluded.micro, ?7)
