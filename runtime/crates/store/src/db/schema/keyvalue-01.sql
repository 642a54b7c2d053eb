-- What functions keep, apart from the metadata: a database of its own, so that guests neither wait for a deploy nor make it wait.

CREATE TABLE pair (
    tenant TEXT NOT NULL,
    bucket TEXT NOT NULL,
    key    TEXT NOT NULL,
    -- The order of a listing; never used twice within a tenant, so that a page goes on where the last one ended.
    place  INTEGER NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (tenant, bucket, key)
) STRICT;
CREATE INDEX pair_place ON pair (tenant, bucket, place);

-- What each tenant has, kept with every change: counting it anew would read all of it.
CREATE TABLE account (
    tenant TEXT NOT NULL PRIMARY KEY,
    keys   INTEGER NOT NULL,
    bytes  INTEGER NOT NULL, -- of keys and values
    places INTEGER NOT NULL  -- handed out so far
) STRICT, WITHOUT ROWID;
