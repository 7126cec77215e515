-- A player that was deleted meanwhile is nobody.
INSERT INTO ledger (request, player, class, model, turns, tokens, speech_ms, micro, at_ms, settled_ms, ended)
VALUES (?1, (SELECT id FROM player WHERE id = ?2), ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
ON CONFLICT (request) DO NOTHING
