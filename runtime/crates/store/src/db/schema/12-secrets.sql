-- Values that functions are given by name. Sealed: what opens them is in a file of its own.
CREATE TABLE secret (
    tenant  TEXT NOT NULL REFERENCES tenant (name),
    name    TEXT NOT NULL,
    version INTEGER NOT NULL, -- the event that set it: of no other value, of whatever secret
    key_id  TEXT NOT NULL,    -- which key sealed it; tells nothing of the key
    sealed  BLOB NOT NULL,    -- bound to tenant, name and version: opens in no other row
    set_ms  INTEGER NOT NULL,
    set_by  TEXT,             -- the id of the key that asked for it
    PRIMARY KEY (tenant, name)
) STRICT;
