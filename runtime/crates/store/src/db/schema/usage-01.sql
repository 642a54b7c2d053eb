-- What was used, apart from the metadata: written every few seconds, so that a deploy neither waits for it nor for the disk.

-- One row for each hour, and one for each day: a listing adds up few rows, and the hours can go long before the days.
CREATE TABLE usage (
    tenant     TEXT NOT NULL, -- stays when the tenant is removed
    span       INTEGER NOT NULL CHECK (span IN (3600, 86400)), -- seconds
    start      INTEGER NOT NULL, -- seconds since 1970
    kind       TEXT NOT NULL CHECK (kind IN ('function', 'model')),
    name       TEXT NOT NULL,    -- another tenant's model: OWNER/NAME
    part       TEXT NOT NULL,    -- a function's version, a model's device
    requests   INTEGER NOT NULL,
    unanswered INTEGER NOT NULL, -- of the requests
    refused    INTEGER NOT NULL, -- of the unanswered ones: no guest saw them
    cpu_us     INTEGER NOT NULL,
    bytes_in   INTEGER NOT NULL,
    bytes_out  INTEGER NOT NULL,
    runs       INTEGER NOT NULL,
    rows       INTEGER NOT NULL,
    busy_us    INTEGER NOT NULL,
    PRIMARY KEY (tenant, span, start, kind, name, part)
) STRICT, WITHOUT ROWID;
