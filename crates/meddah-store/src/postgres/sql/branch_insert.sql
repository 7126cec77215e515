INSERT INTO branch (timeline, number, parent, fork_seq, jump, depth, tip_seq, created_ms)
VALUES ($1, $2, $3, $4, $5, $6, $4, $7)
