UPDATE branch SET tip_seq = $3 WHERE timeline = $1 AND number = $2
