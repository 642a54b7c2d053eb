-- Versions of models that are to stay in memory.

CREATE TABLE model_pin (
    tenant  TEXT NOT NULL,
    name    TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (tenant, name, version),
    FOREIGN KEY (tenant, name, version) REFERENCES model_version (tenant, name, version) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
