-- A player that was deleted meanwhile is nobody.
INSERT INTO ledger (request, player, class, model, turns, tokens, speech_ms, micro, at_ms, settled_ms, ended)
SELECT request, player.id, class, model, turns, tokens, speech_ms, micro, at_ms, settled_ms, ended
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[],
            $8::bigint[], $9::bigint[], $10::bigint[], $11::text[])
    WITH ORDINALITY
    AS entry (request, player, class, model, turns, tokens, speech_ms, micro, at_ms, settled_ms, ended, place)
LEFT JOIN player ON player.id = entry.player
ORDER BY place
ON CONFLICT (request) DO NOTHING
RETURNING request
