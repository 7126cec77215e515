UPDATE usage_window SET
    turns     = least(usage_window.turns + added.turns, $6),
    tokens    = least(usage_window.tokens + added.tokens, $6),
    speech_ms = least(usage_window.speech_ms + added.speech_ms, $6),
    micro     = least(usage_window.micro + added.micro, $6)
FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
    AS added (key, turns, tokens, speech_ms, micro)
WHERE usage_window.key = added.key
