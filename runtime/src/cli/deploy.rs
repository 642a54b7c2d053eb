//! `modelet deploy [DIR|FILE.wasm]`: sends the component, the models and the manifest.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail};
use modelet_control::wire::{Blob, Compile, Deploy, Function, GivenModel, Image};
use modelet_spec::manifest::{Manifest, ModelSource, RouteSpec};
use modelet_spec::{Digest, FunctionName, ModelRef, TenantName};

use super::bundle::Bundle;
use super::client::Client;
use super::output;
use super::project::Project;
use super::{DeployArgs, ServerArgs};

pub(crate) fn run(args: &DeployArgs, server: &ServerArgs) -> anyhow::Result<()> {
    let mut source = Source::of(args)?;
    apply_flags(&mut source.manifest, args)?;
    let client = Client::new(server)?;
    let function = deploy(&client, server.tenant.clone(), source, args.allow_new_capabilities)?;
    if args.json {
        return output::json(&function);
    }
    output::line(&is_live(&function));
    function.compile.iter().for_each(|took| output::line(&format!("  {}", compiled(*took))));
    function.image.iter().filter_map(image).for_each(|text| output::line(&format!("  {text}")));
    function.notes.iter().for_each(|note| output::line(&format!("  note: {note}")));
    let data_url = client.data_url()?;
    for route in &function.routes {
        let methods = if route.methods.is_empty() { String::new() } else { format!("{} ", route.methods.join(",")) };
        let host = route.host.as_ref().map(|host| format!("  (host {host})")).unwrap_or_default();
        output::line(&format!("  {methods}{data_url}{}{host}", route.path));
    }
    if function.routes.is_empty() {
        output::line("  it has no route: add [[route]] to function.toml, or deploy with --route /PATH");
    }
    Ok(())
}

/// Sends a component, its models and its manifest, and has them deployed.
pub(crate) fn deploy(
    client: &Client,
    tenant: Option<TenantName>,
    source: Source,
    allow_new_capabilities: bool,
) -> anyhow::Result<Function> {
    let component: Blob = client.push_blob(&source.component)?;
    let mut models = BTreeMap::new();
    for (alias, model) in &source.manifest.models {
        if let ModelSource::File(file) = model {
            models.insert(alias.clone(), send(client, &source.model_file(alias, file)?)?);
        }
    }
    let files = source.case_files(client)?;
    output::step("compiling and linking");
    let Source { manifest, component: _, dir: _ } = source;
    let component = component.digest;
    let deploy = Deploy { tenant, manifest, component, models, files, allow_new_capabilities };
    client.post("/v1/functions", &deploy)
}

fn is_live(function: &Function) -> String {
    let (name, version) = (&function.name, function.version);
    if function.live {
        return format!("{name} version {version} is live");
    }
    format!(
        "{name} version {version} is deployed and gets no requests, because they are shared out: \
         `modelet traffic {name} {version}=100` gives it all, `modelet traffic {name}` shows who has them"
    )
}

fn compiled(took: Compile) -> String {
    let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
    format!("compiled in {} ({} of processor time)", seconds(took.ms), seconds(took.cpu_ms))
}

/// What a warm-start image is worth; why there is none is a note.
fn image(image: &Image) -> Option<String> {
    let ms = |us: u64| format!("{}.{:02} ms", us / 1000, us % 1000 / 10);
    match (image.made, image.before_us.zip(image.after_us)) {
        (false, _) => None,
        (true, None) => Some("it has a warm-start image".to_owned()),
        (true, Some((before, after))) => Some(format!(
            "it has a warm-start image: the first request to an instance takes {}, without it {}",
            ms(after),
            ms(before)
        )),
    }
}

/// Sends a model that comes with the deploy: a file, or a folder.
fn send(client: &Client, path: &Path) -> anyhow::Result<GivenModel> {
    let bundle = Bundle::open(path, None)?;
    if bundle.is_folder {
        return Ok(GivenModel::Files(Box::new(bundle.send(client)?)));
    }
    let blob: Blob = client.push_blob(&bundle.main)?;
    Ok(GivenModel::Blob { blob: blob.digest })
}

/// What is deployed, before the flags.
pub(crate) struct Source {
    /// Its manifest.
    pub(crate) manifest: Manifest,
    /// Its component.
    pub(crate) component: PathBuf,
    /// What model files are relative to.
    pub(crate) dir: PathBuf,
}

impl Source {
    fn of(args: &DeployArgs) -> anyhow::Result<Self> {
        if args.source.is_dir() {
            let project = Project::open(&args.source)?;
            let component = project.component()?;
            return Ok(Self { manifest: project.manifest, component, dir: project.dir });
        }
        if !args.source.exists() {
            bail!("{} is not there: name a function's folder or a component", args.source.display());
        }
        let name = match &args.name {
            Some(name) => name.clone(),
            None => name_of(&args.source)?,
        };
        let route = if args.routes.is_empty() { format!("\n[[route]]\npath = \"/{name}\"\n") } else { String::new() };
        let manifest = Manifest::parse(&format!("name = \"{name}\"\n{route}"), "the manifest made of the flags");
        Ok(Self {
            manifest: manifest.map_err(|e| anyhow!("{e}"))?,
            component: args.source.clone(),
            dir: PathBuf::new(),
        })
    }

    /// Sends the bodies of the manifest's cases that are files.
    fn case_files(&self, client: &Client) -> anyhow::Result<BTreeMap<String, Digest>> {
        let mut files = BTreeMap::new();
        for path in self.manifest.case.iter().filter_map(|case| case.request.body_file.as_ref()) {
            let Some(name) = path.to_str() else {
                bail!("a [[case]] names the file {}: write its name in UTF-8", path.display())
            };
            if !files.contains_key(name) {
                files.insert(name.to_owned(), client.push_blob(&self.dir.join(path))?.digest);
            }
        }
        Ok(files)
    }

    /// A model's file or folder. One from a flag is relative to the current folder, one from the manifest to the function's.
    fn model_file(&self, alias: &str, file: &Path) -> anyhow::Result<PathBuf> {
        let path = self.dir.join(file);
        if path.exists() {
            return Ok(path);
        }
        bail!(
            "the model `{alias}` is {}, which is not there: `cargo xtask setup` fetches the models of this repository, \
             or name another by --model {alias}=FILE.onnx",
            path.display()
        )
    }
}

/// A function's name from its component's: `file_type.wasm` is `file-type`.
fn name_of(component: &Path) -> anyhow::Result<FunctionName> {
    let stem = component.file_stem().map(|stem| stem.to_string_lossy().to_lowercase().replace('_', "-"));
    stem.unwrap_or_default().parse().map_err(|e| anyhow!("{e}; give the function a name by --name"))
}

/// The flags win over the manifest.
fn apply_flags(manifest: &mut Manifest, args: &DeployArgs) -> anyhow::Result<()> {
    if let Some(name) = &args.name {
        manifest.name = name.clone();
    }
    if !args.routes.is_empty() {
        manifest.route = args.routes.iter().map(|route| parse_route(route)).collect::<anyhow::Result<_>>()?;
    }
    for model in &args.models {
        let (alias, source) = parse_model(model)?;
        manifest.models.insert(alias, source);
    }
    for pair in &args.config {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| anyhow!("--config `{pair}` has no `=`: write KEY=VALUE"))?;
        manifest.config.insert(key.to_owned(), value.to_owned().into());
    }
    Ok(())
}

fn parse_route(text: &str) -> anyhow::Result<RouteSpec> {
    let slash = text.find('/').ok_or_else(|| anyhow!("--route `{text}` has no path: write /PATH or HOST/PATH"))?;
    let (host, path) = text.split_at(slash);
    let path = path.parse().map_err(|e| anyhow!("--route `{text}`: {e}"))?;
    Ok(RouteSpec { host: (!host.is_empty()).then(|| host.to_owned()), path, methods: Vec::new(), auth: None })
}

fn parse_model(text: &str) -> anyhow::Result<(String, ModelSource)> {
    let (alias, model) = text
        .split_once('=')
        .ok_or_else(|| anyhow!("--model `{text}` has no `=`: write ALIAS=NAME, ALIAS=FILE.onnx or ALIAS=./DIR"))?;
    let path = Path::new(model);
    // A reference has a slash only between an owner and a name; a folder in the current one is written `./DIR`.
    let is_folder = model.starts_with(['.', '/']) || model.ends_with('/');
    if is_folder || path.extension().is_some_and(|e| e == "onnx") {
        let absolute = std::path::absolute(path)?;
        return Ok((alias.to_owned(), ModelSource::File(absolute)));
    }
    let reference: ModelRef = model
        .parse()
        .map_err(|e| anyhow!("--model `{text}`: {e}, or a file that ends with .onnx, or a folder as ./DIR"))?;
    Ok((alias.to_owned(), ModelSource::Ref(reference)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_has_a_path_and_may_have_a_host() {
        let route = parse_route("/a/{b}").unwrap();
        assert_eq!((route.host, route.path.to_string()), (None, "/a/{b}".to_owned()));
        let route = parse_route("api.example/a").unwrap();
        assert_eq!((route.host.as_deref(), route.path.to_string()), (Some("api.example"), "/a".to_owned()));
        assert!(parse_route("nothing").unwrap_err().to_string().contains("HOST/PATH"));
    }

    #[test]
    fn a_model_is_a_reference_a_file_or_a_folder() {
        let (alias, source) = parse_model("m=magika@1").unwrap();
        assert_eq!(alias, "m");
        assert!(matches!(source, ModelSource::Ref(reference) if reference.to_string() == "magika@1"));
        let (_, source) = parse_model("m=models/x.onnx").unwrap();
        assert!(matches!(source, ModelSource::File(file) if file.is_absolute()));
        for folder in ["m=./magika", "m=../magika", "m=magika/"] {
            assert!(
                matches!(parse_model(folder).unwrap().1, ModelSource::File(file) if file.is_absolute()),
                "{folder}"
            );
        }
        assert!(matches!(parse_model("m=acme/magika").unwrap().1, ModelSource::Ref(_)));
        assert!(parse_model("magika").is_err());
    }

    #[test]
    fn an_image_is_told_with_what_it_is_worth() {
        let told = |made, times: Option<(u64, u64)>| {
            image(&Image { made, before_us: times.map(|t| t.0), after_us: times.map(|t| t.1) })
        };
        assert_eq!(told(false, None), None);
        assert_eq!(told(true, None).unwrap(), "it has a warm-start image");
        assert!(told(true, Some((4029, 61))).unwrap().ends_with("takes 0.06 ms, without it 4.02 ms"));
        assert_eq!(compiled(Compile { ms: 1234, cpu_ms: 99 }), "compiled in 1.2 s (0.0 s of processor time)");
    }

    #[test]
    fn a_component_names_its_function() {
        assert_eq!(name_of(Path::new("out/File_Type.wasm")).unwrap().as_str(), "file-type");
        assert!(name_of(Path::new("-.wasm")).unwrap_err().to_string().contains("--name"));
    }
}
