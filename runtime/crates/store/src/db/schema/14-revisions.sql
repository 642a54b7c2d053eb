-- Schema 14: which change of each thing was the last, so that a change can be bound to what its maker has seen.

-- A thing is a function with its versions and what serves of them, a model with its versions, labels, pins and grants, a tenant,
-- a key, a secret. The row stays when the thing goes.
CREATE TABLE revision (
    kind   TEXT NOT NULL CHECK (kind IN ('function', 'model', 'tenant', 'key', 'secret')),
    tenant TEXT NOT NULL,
    name   TEXT NOT NULL,
    event  INTEGER NOT NULL, -- the last change of it
    PRIMARY KEY (kind, tenant, name)
) STRICT, WITHOUT ROWID;

-- The beginning of the event's hash: its number would tell a tenant how much the others change, and come again in a database that was
-- put back to an earlier state and went on from there.
CREATE VIEW revision_told AS SELECT r.kind, r.tenant, r.name,
    coalesce(lower(hex(substr(e.hash, 1, 8))), r.event) AS revision
    FROM revision r LEFT JOIN event e ON e.id = r.event;

INSERT INTO revision (kind, tenant, name, event)
    SELECT substr(kind, 1, instr(kind, '.') - 1), tenant,
        CASE instr(subject, '@') WHEN 0 THEN subject ELSE substr(subject, 1, instr(subject, '@') - 1) END, max(id)
    FROM event WHERE substr(kind, 1, instr(kind, '.') - 1) IN ('function', 'model', 'tenant', 'key', 'secret')
        AND kind NOT IN ('function.compile', 'secret.reseal', 'secret.export', 'tenant.restore')
    GROUP BY 1, 2, 3;
