-- What trials found out about models, and the digests of the optimised forms that they wrote. Made again when it is missing.
CREATE TABLE optimised (
    model  TEXT NOT NULL, -- the digest of its content
    key    TEXT NOT NULL, -- what the form depends on: ONNX Runtime's build, the processor, the device, settings
    digest TEXT,          -- of the file `optimised/…`; NULL: none can be made, the model is loaded from its own file
    facts  TEXT NOT NULL, -- JSON
    PRIMARY KEY (model, key)
) STRICT, WITHOUT ROWID;
