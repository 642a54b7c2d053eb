-- Schema 8: versions of functions go, and several of one function may serve at a time.

-- A removed version keeps its row: its number is never used again.
ALTER TABLE function_version ADD COLUMN removed_ms INTEGER;

-- How a function's requests are shared out among its versions, where somebody has said so: JSON, as modelet-spec's `Traffic`.
CREATE TABLE function_traffic (
    tenant  TEXT NOT NULL REFERENCES tenant (name),
    name    TEXT NOT NULL,
    traffic TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- The versions that somebody's request may reach, or a copy of it.
CREATE VIEW function_serves AS
    SELECT f.id AS function FROM function_alias a
        JOIN function_version f ON f.tenant = a.tenant AND f.name = a.name AND f.version = a.version WHERE a.alias = 'live'
    UNION SELECT f.id FROM function_traffic t JOIN json_each(t.traffic, '$.parts') p
        JOIN function_version f ON f.tenant = t.tenant AND f.name = t.name AND f.version = p.value ->> '$.version'
    UNION SELECT f.id FROM function_traffic t
        JOIN function_version f ON f.tenant = t.tenant AND f.name = t.name AND f.version = t.traffic ->> '$.shadow';
