-- Also keeps others from taking this program for gone until the commit.
UPDATE host SET batch = $2, beat = beat + 1 WHERE id = $1 AND batch < $2
