-- Schema 15: requests that were done and may be sent again, by the key that their sender gave them (`Idempotency-Key`).

CREATE TABLE request (
    tenant       TEXT NOT NULL REFERENCES tenant (name), -- of the caller's key
    caller       TEXT NOT NULL, -- that key's id
    key          TEXT NOT NULL,
    digest       BLOB NOT NULL CHECK (length(digest) = 32), -- of what was asked; made with a key that lies apart, for a body may be a secret's value
    done_ms      INTEGER NOT NULL,
    thing        TEXT,          -- what it changed, in words
    -- What was answered; NULL: nobody knows, or it is not to be kept.
    status       INTEGER,
    content_type TEXT,
    etag         TEXT,
    body         BLOB,
    PRIMARY KEY (tenant, caller, key)
) STRICT;
CREATE INDEX request_by_time ON request (tenant, done_ms);
