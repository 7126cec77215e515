UPDATE timeline SET head_branch = $2, head_seq = $3, loads = $4, written = $5 WHERE id = $1
