-- What the parts have spent and reserved today and on all days, and a row without a day if one of them is off.
SELECT day, part, spent, reserved FROM tally WHERE day IN (?1, ?2)
UNION ALL
SELECT NULL, part, 0, 0 FROM switched_off WHERE part = ?3
