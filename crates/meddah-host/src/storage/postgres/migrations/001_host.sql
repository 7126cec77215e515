-- Times are milliseconds since 1970, money is in millionths of a dollar. Collation "C": pages and keys are in the
-- order of their bytes, as everywhere else.

CREATE TABLE server (
    one   integer PRIMARY KEY CHECK (one = 1),
    state text NOT NULL
);
INSERT INTO server (one, state) VALUES (1, 'open');

CREATE TABLE player (
    id         text COLLATE "C" PRIMARY KEY,
    name       text    NOT NULL,
    tier       text    NOT NULL,
    blocked    boolean NOT NULL,
    created_ms bigint  NOT NULL
);

CREATE TABLE token (
    id         text COLLATE "C" PRIMARY KEY,
    player     text COLLATE "C" NOT NULL REFERENCES player ON DELETE CASCADE,
    hash       bytea  NOT NULL,
    label      text   NOT NULL,
    created_ms bigint NOT NULL,
    used_ms    bigint,
    revoked_ms bigint
);
CREATE INDEX token_player ON token (player);

CREATE TABLE invite (
    id         text COLLATE "C" PRIMARY KEY,
    hash       bytea   NOT NULL UNIQUE,
    tier       text    NOT NULL,
    uses_left  bigint  NOT NULL CHECK (uses_left >= 0),
    expires_ms bigint,
    created_ms bigint  NOT NULL,
    note       text    NOT NULL
);

CREATE TABLE identity (
    provider text COLLATE "C" NOT NULL,
    subject  text COLLATE "C" NOT NULL,
    player   text COLLATE "C" NOT NULL REFERENCES player ON DELETE CASCADE,
    PRIMARY KEY (provider, subject)
);
CREATE INDEX identity_player ON identity (player);

-- Programs that have the store open. One whose beat stands still is gone.
CREATE TABLE host (
    id        text COLLATE "C" PRIMARY KEY,
    batch     bigint NOT NULL,   -- the number of the last one
    beat      bigint NOT NULL,
    joined_ms bigint NOT NULL
);

-- What was used in a day or a month, by a player or (without a player) by all.
CREATE TABLE usage_window (
    key       text COLLATE "C" PRIMARY KEY,
    player    text COLLATE "C" REFERENCES player ON DELETE CASCADE,
    turns     bigint NOT NULL DEFAULT 0,
    tokens    bigint NOT NULL DEFAULT 0,
    speech_ms bigint NOT NULL DEFAULT 0,
    micro     bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX usage_window_player ON usage_window (player) WHERE player IS NOT NULL;

-- What a program may promise of a window; used for everybody else.
CREATE TABLE lease (
    usage_window text COLLATE "C" NOT NULL REFERENCES usage_window ON DELETE CASCADE,
    host         text COLLATE "C" NOT NULL REFERENCES host ON DELETE CASCADE,
    turns        bigint NOT NULL,
    tokens       bigint NOT NULL,
    speech_ms    bigint NOT NULL,
    micro        bigint NOT NULL,
    PRIMARY KEY (usage_window, host)
) WITH (fillfactor = 70);
CREATE INDEX lease_host ON lease (host);

-- Keys of requests, so that a repeated one is not charged again.
CREATE TABLE claim (
    key     bytea PRIMARY KEY,
    player  text COLLATE "C" NOT NULL REFERENCES player ON DELETE CASCADE,
    request text COLLATE "C" NOT NULL UNIQUE,
    host    text COLLATE "C" NOT NULL,
    at_ms   bigint NOT NULL
);
CREATE INDEX claim_at ON claim (at_ms);
CREATE INDEX claim_host ON claim (host);
CREATE INDEX claim_player ON claim (player);

-- Rows are only added. Those of a player that was deleted stay, without the player.
CREATE TABLE ledger (
    seq        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    request    text COLLATE "C" NOT NULL UNIQUE,
    player     text COLLATE "C" REFERENCES player ON DELETE SET NULL,
    class      text   NOT NULL,
    model      text   NOT NULL,
    turns      bigint NOT NULL,
    tokens     bigint NOT NULL,
    speech_ms  bigint NOT NULL,
    micro      bigint NOT NULL,
    at_ms      bigint NOT NULL,
    settled_ms bigint NOT NULL,
    ended      text   NOT NULL
);
CREATE INDEX ledger_player ON ledger (player, seq);
CREATE INDEX ledger_at ON ledger (at_ms);
