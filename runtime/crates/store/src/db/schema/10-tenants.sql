-- What the operator gives to tenants.

-- A tenant that was removed keeps its row, so that its name means nobody else in what is left of it; `removed_ms` says when.
ALTER TABLE tenant ADD COLUMN limits TEXT NOT NULL DEFAULT '{}'; -- JSON; what is not in it is as the server has it
ALTER TABLE tenant ADD COLUMN removed_ms INTEGER;

-- Where its functions may answer.
CREATE TABLE tenant_claim (
    kind   TEXT NOT NULL CHECK (kind IN ('host', 'path')),
    claim  TEXT NOT NULL,
    tenant TEXT NOT NULL REFERENCES tenant (name),
    PRIMARY KEY (kind, claim)
) STRICT, WITHOUT ROWID;
