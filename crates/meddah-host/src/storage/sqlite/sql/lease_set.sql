-- A player that was deleted has no windows, and no leases of them.
INSERT INTO lease (usage_window, host, turns, tokens, speech_ms, micro)
SELECT key, ?2, ?3, ?4, ?5, ?6 FROM usage_window WHERE key = ?1
ON CONFLICT (usage_window, host) DO UPDATE SET
    turns = excluded.turns, tokens = excluded.tokens, speech_ms = excluded.speech_ms, micro = excluded.micro
