INSERT INTO usage (day, part, source, model, calls, prompt_tokens, cached_tokens, cache_write_tokens,
                   completion_tokens, micro)
VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9)
ON CONFLICT (day, part, source, model) DO UPDATE SET
    calls = calls + 1,
    prompt_tokens = prompt_tokens + excluded.prompt_tokens,
    cached_tokens = cached_tokens + excluded.cached_tokens,
    cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
    completion_tokens = completion_tokens + excluded.completion_tokens,
    micro = CASE WHEN micro > 9223372036854775807 - excluded.micro
        THEN 9223372036854775807 ELSE micro + excluded.micro END
