SELECT id, check_half, bytes FROM vector WHERE id = ANY ($1::bigint[])
