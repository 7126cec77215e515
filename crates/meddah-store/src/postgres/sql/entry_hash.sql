-- The hash at a place of a timeline, if it has that place.
SELECT hash FROM entry WHERE timeline = $1 AND branch = $2 AND seq = $3
