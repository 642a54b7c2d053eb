//! What a writer has besides what it deploys and removes: a secret, which a function of its own answers, and a tenant, which comes from
//! one of two archives.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use modelet_control::wire;
use modelet_spec::Digest;

use crate::seen::{self, listed_of};
use crate::state::Imported;
use crate::support::places;
use crate::support::site::{Site, manifest_at};

/// The two archives.
pub(crate) const ARCHIVES: usize = 2;

/// The name of the function and of the model in a tenant that is imported.
pub(crate) const IMPORTED: &str = "in";

/// The label in such a tenant that moves with each import.
const LABEL: &str = "stable";

/// The names, and the files that set them.
pub(crate) struct Kept {
    /// The secret, and the function that answers it.
    pub(crate) secret: String,
    /// Where its next value is written.
    pub(crate) secret_file: PathBuf,
    /// The tenant that is imported.
    pub(crate) tenant: String,
    /// What each archive makes of it.
    pub(crate) archives: Vec<(PathBuf, Imported)>,
}

impl Kept {
    /// Sets the secret to `value`, deploys the function, and makes the archives; the tenant is then as the last one has it.
    ///
    /// # Errors
    /// When the server refuses something of it.
    pub(crate) fn make(site: &Site, writer: &str, value: &str, component: &[u8], model: &[u8]) -> Result<Self> {
        let secret = format!("kept-{writer}");
        let reads = format!("[config]\ntoken = {{ secret = \"{secret}\" }}\n");
        let project = site.project(component, &secret, &reads)?;
        let secret_file = Path::new(&project).join("value");
        fs::write(&secret_file, value)?;
        site.modelet(&["secret", "set", &secret, "--file", &places::text(&secret_file)?])?;
        site.modelet(&["deploy", &project])?;
        let tenant = format!("imported-{writer}");
        site.modelet(&["tenant", "create", &tenant, "--path", &format!("/{tenant}")])?;
        let folder = PathBuf::from(site.project(component, &tenant, "")?);
        let archives =
            (0..ARCHIVES).map(|number| archive(site, &folder, &tenant, number, model)).collect::<Result<_>>()?;
        Ok(Self { secret, secret_file, tenant, archives })
    }

    /// What the function answers that has the secret.
    ///
    /// # Errors
    /// When it does not.
    pub(crate) fn value(&self, site: &Site) -> Result<String> {
        seen::setting(site, &self.secret, "token", None)
    }

    /// What there is of the tenant.
    ///
    /// # Errors
    /// When its function does not answer, or the server does not list its models.
    pub(crate) fn imported(&self, site: &Site) -> Result<Imported> {
        let stamp = seen::setting(site, &format!("{}/{IMPORTED}", self.tenant), "stamp", None)?;
        let kept: wire::ModelVersions =
            listed_of(site, &["model", "versions", IMPORTED, "--json", "--tenant", &self.tenant])?;
        let labelled = kept.versions.iter().find(|version| version.labels.iter().any(|label| label == LABEL));
        let model = labelled.with_context(|| format!("no version of {IMPORTED} is {LABEL}"))?.digest.to_string();
        Ok(Imported { stamp, model })
    }
}

/// Makes the tenant's next function and model, and takes them along alone: what was there before goes.
fn archive(site: &Site, folder: &Path, tenant: &str, number: usize, model: &[u8]) -> Result<(PathBuf, Imported)> {
    let stamp = format!("archive {number}");
    let model = crate::writer::renamed(model, &stamp)?;
    let (file, model_file) = (folder.join(format!("{number}.tar")), folder.join("model.onnx"));
    fs::write(&model_file, &model)?;
    let sections = format!("[config]\nstamp = \"{stamp}\"\n");
    fs::write(folder.join("function.toml"), manifest_at(IMPORTED, &format!("/{tenant}/{IMPORTED}"), &sections))?;
    let to = ["--tenant", tenant];
    let (folder, model_path) = (places::text(folder)?, places::text(&model_file)?);
    site.modelet(&[&["deploy", &folder], &to[..]].concat())?;
    site.modelet(&[&["model", "push", &model_path, "--name", IMPORTED, "--label", LABEL], &to[..]].concat())?;
    if number > 0 {
        let before = number.to_string();
        site.modelet(&[&["function", "remove", IMPORTED, "--version", &before], &to[..]].concat())?;
        site.modelet(&[&["model", "remove", &format!("{IMPORTED}@{before}")], &to[..]].concat())?;
    }
    let path = places::text(&file)?;
    site.modelet(&[&["export", &path], &to[..]].concat())?;
    ensure!(file.exists(), "{path} was not made");
    Ok((file, Imported { stamp, model: Digest::of(&model).to_string() }))
}
