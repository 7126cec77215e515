-- Counts what makes a known token worth less: a player changed or deleted, a token revoked. Programs that know players
-- ask for this one number instead of each token again.
ALTER TABLE server ADD COLUMN people bigint NOT NULL DEFAULT 0;

CREATE FUNCTION people_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE server SET people = people + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER player_changed AFTER UPDATE OR DELETE ON player
FOR EACH STATEMENT EXECUTE FUNCTION people_changed();
CREATE TRIGGER token_changed AFTER UPDATE OF revoked_ms OR DELETE ON token
FOR EACH STATEMENT EXECUTE FUNCTION people_changed();
