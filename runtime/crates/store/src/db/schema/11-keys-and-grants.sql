-- Keys that end, are bound, and are replaced while the old secret still holds.

ALTER TABLE key RENAME TO key_before;

CREATE TABLE key (
    id          TEXT PRIMARY KEY,
    tenant      TEXT NOT NULL REFERENCES tenant (name),
    scopes      TEXT NOT NULL, -- words with spaces between
    functions   TEXT,          -- what it is bound to, names with spaces between; NULL in both: to nothing
    models      TEXT,
    created_ms  INTEGER NOT NULL,
    expires_ms  INTEGER,
    last_use_ms INTEGER        -- as of the last time that somebody wrote it down
) STRICT;
INSERT INTO key (id, tenant, scopes, created_ms) SELECT id, tenant, scopes, created_ms FROM key_before;

-- Never the secret. A key has two while one replaces the other.
CREATE TABLE key_secret (
    hash     BLOB PRIMARY KEY CHECK (length(hash) = 32),
    key      TEXT NOT NULL REFERENCES key (id) ON DELETE CASCADE,
    kind     TEXT NOT NULL CHECK (kind IN ('sha-256', 'blake3')), -- new ones are BLAKE3 with a key that lies apart
    until_ms INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX key_secret_by_key ON key_secret (key);
INSERT INTO key_secret (hash, key, kind) SELECT hash, id, 'sha-256' FROM key_before;

DROP TABLE key_before;

-- Who may use whose model. The name of a tenant that is not there yet can be granted to: else a grant would tell who is there.
CREATE TABLE model_grant (
    tenant      TEXT NOT NULL REFERENCES tenant (name),
    model       TEXT NOT NULL,
    grantee     TEXT NOT NULL,
    share_batch INTEGER NOT NULL CHECK (share_batch IN (0, 1)), -- calls may be joined with other tenants'
    granted_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant, model, grantee)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_grant_by_grantee ON model_grant (grantee);
