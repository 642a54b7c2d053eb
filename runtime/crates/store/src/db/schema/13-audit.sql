-- Schema 13: who changed what, from what to what; and rows that cannot be changed or taken away unnoticed.

ALTER TABLE event ADD COLUMN value_before TEXT;
ALTER TABLE event ADD COLUMN value_after TEXT;
ALTER TABLE event ADD COLUMN actor TEXT;        -- a key's id, or 'server'; NULL in rows that are older than this column
ALTER TABLE event ADD COLUMN actor_tenant TEXT; -- the key's; NULL for the server
ALTER TABLE event ADD COLUMN actor_scopes TEXT; -- words with spaces between
ALTER TABLE event ADD COLUMN remote TEXT;       -- the address from which it was asked for
ALTER TABLE event ADD COLUMN hash BLOB;         -- of all columns and of the row before; made with the key in audit.key

CREATE INDEX event_by_tenant ON event (tenant);
CREATE INDEX event_by_kind ON event (kind);
CREATE INDEX event_by_subject ON event (subject);

-- Where the chain of events ends, so that rows that are missing there are found.
CREATE TABLE event_head (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    last INTEGER NOT NULL, -- the id of the last row
    rows INTEGER NOT NULL,
    hash BLOB NOT NULL,    -- of the last row
    lost INTEGER NOT NULL, -- 1: the head was missing at some time, so what came before cannot be told whole
    seal BLOB NOT NULL     -- of this row, made with the same key
) STRICT;
