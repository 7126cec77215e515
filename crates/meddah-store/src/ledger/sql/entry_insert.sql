INSERT INTO entry (at_ms, kind, reservation, day, part, source, model, micro, prompt_tokens, cached_tokens,
                   cache_write_tokens, completion_tokens, provider_micro)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
