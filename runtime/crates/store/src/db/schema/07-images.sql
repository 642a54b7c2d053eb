-- Schema 7: warm-start images.

-- What became of a component's `init` when the code was made: JSON, opaque here. NULL: it has none.
ALTER TABLE function_version ADD COLUMN image TEXT;
