//! `modelet build [DIR]`: runs the manifest's build command and checks what comes out.

use modelet_engine::Engine;
use serde::Serialize;

use super::BuildArgs;
use super::inspect::{self, ComponentReport};
use super::output;
use super::project::Project;

#[derive(Serialize)]
struct Built {
    component: std::path::PathBuf,
    #[serde(flatten)]
    report: ComponentReport,
}

pub(crate) fn run(args: &BuildArgs) -> anyhow::Result<()> {
    let project = Project::open(&args.dir)?;
    project.build()?;
    let component = project.component()?;
    let wasm = inspect::read(&component)?;
    let report = ComponentReport::of(&Engine::new(modelet_engine::EngineConfig::default())?, &wasm)?;
    report.accepted()?;
    if args.json {
        return output::json(&Built { component, report });
    }
    output::line(&format!("{}  {}", component.display(), output::size(report.bytes)));
    report.print();
    Ok(())
}
