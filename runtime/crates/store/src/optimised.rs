//! Optimised forms of models: `optimised/<model>-<key>.ort`, with what a trial found out beside them.
//!
//! ONNX Runtime trusts such a file, so it counts only if its bytes have the digest that was recorded when our own trial wrote
//! it; whoever maps it compares. Anything else is as good as absent: the model's file is there to make it again.

use crate::db::parsed;
use crate::error::{StoreError, io_at};
use crate::output::OutputFile;
use crate::store::Store;
use modelet_spec::Digest;
use rusqlite::{OptionalExtension, params};
use std::path::PathBuf;

/// What a trial left behind for one model and one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptimisedRecord {
    /// The file and the digest of its content; `None`: there is none, the model is loaded from its own file.
    pub file: Option<(PathBuf, Digest)>,
    /// What the trial found out: opaque here.
    pub facts_json: String,
}

impl Store {
    /// Keeps what a trial of `model` found out, and the optimised form if it wrote one, in place of what there was for the
    /// same `key`.
    ///
    /// # Errors
    /// When a file or the metadata cannot be written.
    pub fn keep_optimised(
        &self,
        model: &Digest,
        key: &str,
        written: Option<OutputFile>,
        facts_json: &str,
    ) -> Result<OptimisedRecord, StoreError> {
        let file = match written {
            Some(writer) => {
                let place = self.optimised_path(model, key);
                let digest = writer.keep(&place)?;
                Some((place, digest))
            }
            None => None,
        };
        let digest = file.as_ref().map(|(_, digest)| digest.to_string());
        self.db.write(|tx| {
            tx.execute(
                "INSERT INTO optimised (model, key, digest, facts) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (model, key) DO UPDATE SET digest = ?3, facts = ?4",
                params![model.to_string(), key, digest, facts_json],
            )?;
            Ok(())
        })?;
        Ok(OptimisedRecord { file, facts_json: facts_json.to_owned() })
    }

    /// What a trial of a model left behind for this key. Whether the file is there, and its content what was recorded, is for
    /// whoever maps it to see.
    ///
    /// # Errors
    /// When the metadata cannot be read.
    pub fn optimised(&self, model: &Digest, key: &str) -> Result<Option<OptimisedRecord>, StoreError> {
        let place = self.optimised_path(model, key);
        self.db.read(|tx| {
            let mut query = tx.prepare_cached("SELECT * FROM optimised WHERE model = ?1 AND key = ?2")?;
            let record = query.query_row((model.to_string(), key), |row| {
                let is_there = row.get::<_, Option<String>>("digest")?.is_some();
                let file = if is_there { Some((place.clone(), parsed(row, "digest")?)) } else { None };
                Ok(OptimisedRecord { file, facts_json: row.get("facts")? })
            });
            Ok(record.optional()?)
        })
    }

    /// Forgets what trials of a model left behind, and removes their files. A file that is mapped lives until it is not.
    ///
    /// # Errors
    /// When the metadata cannot be written, or a file not be removed.
    pub fn forget_optimised(&self, model: &Digest) -> Result<(), StoreError> {
        let keys: Vec<String> = self.db.write(|tx| {
            let mut delete = tx.prepare_cached("DELETE FROM optimised WHERE model = ?1 RETURNING key")?;
            let keys = delete.query_map([model.to_string()], |row| row.get(0))?;
            Ok(keys.collect::<Result<_, _>>()?)
        })?;
        for key in keys {
            let place = self.optimised_path(model, &key);
            match std::fs::remove_file(&place) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io_at("remove", &place)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A key has any characters and any length: its digest is in the name.
    fn optimised_path(&self, model: &Digest, key: &str) -> PathBuf {
        let key: String = Digest::of(key.as_bytes()).hex().chars().take(16).collect();
        self.data_dir().join("optimised").join(format!("{}-{key}.ort", model.hex()))
    }
}
