-- Entries behind a place: $2 is how many entries the timeline had, $4 the place's number.
INSERT INTO entry (timeline, number, branch, seq, hash, game_time, body)
SELECT $1, $2::bigint + n, $3, $4::bigint + n, hash, game_time, body
FROM unnest($5::bigint[], $6::bigint[], $7::text[]) WITH ORDINALITY AS new (hash, game_time, body, n)
