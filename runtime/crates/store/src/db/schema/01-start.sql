-- Schema 1. Times are milliseconds since 1970; digests are "sha256:…"; names follow modelet-spec.

CREATE TABLE tenant (
    name       TEXT PRIMARY KEY,
    created_ms INTEGER NOT NULL
) STRICT;
INSERT INTO tenant (name, created_ms) VALUES ('default', 0);

-- One row for each push that brought something new. Never changed afterwards.
CREATE TABLE model_version (
    id          INTEGER PRIMARY KEY,
    tenant      TEXT NOT NULL REFERENCES tenant (name),
    name        TEXT NOT NULL,
    version     INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    digest      TEXT NOT NULL,
    bytes       INTEGER NOT NULL CHECK (bytes >= 0),
    description TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    UNIQUE (tenant, name, version)
) STRICT;

-- Movable names of versions.
CREATE TABLE model_label (
    tenant  TEXT NOT NULL,
    name    TEXT NOT NULL,
    label   TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant, name, label),
    FOREIGN KEY (tenant, name, version) REFERENCES model_version (tenant, name, version)
) STRICT;

-- One row for each deploy. Only `compiled_*` change: they say which code in `compiled/` was made from the component.
CREATE TABLE function_version (
    id              INTEGER PRIMARY KEY,
    tenant          TEXT NOT NULL REFERENCES tenant (name),
    name            TEXT NOT NULL,
    version         INTEGER NOT NULL CHECK (version BETWEEN 1 AND 4294967295),
    component       TEXT NOT NULL,
    compiled_digest TEXT NOT NULL,
    compiled_engine TEXT NOT NULL,
    manifest        TEXT NOT NULL,
    created_ms      INTEGER NOT NULL,
    UNIQUE (tenant, name, version)
) STRICT;
CREATE INDEX function_version_by_code ON function_version (component, compiled_engine);

-- Which version of which model a version of a function means by an alias.
CREATE TABLE function_model (
    function INTEGER NOT NULL REFERENCES function_version (id),
    alias    TEXT NOT NULL,
    model    INTEGER NOT NULL REFERENCES model_version (id),
    PRIMARY KEY (function, alias)
) STRICT, WITHOUT ROWID;

-- Movable names of versions; `live` is the one that routes use.
CREATE TABLE function_alias (
    tenant  TEXT NOT NULL,
    name    TEXT NOT NULL,
    alias   TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant, name, alias),
    FOREIGN KEY (tenant, name, version) REFERENCES function_version (tenant, name, version)
) STRICT;

-- Bearer keys: never the secret.
CREATE TABLE key (
    id         TEXT PRIMARY KEY,
    tenant     TEXT NOT NULL REFERENCES tenant (name),
    scopes     TEXT NOT NULL, -- words with spaces between
    hash       BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
    created_ms INTEGER NOT NULL
) STRICT;

-- What changed, and when: one row with every change, in its transaction.
CREATE TABLE event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    kind    TEXT NOT NULL,
    tenant  TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;
