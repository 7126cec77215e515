-- A player that was deleted has no windows, and no leases of them.
INSERT INTO lease (usage_window, host, turns, tokens, speech_ms, micro)
SELECT held.key, $2, held.turns, held.tokens, held.speech_ms, held.micro
FROM unnest($1::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS held (key, turns, tokens, speech_ms, micro)
JOIN usage_window ON usage_window.key = held.key
ON CONFLICT (usage_window, host) DO UPDATE SET
    turns = excluded.turns, tokens = excluded.tokens, speech_ms = excluded.speech_ms, micro = excluded.micro
