-- Schema 6: how instances of functions live, where that is not what the manifest says.

-- So many instances of a function are kept warm, because somebody said so; whatever its version.
CREATE TABLE function_scale (
    tenant TEXT NOT NULL REFERENCES tenant (name),
    name   TEXT NOT NULL,
    min    INTEGER NOT NULL CHECK (min BETWEEN 0 AND 4294967295),
    PRIMARY KEY (tenant, name)
) STRICT, WITHOUT ROWID;

-- Why an instance of a version serves one request only, although its manifest has instances reused: what its deploy found
-- out. NULL: nothing speaks against it.
ALTER TABLE function_version ADD COLUMN not_reused TEXT;
