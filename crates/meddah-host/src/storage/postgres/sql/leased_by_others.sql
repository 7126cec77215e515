SELECT usage_window, sum(turns)::bigint, sum(tokens)::bigint, sum(speech_ms)::bigint, sum(micro)::bigint
FROM lease
WHERE usage_window = ANY($1::text[]) AND host <> $2
GROUP BY usage_window
