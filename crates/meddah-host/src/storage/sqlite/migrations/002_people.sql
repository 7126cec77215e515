-- Counts what makes a known token worth less: a player changed or deleted, a token revoked. Programs that know players
-- ask for this one number instead of each token again.
ALTER TABLE server ADD COLUMN people INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER player_changed AFTER UPDATE ON player
BEGIN UPDATE server SET people = people + 1; END;
CREATE TRIGGER player_deleted AFTER DELETE ON player
BEGIN UPDATE server SET people = people + 1; END;
CREATE TRIGGER token_revoked AFTER UPDATE OF revoked_ms ON token
BEGIN UPDATE server SET people = people + 1; END;
CREATE TRIGGER token_deleted AFTER DELETE ON token
BEGIN UPDATE server SET people = people + 1; END;
