//! A function to deploy: a guest and a manifest around it.

use crate::places;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// What is deployed, from a component and a few lines of manifest.
#[derive(Debug, Clone)]
pub struct Function {
    name: String,
    component: PathBuf,
    routes: String,
    models: String,
    sections: String,
}

impl Function {
    /// A guest of `tests/guests/`, deployed under its name (with hyphens) at the route of that name, open to all.
    #[must_use]
    pub fn guest(guest: &str) -> Self {
        Self::component(&guest.replace('_', "-"), places::guest(guest))
    }

    /// Any component.
    #[must_use]
    pub fn component(name: &str, component: PathBuf) -> Self {
        let (name, none) = (name.to_owned(), String::new());
        Self { name, component, routes: none.clone(), models: none.clone(), sections: none }
    }

    /// Another name; the default route follows it.
    #[must_use]
    pub fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// A route instead of the default one: the lines of a `[[route]]`.
    #[must_use]
    pub fn route(mut self, lines: &str) -> Self {
        writeln!(self.routes, "[[route]]\n{lines}").unwrap();
        self
    }

    /// A model of `tests/models/`, under its own name with hyphens.
    #[must_use]
    pub fn model(self, name: &str) -> Self {
        self.model_file(&name.replace('_', "-"), &places::model(name))
    }

    /// A model from a file.
    #[must_use]
    pub fn model_file(mut self, alias: &str, file: &Path) -> Self {
        writeln!(self.models, "{alias} = {{ file = {:?} }}", file.display().to_string()).unwrap();
        self
    }

    /// A model that was pushed before.
    #[must_use]
    pub fn model_ref(mut self, alias: &str, reference: &str) -> Self {
        writeln!(self.models, "{alias} = {reference:?}").unwrap();
        self
    }

    /// More of the manifest: whole sections, such as `[limits]`.
    #[must_use]
    pub fn with(mut self, sections: &str) -> Self {
        writeln!(self.sections, "{sections}").unwrap();
        self
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Lays the function's folder, as its author would have it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn lay(&self, folder: &Path) {
        fs::create_dir_all(folder).unwrap();
        symlink(&self.component, folder.join("component.wasm")).unwrap();
        fs::write(folder.join("function.toml"), self.manifest()).unwrap();
    }

    fn manifest(&self) -> String {
        let Self { name, routes, models, sections, .. } = self;
        let default = format!("[[route]]\npath = \"/{name}\"\nauth = \"none\"\n");
        let routes = if routes.is_empty() { &default } else { routes };
        format!("name = {name:?}\n[build]\ncomponent = \"component.wasm\"\n{routes}[models]\n{models}{sections}")
    }
}
