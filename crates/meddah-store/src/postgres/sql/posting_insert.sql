INSERT INTO posting (timeline, topic, branch, seq)
SELECT $1, topic, $2, seq FROM unnest($3::bytea[], $4::bigint[]) AS new (topic, seq)
