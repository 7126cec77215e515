-- The branches from a place back to the beginning, each with its newest entry that counts.
WITH RECURSIVE back (number, seq) AS (
    VALUES (?2, ?3)
    UNION ALL
    SELECT branch.parent, branch.fork_seq FROM back
    JOIN branch ON branch.timeline = ?1 AND branch.number = back.number
    WHERE branch.parent IS NOT NULL
)
SELECT number, seq FROM back;
