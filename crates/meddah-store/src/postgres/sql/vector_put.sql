-- Sorted by the caller, each id once: two that put the same ones never wait for each other in a circle.
INSERT INTO vector (id, check_half, bytes)
SELECT id, check_half, bytes FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS new (id, check_half, bytes)
ON CONFLICT (id) DO UPDATE SET check_half = excluded.check_half, bytes = excluded.bytes
WHERE (vector.check_half, vector.bytes) IS DISTINCT FROM (excluded.check_half, excluded.bytes)
