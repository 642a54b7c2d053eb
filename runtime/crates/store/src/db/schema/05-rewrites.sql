-- Schema 5: how versions of models were made of others.

CREATE TABLE model_rewrite (
    model  INTEGER PRIMARY KEY REFERENCES model_version (id),
    report TEXT NOT NULL -- JSON
) STRICT;
