-- What an append must know of a timeline. Asked behind the lock, as a statement of its own: the lock's own statement
-- sees other tables as they were before it waited.
SELECT t.id, t.head_branch, t.head_seq, place.hash, t.loads, t.written,
       b.tip_seq, b.depth, j.depth AS jump_depth, j.jump AS far_jump, f.depth AS far_jump_depth,
       (SELECT max(number) FROM branch WHERE timeline = t.id) AS newest
FROM timeline AS t
JOIN branch AS b ON b.timeline = t.id AND b.number = t.head_branch
JOIN branch AS j ON j.timeline = t.id AND j.number = b.jump
JOIN branch AS f ON f.timeline = t.id AND f.number = j.jump
LEFT JOIN entry AS place ON place.timeline = t.id AND place.branch = t.head_branch AND place.seq = t.head_seq
WHERE t.world = $1 AND t.player = $2
