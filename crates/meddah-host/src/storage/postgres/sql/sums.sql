SELECT coalesce(used.turns, 0), coalesce(used.tokens, 0), coalesce(used.speech_ms, 0), coalesce(used.micro, 0),
    coalesce(leased.turns, 0), coalesce(leased.tokens, 0), coalesce(leased.speech_ms, 0), coalesce(leased.micro, 0)
FROM unnest($1::text[]) WITH ORDINALITY AS asked (key, place)
LEFT JOIN usage_window AS used ON used.key = asked.key
LEFT JOIN LATERAL (
    SELECT sum(turns)::bigint AS turns, sum(tokens)::bigint AS tokens,
        sum(speech_ms)::bigint AS speech_ms, sum(micro)::bigint AS micro
    FROM lease WHERE lease.usage_window = asked.key
) AS leased ON true
ORDER BY asked.place
