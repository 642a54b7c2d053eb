//! Components of languages that bring their own interpreter: some MiB of code, and seconds to compile. `cargo xtask conformance` makes one
//! and has the tests deploy it; it is too large to be kept in the repository, and too slow to be made for each run of the tests.

use crate::failure::{Failure, While};
use crate::files::{self, Staging};
use crate::places::Places;
use crate::process;
use crate::test;
use crate::venv;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the component is made for: the packages are those of `wit/deps`.
const WORLD: &str = "package modelet:python@0.1.0;\n\nworld app {\n    include wasi:http/proxy@0.2.12;\n}\n";

/// The versions of WASI that the world has.
const VERSION: &str = "@0.2.12";

/// Makes the component, and runs the tests that want it.
pub(crate) fn run(places: &Places) -> Result<(), Failure> {
    let component = python(places)?;
    test::ignored(places, "languages", "MODELET_PYTHON_COMPONENT", &component)
}

/// Compiles `tests/languages/python/app.py` with CPython and its library into one component.
fn python(places: &Places) -> Result<PathBuf, Failure> {
    let folder = places.root.join("tests/languages/python");
    let python = venv::ensure(places, "componentize-py", &folder.join("requirements.txt"))?;
    let made = places.cache.join("languages");
    fs::create_dir_all(&made).or_fail(|| made.display().to_string())?;
    let component = made.join("python.wasm");
    let wit = Staging::beside(&made.join("wit"))?;
    lay_wit(places, wit.path())?;
    // Python writes beside what it reads.
    let (app, code) = (folder.join("app.py"), Staging::beside(&made.join("app"))?);
    files::copy_to(&app, &code.path().join("app.py"))?;
    eprintln!("conformance: making a component of {}", places.short(&app));
    let mut componentize = Command::new(python.with_file_name("componentize-py"));
    componentize.arg("--wit-path").arg(wit.path()).args(["--world", "app", "componentize", "app", "--python-path"]);
    process::quietly(componentize.arg(code.path()).arg("--output").arg(&component))
        .or_fail(|| "componentize-py".to_owned())?;
    Ok(component)
}

/// The world, with its packages beside it as the tools want them.
fn lay_wit(places: &Places, folder: &Path) -> Result<(), Failure> {
    let failed = |path: &Path| path.display().to_string();
    let (world, deps) = (folder.join("app.wit"), places.root.join("wit/deps"));
    fs::write(&world, WORLD).or_fail(|| failed(&world))?;
    for package in fs::read_dir(&deps).or_fail(|| failed(&deps))? {
        let package = package.or_fail(|| failed(&deps))?.path();
        let Some(name) = package.file_name().and_then(|name| name.to_str()?.strip_suffix(VERSION)) else { continue };
        let into = folder.join("deps").join(name);
        fs::create_dir_all(&into).or_fail(|| failed(&into))?;
        for file in fs::read_dir(&package).or_fail(|| failed(&package))? {
            let file = file.or_fail(|| failed(&package))?.path();
            if let (Some("wit"), Some(name)) = (file.extension().and_then(|end| end.to_str()), file.file_name()) {
                fs::copy(&file, into.join(name)).or_fail(|| failed(&file))?;
            }
        }
    }
    Ok(())
}
