INSERT INTO vector (id, check_half, bytes) VALUES (?1, ?2, ?3)
ON CONFLICT (id) DO UPDATE SET check_half = excluded.check_half, bytes = excluded.bytes;
