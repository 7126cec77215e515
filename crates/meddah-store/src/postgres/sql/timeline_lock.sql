-- Nobody else writes to this timeline until the transaction ends.
SELECT id FROM timeline WHERE world = $1 AND player = $2 FOR NO KEY UPDATE
