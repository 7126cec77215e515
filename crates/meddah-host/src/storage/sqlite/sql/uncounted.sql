-- No index but the order of the lines: they are the last few of them. Amounts of a request are never above ?4.
SELECT coalesce(sum(min(turns, ?4)), 0), coalesce(sum(min(tokens, ?4)), 0), coalesce(sum(min(speech_ms, ?4)), 0),
    coalesce(sum(min(micro, ?4)), 0)
FROM ledger NOT INDEXED
WHERE seq > (SELECT counted FROM server) AND at_ms >= ?1 AND at_ms < ?2 AND (?3 IS NULL OR player = ?3)
