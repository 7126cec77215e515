SELECT coalesce(sum(turns), 0), coalesce(sum(tokens), 0), coalesce(sum(speech_ms), 0), coalesce(sum(micro), 0)
FROM lease WHERE usage_window = ?1 AND host <> ?2
