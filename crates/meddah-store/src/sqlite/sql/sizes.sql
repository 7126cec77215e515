-- What a timeline holds.
SELECT (SELECT count(*) FROM entry WHERE timeline = ?1),
       (SELECT coalesce(sum(length(CAST(body AS BLOB))), 0) FROM entry WHERE timeline = ?1),
       (SELECT count(*) FROM branch WHERE timeline = ?1),
       (SELECT count(*) FROM save_point WHERE timeline = ?1);
