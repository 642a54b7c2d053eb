-- Schema 9: what stood when. Other tables say what is; this one says what was.

-- One row for each time that something stood. `since` and `until` are ids of events: it stood after the one and before the other.
CREATE TABLE period (
    id     INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL CHECK (kind IN ('function', 'live', 'traffic', 'model', 'label')),
    tenant TEXT NOT NULL,
    name   TEXT NOT NULL, -- of the function or the model
    item   TEXT NOT NULL, -- function and model: the version; label: the label; live and traffic: nothing
    value  TEXT NOT NULL, -- live and label: the version; traffic: JSON; function and model: nothing
    since  INTEGER NOT NULL,
    until  INTEGER        -- NULL: it stands
) STRICT;
CREATE UNIQUE INDEX period_open ON period (kind, tenant, name, item) WHERE until IS NULL;
CREATE INDEX period_of ON period (kind, tenant, name, since);
CREATE INDEX period_closed ON period (until) WHERE until IS NOT NULL;

-- What stood before there was this table, from the events of then.
CREATE VIEW told AS SELECT id, kind, tenant, detail, subject,
    substr(subject, 1, instr(subject, '@') - 1) AS name, substr(subject, instr(subject, '@') + 1) AS version FROM event;
INSERT INTO period (kind, tenant, name, item, value, since)
    SELECT 'function', tenant, name, version, '', id FROM told WHERE kind = 'function.deploy';
INSERT INTO period (kind, tenant, name, item, value, since, until)
    SELECT 'live', tenant, name, '', version, id, lead(id) OVER (PARTITION BY tenant, name ORDER BY id)
    FROM told WHERE kind = 'function.deploy';
INSERT INTO period (kind, tenant, name, item, value, since, until)
    SELECT 'model', p.tenant, p.name, p.version, '', p.id, (SELECT min(r.id) FROM told r
        WHERE r.kind = 'model.remove' AND r.tenant = p.tenant AND r.subject = p.subject)
    FROM told p WHERE p.kind = 'model.push';
INSERT INTO period (kind, tenant, name, item, value, since, until)
    SELECT 'label', tenant, name, detail, version, id, next FROM (
        SELECT *, lead(id) OVER (PARTITION BY tenant, name, detail ORDER BY id) AS next
        FROM told WHERE kind IN ('model.label', 'model.unlabel'))
    WHERE kind = 'model.label';
DROP VIEW told;
