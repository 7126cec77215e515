SELECT key, turns, tokens, speech_ms, micro FROM usage_window
WHERE key = ANY($1::text[])
ORDER BY key
FOR NO KEY UPDATE
