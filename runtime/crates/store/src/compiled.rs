//! Compiled code: `compiled/<component>-<engine>.cwasm`.
//!
//! Machine code that the process will run, so a file counts only if a version of a function names the digest of its very
//! bytes. Anything else is as good as absent: the component is there to compile again.

use crate::changes::Changes;
use crate::error::{StoreError, io_at};
use crate::events::Note;
use crate::files::{self, Aside};
use crate::output::OutputFile;
use crate::store::Store;
use modelet_spec::{Digest, FunctionName, TenantName, Version};
use rusqlite::{OptionalExtension, params};
use std::io::Write;
use std::path::PathBuf;

/// Which code was made from a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompiledRecord {
    /// The digest of the code.
    pub digest: Digest,
    /// The engine that made it: version and settings.
    pub engine: String,
    /// What became of the component's `init`, as JSON: opaque here. `None`: it has none.
    pub image: Option<String>,
}

impl Changes<'_> {
    /// Records that the component of a version was compiled again.
    ///
    /// # Errors
    /// When there is no such version, or the metadata cannot be written.
    pub fn set_compiled(
        &self,
        tenant: &TenantName,
        name: &FunctionName,
        version: Version,
        compiled: &CompiledRecord,
    ) -> Result<(), StoreError> {
        self.write(|tx| {
            let recorded =
                "SELECT compiled_digest FROM function_version WHERE tenant = ?1 AND name = ?2 AND version = ?3";
            let of = params![tenant.as_str(), name.as_str(), version.get()];
            let before: Option<String> = tx.prepare_cached(recorded)?.query_row(of, |row| row.get(0)).optional()?;
            let changed = tx.execute(
                "UPDATE function_version SET compiled_digest = ?4, compiled_engine = ?5, image = ?6
                 WHERE tenant = ?1 AND name = ?2 AND version = ?3",
                params![
                    tenant.as_str(),
                    name.as_str(),
                    version.get(),
                    compiled.digest.to_string(),
                    compiled.engine,
                    compiled.image
                ],
            )?;
            if changed == 0 {
                return Err(rusqlite::Error::QueryReturnedNoRows.into());
            }
            let (subject, after) = (format!("{name}@{version}"), compiled.digest.to_string());
            let note = Note::new("function.compile", tenant, &subject).detail(&compiled.engine);
            note.values(before.as_deref(), Some(&after)).write(tx)?;
            Ok(())
        })
    }
}

impl Store {
    /// Writes compiled code beside the metadata. It counts once a version of a function names the returned record
    /// ([`Changes::put_function`], [`Changes::set_compiled`]).
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_compiled(&self, component: &Digest, engine: &str, code: &[u8]) -> Result<CompiledRecord, StoreError> {
        let mut aside = Aside::begin(self.data_dir())?;
        aside.file.write_all(code).map_err(io_at("write", aside.path()))?;
        aside.keep(&self.compiled_file(component, engine))?;
        Ok(CompiledRecord { digest: Digest::of(code), engine: engine.to_owned(), image: None })
    }

    /// The same with code that another process has written.
    ///
    /// # Errors
    /// When the file cannot be read or put in its place.
    pub fn keep_compiled(
        &self,
        component: &Digest,
        engine: &str,
        written: OutputFile,
        image: Option<String>,
    ) -> Result<CompiledRecord, StoreError> {
        let digest = written.keep(&self.compiled_file(component, engine))?;
        Ok(CompiledRecord { digest, engine: engine.to_owned(), image })
    }

    /// Where the code that an engine made from a component lies, if it is there. Whoever uses the file compares its bytes with
    /// the digest that a version of a function records.
    ///
    /// The engine's id may have any characters; in a file's name it is cut and tamed. Should two ids meet there, the digest
    /// tells them apart.
    #[must_use]
    pub fn compiled_file(&self, component: &Digest, engine: &str) -> PathBuf {
        let tame = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        let engine: String = engine.chars().take(64).map(tame).collect();
        self.data_dir().join("compiled").join(format!("{}-{engine}.cwasm", component.hex()))
    }

    /// The code that this engine made from a component; `None` if there is none whose bytes are what was recorded.
    ///
    /// # Errors
    /// When the file or the metadata cannot be read.
    pub fn compiled(&self, component: &Digest, engine: &str) -> Result<Option<CompiledRecord>, StoreError> {
        let Some((digest, _)) = files::digest_of(&self.compiled_file(component, engine))? else { return Ok(None) };
        // The digest as well: thousands of versions may have one component, and then the first row of them is enough.
        let sql = "SELECT image FROM function_version
            WHERE component = ?1 AND compiled_engine = ?2 AND compiled_digest = ?3 LIMIT 1";
        let of = (component.to_string(), engine, digest.to_string());
        let image =
            self.db.read(|tx| Ok(tx.prepare_cached(sql)?.query_row(of, |row| row.get("image")).optional()?))?;
        Ok(image.map(|image| CompiledRecord { digest, engine: engine.to_owned(), image }))
    }
}
