-- Never beyond the largest integer: a sum that overflows would become a fraction.
INSERT INTO tally (day, part, spent, reserved)
VALUES (?1, ?2, ?3, max(?4, 0))
ON CONFLICT (day, part) DO UPDATE SET
    spent = CASE WHEN spent > 9223372036854775807 - excluded.spent
        THEN 9223372036854775807 ELSE spent + excluded.spent END,
    reserved = max(reserved + ?4, 0)
