-- Schema 4: models of several files with a card, removal, and what tenants have uploaded.

-- The card as JSON. A removed version keeps its row (its number is never used again, and versions of functions mean it),
-- but neither files nor labels; `removed_ms` says when.
ALTER TABLE model_version ADD COLUMN card TEXT NOT NULL DEFAULT '{}';
ALTER TABLE model_version ADD COLUMN removed_ms INTEGER;

-- The files of a version; `digest` of `model_version` is made of those that are no samples.
CREATE TABLE model_file (
    model  INTEGER NOT NULL REFERENCES model_version (id),
    path   TEXT NOT NULL, -- below the model's folder
    role   TEXT NOT NULL CHECK (role IN ('model', 'data', 'sample')),
    digest TEXT NOT NULL,
    bytes  INTEGER NOT NULL CHECK (bytes >= 0),
    PRIMARY KEY (model, path)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_file_by_digest ON model_file (digest);
INSERT INTO model_file (model, path, role, digest, bytes)
    SELECT id, 'model.onnx', 'model', digest, bytes FROM model_version;

-- What a tenant has sent and no version holds yet. Counted in its quota, and forgotten after a while.
CREATE TABLE upload (
    tenant TEXT NOT NULL REFERENCES tenant (name),
    digest TEXT NOT NULL,
    bytes  INTEGER NOT NULL CHECK (bytes >= 0),
    at_ms  INTEGER NOT NULL,
    PRIMARY KEY (tenant, digest)
) STRICT, WITHOUT ROWID;
CREATE INDEX upload_by_digest ON upload (digest);
